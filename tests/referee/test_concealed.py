"""What runs from where it cannot be read is a flag, and what can be read is none."""

import lzma
from pathlib import Path

import pytest
from referee.packing import trainer, wrap
from toy_folder import case_of

from golf.referee.checks import concealed

TRAINING = "import os\nimport torch\ndef train():\n    loss.backward()\ntrain()\n"
FILES = {"tables_dat": "import os\n", "fast_bin": "x", "notes_txt": "import os\n"}


def found(folder: Path, script: str, **files: str) -> list[str]:
    case = case_of(folder, script=TRAINING + script, **{**FILES, **files})
    return [one.text for one in concealed.findings(case) if one.severity == "flag"]


@pytest.mark.parametrize(
    "script, said",
    [
        ('exec(open("tables.dat").read())', "runs what is in tables.dat"),
        ('exec(open("README.md").read().split("~")[1])', "runs what is in README.md"),
        ('import json\nexec(json.load(open("submission.json"))["code"])', "runs what is in submission.json"),
        ('P = "notes" + ".txt"\nwith open(P) as f:\n    exec (f.read())', "calls exec on what was not found"),
        (
            'T = "notes.txt"\nwith open(T) as f:\n    text = f.read()\nexec(compile(text, T, "exec"))',
            "runs what is in notes",
        ),
        ("exec(bytes([105, 109, 112]).decode())", "calls exec on what was not found"),
        ('run = exec\nrun(open("tables.dat").read())', "reaches for exec"),
        ('import builtins\ngetattr(builtins, "ex" + "ec")("1")', "takes a name out of builtins"),
        ('import marshal\nmarshal.loads(open("tables.dat", "rb").read())', "runs what is in tables.dat"),
        ('import ctypes\nctypes.CDLL("./fast.bin")', "runs what is in fast.bin"),
        ('import runpy\nrunpy.run_path("notes.txt")', "runs what is in notes.txt"),
        ('torch.load("fast.bin", weights_only=False)', "runs what is in fast.bin"),
        ('import pickle\npickle.load(open("fast.bin", "rb"))', "runs what is in fast.bin"),
        ('os.system("python notes.txt")', "runs what is in notes.txt"),
    ],
)
def test_code_that_is_no_script_is_a_flag(tmp_path: Path, script: str, said: str) -> None:
    assert said in " ".join(found(tmp_path, script, submission_json="{}"))


@pytest.mark.parametrize(
    "script",
    [
        'exec(open(__file__.replace("train_gpt.py", "helper.py")).read())',
        'import importlib.util\nimportlib.util.spec_from_file_location("h", "helper.py")',
        'import ctypes\nos.system("gcc gate.c -o gate.so")\nctypes.CDLL("./gate.so")',
        'import subprocess\nsrc = "notes.txt"\nsubprocess.run(["lrzip", src])',
        'torch.load("final_model.pt", weights_only=False)',
        "model.eval()\nmodel = torch.compile(model)\nprint(eval('1 + 1'))",
        'text = "# exec(open(tables.dat))"',
    ],
)
def test_code_that_is_read_is_none(tmp_path: Path, script: str) -> None:
    assert found(tmp_path, script, helper_py="import os\n", gate_c="int x;\n") == []


def test_a_packed_script_that_was_unpacked_hides_nothing(tmp_path: Path) -> None:
    case = case_of(tmp_path, script=wrap(trainer()))
    assert concealed.findings(case) == []


def test_what_nothing_reaches_is_a_note(tmp_path: Path) -> None:
    case = case_of(tmp_path, script=TRAINING, helper_py='exec(open("tables.dat").read())\n', tables_dat="x")
    assert [one.severity for one in concealed.findings(case)] == ["note"]


def test_a_command_that_starts_a_file_of_another_kind_is_a_flag(tmp_path: Path) -> None:
    case = case_of(tmp_path, script=TRAINING, notes_txt="import os\n", run_sh="torchrun --nproc_per_node 8 notes.txt\n")
    assert [one.text for one in concealed.findings(case)] == ["run.sh starts notes.txt, which is no script"]
    quiet = "python retokenize.py --vocab notes.txt\ntorchrun --nproc_per_node=8 train_gpt.py | tee notes.txt\n"
    assert not concealed.findings(case_of(tmp_path, script=TRAINING, notes_txt="x\n", run_sh=quiet))


def test_code_in_a_compressed_file_is_read_and_so_not_concealed(tmp_path: Path) -> None:
    (tmp_path / "code.lzma").write_bytes(lzma.compress(trainer().encode()))
    script = 'import lzma\nexec(lzma.decompress(open("code.lzma", "rb").read()))\n'
    assert concealed.findings(case_of(tmp_path, script=script)) == []
