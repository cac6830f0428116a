"""A data pipeline to begin with: it runs, repeats itself, and is clean by every tool as it is written (S93)."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from golf.cli import main
from golf.desk.pipeline import checking, template

torch = pytest.importorskip("torch", reason="torch is not installed")

BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The template, written through the entry point."""
    folder = tmp_path_factory.mktemp("own") / "data_pipeline"
    assert main(["data", "template", str(folder)]) == 0
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """A tool in a folder, as its owner would call it."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, check=False)


def test_s93_its_own_tests_pass_as_written(written: Path) -> None:
    done = run(written, sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"1[89] passed|2\d passed", done.stdout)


BROKEN = [
    ("text.casefold()", "text"),
    ('f"{SPLIT_SEED}\\n{words}".encode()', "str(hash(words)).encode()"),
    ("return run[:-1], run[1:]", "return run[:-1], run[:-1]"),
    ("self.seed * 1_000_003 + self.epoch", "self.epoch"),
    ("self.seed * 1_000_003 + self.epoch", "self.seed"),
    ("drop_last=is_training", "drop_last=True"),
    ("int(part.max()) >= vocab_size", "int(part.max()) > vocab_size"),
    ("[self.rank :: self.world_size]", "[: self.size]"),
    ("if not isinstance(text, str) or not text.strip():", "if not isinstance(text, str):"),
    ("if size != SHARD_HEADER_INTS * 4 + 2 * count:", "if False:"),
]

EACH = """
import os, sys
import numpy, pytest, torch  # once: it is what takes long

for folder in sys.argv[1:]:
    child = os.fork()
    if not child:
        os.chdir(folder)
        sys.path.insert(0, folder)
        # starting workers takes seconds, and no mutation is about them
        code = pytest.main(["-q", "-x", "-p", "no:cacheprovider", "-k", "not workers_change_nothing"])
        os._exit(int(code))
    print("ended with", os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


def test_s93_its_own_tests_find_a_pipeline_that_broke(written: Path, tmp_path: Path) -> None:
    source = (written / "pipeline.py").read_text()
    for number, (old, new) in enumerate([("", ""), *BROKEN]):
        assert old in source
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "pipeline.py").write_text(source.replace(old, new) if old else source)
        (folder / "test_pipeline.py").write_text((written / "test_pipeline.py").read_text())
    folders = [str(tmp_path / str(number)) for number in range(len(BROKEN) + 1)]
    done = run(tmp_path, sys.executable, "-B", "-c", EACH, *folders)
    codes = re.findall(r"ended with (\d+)", done.stdout)
    assert codes == ["0", *["1"] * len(BROKEN)], done.stdout + done.stderr


def test_s93_the_reproducibility_audit_finds_nothing(written: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "--repro", str(written / "pipeline.py"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["findings"] == []
    assert found["scripts"] == ["pipeline.py"]


@pytest.mark.parametrize(
    "command", [("ruff", "check"), ("ruff", "format", "--check", "--line-length", "120"), ("pyright",)]
)
def test_s93_linter_and_type_checker_find_nothing(written: Path, command: tuple[str, ...]) -> None:
    program = BIN / command[0]
    if not program.is_file():
        pytest.skip(f"{command[0]} is not installed beside this interpreter")
    python = ["--pythonpath", sys.executable] if command[0] == "pyright" else ["--no-cache"]
    done = run(written, str(program), *command[1:], *python, ".")
    assert done.returncode == 0, done.stdout


def test_s93_the_shards_it_reads_are_the_challenges(written: Path, course: Path) -> None:
    (folder,) = (course / "datasets").iterdir()
    code = (
        "from pathlib import Path; from pipeline import *; import sys\n"
        "data = Windows.from_shards(sorted(Path(sys.argv[1]).glob('*train*.bin')), seq_len=64, vocab_size=1024)\n"
        "loader = make_loader(data, batch_size=4, seed=1, is_training=True)\n"
        "inputs, targets = next(iter(loader)); print(tuple(inputs.shape), inputs.dtype, len(loader) * 4 <= len(data))\n"
    )
    done = run(written, sys.executable, "-B", "-c", code, str(folder))
    assert done.stdout.strip() == "(4, 64) torch.int64 True", done.stderr


def test_s93_every_question_of_the_checklist_is_in_the_check_or_said_to_be_yours(written: Path) -> None:
    rows = re.findall(r"^\| (\w+) \|", (written / "CHECKLIST.md").read_text(), re.MULTILINE)
    asked = {*checking.CODES, *checking.CANNOT}
    assert {*rows} <= {one.removesuffix("s") for one in asked} | asked
    for name in ("leakage", "duplicates", "order", "tokenizer", "dtype", "headers", "epoch", "seed", "determinism"):
        assert name in rows


def test_s93_packages_are_pinned_to_what_is_installed(written: Path) -> None:
    pins = dict(line.split("==") for line in (written / "requirements.txt").read_text().split())
    assert pins["torch"] == torch.__version__.partition("+")[0]
    assert pins.keys() == template.FALLBACK.keys()


def test_s93_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pipeline.py").write_text("mine")
    assert main(["data", "template", str(tmp_path)]) == 2
    assert "there already" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["pipeline.py"]
    assert main(["data", "template"]) == 2
    assert "needs a PATH" in capsys.readouterr().err
