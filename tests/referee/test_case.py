"""How a submission's folder is presented to the checks, however hostile it is."""

import io
import json
import lzma
import os
import pickle
import random
import tarfile
import zipfile
from pathlib import Path

import pytest
from referee.packing import CODECS, trainer, wrap

from golf.errors import NotFound
from golf.referee import source
from golf.referee.case import Case, open_case

LOG = "step:10/10 train_loss:1.0 train_time:5ms\nfinal_exact val_loss:3.0 val_bpb:1.5\n"
TRAINER = trainer()


def folder(place: Path, **files: str | bytes) -> Path:
    """Write files; `__` stands for a dot."""
    for name, text in files.items():
        data = text.encode() if isinstance(text, str) else text
        (place / name.replace("__", ".")).write_bytes(data)
    return place


def unreadable(case: Case) -> list[str]:
    return [finding.text for finding in case.findings if finding.code == "UNREADABLE"]


def names(case: Case) -> list[str]:
    return [script.name for script in case.scripts]


def test_every_text_of_a_folder_is_presented_by_kind(tmp_path: Path) -> None:
    folder(
        tmp_path,
        README__md="# Toy\n",
        NOTES__md="more\n",
        submission__json='{"val_bpb": 1.5}',
        train_gpt__py="print(1)\n",
        run__sh="python train_gpt.py\n",
        Makefile="all:\n",
        requirements__txt="numpy\n",
        config__yaml="a: 1\n",
        kernel__cu="__global__\n",
        train_seed7__log=LOG,
    )
    case = open_case(tmp_path)
    assert [text.name for text in case.readmes] == ["README.md", "NOTES.md"]
    assert case.json == {"val_bpb": 1.5}
    assert names(case) == ["train_gpt.py"]
    assert [text.name for text in case.shells] == ["Makefile", "run.sh"]
    assert [text.name for text in case.others] == ["config.yaml", "kernel.cu", "requirements.txt"]
    assert [log.final_bpb for log in case.logs] == [1.5]
    assert case.log_texts[case.logs[0].path].lines[1].startswith("final_exact")
    assert case.findings == []
    assert case.read("kernel.cu") == b"__global__\n"


def test_copies_of_a_log_are_one_log_and_the_name_with_a_seed_is_kept(tmp_path: Path) -> None:
    case = open_case(folder(tmp_path, train__log=LOG, train_seed7__log=LOG))
    assert [Path(log.path).name for log in case.logs] == ["train_seed7.log"]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        open_case(tmp_path / "gone")


def test_a_quote_is_one_short_line_that_can_be_shown(tmp_path: Path) -> None:
    case = open_case(
        folder(tmp_path, README__md="# one\n\x1b[31m  red \ud7ff " + "x" * 9_000 + "\nthree\r\nfour\u2028")
    )
    (readme,) = case.readmes
    assert readme.at(2).quote.startswith("\\x1b[31m red")
    assert len(readme.at(2).quote) <= 200
    assert readme.find(readme.text.index("three")).line == 3
    assert readme.at(4).quote == "four"
    assert readme.at(9).quote == "(empty)"


# --- scripts


def test_what_a_packed_script_holds_stands_before_it(tmp_path: Path) -> None:
    case = open_case(folder(tmp_path, train_gpt__py=wrap(TRAINER), helper__py="import os\n"))
    assert names(case) == ["train_gpt.py!unpacked", "train_gpt.py", "helper.py"]
    assert case.scripts[0].text == TRAINER
    assert case.scripts[0].packed_in == "train_gpt.py"


def test_packing_within_packing_is_undone_twice_and_no_more(tmp_path: Path) -> None:
    inner = TRAINER
    for _ in range(3):
        inner = wrap(inner + "# " + "\u00e9" * 40 + "\n", "xz")
    case = open_case(folder(tmp_path, train_gpt__py=inner))
    assert names(case) == ["train_gpt.py!unpacked!unpacked", "train_gpt.py!unpacked", "train_gpt.py"]
    assert unreadable(case) == ["packed over 2 deep and not unpacked: train_gpt.py!unpacked!unpacked"]


@pytest.mark.parametrize(
    "launcher",
    [
        'exec(open(__file__.replace("train_gpt.py", "train_real.py")).read())\n',
        "import runpy\nrunpy.run_path('train_real.py', run_name='__main__')\n",
        "from train_real import main\nmain()\n",
        "import subprocess\nsubprocess.run(['torchrun', 'train_real.py'])\n",
    ],
)
def test_the_script_that_a_launcher_runs_stands_first(tmp_path: Path, launcher: str) -> None:
    case = open_case(folder(tmp_path, train_gpt__py=launcher, train_real__py=TRAINER, a_helper__py=TRAINER * 2))
    assert names(case)[0] == "train_real.py"
    assert unreadable(case) == []


def test_a_launcher_whose_script_is_elsewhere_is_a_finding(tmp_path: Path) -> None:
    launcher = "import runpy\nrunpy.run_path('../other_record/train_gpt.py')\n"
    case = open_case(folder(tmp_path, train_gpt__py=launcher))
    assert unreadable(case) == ["runs code that was not found in the folder: train_gpt.py"]


def test_an_empty_script_leaves_the_first_place_to_another(tmp_path: Path) -> None:
    case = open_case(folder(tmp_path, train_gpt__py="", train_v5__py="print(1)\n"))
    assert names(case) == ["train_v5.py", "train_gpt.py"]


def test_code_in_a_compressed_file_is_read(tmp_path: Path) -> None:
    bundle = lzma.compress(json.dumps({"train_gpt.py": TRAINER, "note": "words"}).encode())
    start = (
        'import lzma, json\nbundle = json.loads(lzma.decompress(open("code.lzma", "rb").read()))\nexec(bundle["a"])\n'
    )
    case = open_case(folder(tmp_path, submission__py=start, code__lzma=bundle))
    assert names(case) == ["code.lzma!unpacked", "submission.py"]


def test_a_notebook_counts_by_its_code_cells(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# words"]},
        {"cell_type": "code", "source": ["!pip install x\n", "import os\n", "%%time\n", "x = 1"]},
        {"cell_type": "code", "source": "y = 2"},
    ]
    case = open_case(
        folder(tmp_path, run__ipynb=json.dumps({"cells": cells}), bad__ipynb="{", worse__ipynb='{"cells": [1]}')
    )
    (script,) = case.scripts
    assert script.name == "run.ipynb!cells"
    assert script.tree is not None
    assert [type(statement).__name__ for statement in script.tree.body] == ["Import", "Assign", "Assign"]
    assert unreadable(case) == ["is no notebook: bad.ipynb, worse.ipynb"]


def test_packed_code_that_cannot_be_unpacked_is_a_finding(tmp_path: Path) -> None:
    letters = random.Random(1)
    secret = wrap("".join(chr(letters.randrange(33, 120)) for _ in range(9_000)))
    case = open_case(folder(tmp_path, train_gpt__py="import decode\n" + secret))
    assert "runs packed code that could not be unpacked: train_gpt.py" in unreadable(case)


def test_a_payload_that_is_read_hides_none_that_is_not(tmp_path: Path) -> None:
    letters = random.Random(2)
    secret = "".join(chr(letters.choice(range(48, 123))) for _ in range(9_000)).replace("\\", "/")
    script = wrap(TRAINER) + f"exec(decode({secret!r}))\n"
    case = open_case(folder(tmp_path, train_gpt__py=script))
    assert names(case)[0] == "train_gpt.py!unpacked"
    assert unreadable(case) == ["runs packed code that could not be unpacked: train_gpt.py"]


def test_a_script_that_is_no_python_counts_when_another_names_it(tmp_path: Path) -> None:
    bad = "def f(:\n"
    case = open_case(folder(tmp_path, train_gpt__py="import helper\n", helper__py=bad, tried__py=bad + "# tried.py\n"))
    assert sorted((one.severity, one.evidence[0].file) for one in case.unparsed) == [
        ("flag", "helper.py"),
        ("note", "tried.py"),
    ]


def test_compiled_code_is_a_finding(tmp_path: Path) -> None:
    case = open_case(folder(tmp_path, train_gpt__py=TRAINER, fast__so=b"\x7fELF"))
    assert unreadable(case) == ["compiled code, which cannot be read: fast.so"]


def test_names_in_capitals_push_nothing_aside(tmp_path: Path) -> None:
    case = open_case(
        folder(
            tmp_path,
            train_gpt__py="import os\n",
            Train_gpt__py=TRAINER,
            submission__json='{"val_bpb": 1.5}',
            SUBMISSION__json='{"val_bpb": 1.1}',
        )
    )
    assert names(case)[0] == "train_gpt.py"
    assert case.json == {"val_bpb": 1.5}
    assert unreadable(case) == [
        "a name that differs from another in case alone: submission.json, train_gpt.py",
    ]


def test_scripts_that_are_no_python_are_told_apart_from_the_submitted_one(tmp_path: Path) -> None:
    case = open_case(folder(tmp_path, train_gpt__py="def f(:\n", b__py="print 'x'\n", c__py="import os\n"))
    assert [(finding.severity, finding.evidence[0].file) for finding in case.unparsed] == [
        ("flag", "train_gpt.py"),
        ("note", "b.py"),
    ]


def test_scripts_beyond_what_can_be_parsed_are_read_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "TOKENS_MAX", 40)
    case = open_case(folder(tmp_path, train_gpt__py="a = 1\n" * 9, b__py="b = 1\n" * 9, c__py="c = 1\n"))
    assert [script.tree is not None for script in case.scripts] == [True, False, True]
    assert len(case.unparsed) == 1


# --- hostile files


def test_an_archive_bomb_in_a_script_is_a_finding(tmp_path: Path) -> None:
    case = open_case(folder(tmp_path, train_gpt__py=wrap("import os\n" * 1_000_000, "raw lzma2").ljust(9_000, "#")))
    bomb = folder(tmp_path, train_gpt__py=wrap(TRAINER + "#" * 9_000_000, "raw lzma2"))
    assert names(case)[-1] == "train_gpt.py"
    assert unreadable(open_case(bomb)) == ["not unpacked, an archive bomb: train_gpt.py"]


def test_archives_beside_are_named_and_not_opened(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(3_000_000))
    with tarfile.open(tmp_path / "b.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("zeros")
        entry.size = 3_000_000
        archive.addfile(entry, io.BytesIO(bytes(3_000_000)))
    folder(tmp_path, c__gz=CODECS["gzip"](b"import os\n" * 900_000), d__xz=CODECS["xz"](bytes(90_000)))
    case = open_case(tmp_path)
    assert unreadable(case) == ["an archive and not opened: a.zip, b.tar.gz", "not unpacked, an archive bomb: c.gz"]


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.mark),)


def test_pickles_are_never_opened(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    data = pickle.dumps(Payload(mark))
    case = open_case(folder(tmp_path, model__pt=data, model__pkl=data, model__npz=data))
    assert not mark.exists()
    assert unreadable(case) == ["weights or data, which are never opened: model.npz, model.pkl, model.pt"]
    assert [finding.severity for finding in case.findings] == ["note"]


@pytest.mark.parametrize(
    "text, problem",
    [
        ("[" * 100_000, "is not JSON"),
        ('{"a": ' * 100_000, "is not JSON"),
        ('{"val_bpb": ' + "9" * 10_000 + "}", "is not JSON"),
        ("{'val_bpb': 1}", "is not JSON"),
        ("\0", "is not JSON"),
        ("[1, 2]", "is JSON and not an object"),
        ("[" + "[]," * 400_000 + "[]]", "over 1,000,000 characters of JSON and not parsed"),
    ],
    ids=range(7),
)
def test_a_submission_json_that_is_none_is_a_finding(tmp_path: Path, text: str, problem: str) -> None:
    case = open_case(folder(tmp_path, submission__json=text))
    assert case.json == {}
    assert f"{problem}: submission.json" in unreadable(case)


def test_a_submission_json_with_impossible_values_is_read(tmp_path: Path) -> None:
    text = (
        '{"val_bpb": 1e999, "val_loss": NaN, "bytes_total": -Infinity, "author": "\\ud83d\\u001b[31m", "name": ["x"],'
        ' "seeds": ["\\ud800", 1e400, {"seed": {}}], "seed_results": {"42": null, "7": [], "": 1},'
        ' "track": 5, "pr": {}}'
    )
    case = open_case(folder(tmp_path, submission__json=text))
    assert case.submission.claimed_val_bpb is None
    assert case.submission.author == "?\\x1b[31m"
    assert case.submission.model_dump_json()
    assert json.dumps(case.json).encode()


@pytest.mark.parametrize(
    "text",
    [
        b"\0" * 10_000,
        b"\xff\xfe\x00" * 1_000,
        b"a" * 1_000_000,
        b"val_bpb " * 50_000,
        b"# " + b"built " * 50_000,
        b"**" * 100_000,
        b"| 1.0810 " * 50_000,
        b"PR #1 " * 50_000,
        b"\n" * 200_000,
    ],
    ids=range(9),
)
def test_any_text_is_read_whatever_file_it_stands_in(tmp_path: Path, text: bytes) -> None:
    case = open_case(
        folder(tmp_path, README__md=text, train_gpt__py=text, train_seed1__log=text, a__txt=text, b__sh=text)
    )
    for noun in (case.submission, *case.findings, *case.unparsed):
        assert type(noun).model_validate_json(noun.model_dump_json()) == noun


def test_a_log_that_is_no_text_is_a_finding(tmp_path: Path) -> None:
    case = open_case(folder(tmp_path, train_seed1__log=b"\0" * 100))
    assert case.logs == []
    assert unreadable(case) == ["named like a log and no text: train_seed1.log"]


def test_a_case_without_files_is_a_case(tmp_path: Path) -> None:
    case = open_case(tmp_path)
    assert not case.has_code
    assert case.submission.missing["val_bpb"] == "there are no logs"
