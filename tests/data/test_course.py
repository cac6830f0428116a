import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from golf.data import course, text, tokenizer
from golf.data.course import Course, build_course, find_course
from golf.errors import UnreadableInput
from golf.measure import shards


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Course:
    return build_course(tmp_path_factory.mktemp("course"))


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that is gathered in no time: the topics alone."""
    monkeypatch.setattr(text, "documents", lambda: text.deduplicate(text.topics()))
    monkeypatch.setattr(course, "TEXT_BYTES_MIN", 100_000)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_files_lie_where_the_challenges_scripts_look(built: Course):
    assert sorted(contents(built.folder)) == [
        "datasets/pydocs_sp1024/fineweb_train_000000.bin",
        "datasets/pydocs_sp1024/fineweb_val_000000.bin",
        "datasets/pydocs_sp1024/manifest.json",
        "datasets/pydocs_sp1024/val.txt",
        "tokenizers/pydocs_1024_bpe.model",
    ]
    assert shards.find_shards(built.data, "train") == [built.train_shard]
    assert shards.find_shards(built.data, "val") == [built.validation_shard]
    assert built.tokenizer.is_file()


def test_the_validation_text_is_what_the_shard_decodes_to(built: Course):
    processor = tokenizer.load_tokenizer(built.tokenizer)
    decoded = tokenizer.decode(shards.tokens(built.validation_shard), processor)
    assert decoded.encode() == built.validation_text.read_bytes()


def test_the_manifest_counts_what_the_files_hold(built: Course):
    for split, path in ((built.manifest.train, built.train_shard), (built.manifest.validation, built.validation_shard)):
        tokens = shards.tokens(path)
        assert split.num_tokens == tokens.size
        assert split.num_documents == np.count_nonzero(tokens == tokenizer.BOS_ID)
        assert 0.3 < split.tokens_per_byte < 0.5  # the challenge's own 1024 pieces: 0.41
    assert built.manifest.validation.num_bytes == built.validation_text.stat().st_size


def test_tokens_fit_the_vocabulary_and_most_of_it_is_used(built: Course):
    tokens = shards.tokens(built.train_shard)
    assert tokens.max() < built.vocab_size
    assert np.unique(tokens).size > 0.7 * built.vocab_size


def test_a_whole_course_is_reused_without_gathering_text(built: Course, monkeypatch: pytest.MonkeyPatch):
    def never():
        raise AssertionError("the text was gathered again")

    before = contents(built.folder)
    monkeypatch.setattr(text, "documents", never)
    assert build_course(built.folder) == built
    assert contents(built.folder) == before


def test_a_course_may_be_moved(built: Course, tmp_path: Path):
    shutil.copytree(built.folder, tmp_path / "elsewhere")
    found = find_course(tmp_path / "elsewhere")
    assert found is not None
    assert found.manifest == built.manifest


def test_the_same_text_gives_the_same_bytes(small: None, tmp_path: Path):
    first, second = build_course(tmp_path / "a"), build_course(tmp_path / "b")
    assert contents(first.folder) == contents(second.folder)


@pytest.mark.parametrize(
    "name", ["fineweb_train_000000.bin", "fineweb_val_000000.bin", "val.txt", "manifest.json", "pydocs_1024_bpe.model"]
)
def test_a_torn_or_missing_file_has_the_course_built_again(small: None, tmp_path: Path, name: str):
    whole = contents(build_course(tmp_path).folder)
    (path,) = tmp_path.rglob(name)
    path.write_bytes(path.read_bytes()[:-3])
    assert find_course(tmp_path) is None
    build_course(tmp_path)
    assert contents(tmp_path) == whole
    path.unlink()
    assert find_course(tmp_path) is None
    build_course(tmp_path)
    assert contents(tmp_path) == whole


def test_another_recipe_is_built_again(small: None, tmp_path: Path):
    whole = contents(build_course(tmp_path).folder)
    manifest = tmp_path / "datasets" / "pydocs_sp1024" / "manifest.json"
    older = json.loads(manifest.read_text())
    older["recipe"]["python"] = "2.7"
    manifest.write_text(json.dumps(older))
    assert find_course(tmp_path) is not None
    build_course(tmp_path)
    assert contents(tmp_path) == whole


def test_vocabularies_live_side_by_side(small: None, tmp_path: Path):
    build_course(tmp_path)
    other = build_course(tmp_path, vocab_size=512)
    assert tokenizer.load_tokenizer(other.tokenizer).vocab_size() == 512
    assert find_course(tmp_path) is not None
    assert find_course(tmp_path, vocab_size=512) == other


def test_progress_rises_to_its_end(small: None, tmp_path: Path):
    steps: list[tuple[str, int, int]] = []
    build_course(tmp_path, progress=lambda *step: steps.append(step))
    assert [done for _, done, _ in steps] == [0, 1, 2, 3]
    assert {total for *_, total in steps} == {3}


def test_a_python_without_text_is_told_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(text, "documents", lambda: iter(["Only this. " * 30]))
    with pytest.raises(UnreadableInput, match=r"330 bytes of text.*golf data fineweb"):
        build_course(tmp_path)
    assert find_course(tmp_path) is None


@pytest.mark.parametrize("writes", [0, 1, 2, 3, 4])
def test_a_build_killed_before_any_of_its_writes_is_no_course_and_is_completed(
    small: None, tmp_path: Path, writes: int
):
    """SIGKILL right before the file of that number is put in its place, in a process of its own."""
    code = f"""
import os, signal
from golf.data import course, text
real, done = os.replace, []
def replace(*args):
    if len(done) == {writes}:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(args)
    real(*args)
os.replace = replace
text.documents = lambda: text.deduplicate(text.topics())
course.TEXT_BYTES_MIN = 100_000
course.build_course(course.Path({str(tmp_path)!r}))
"""
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert find_course(tmp_path) is None
    finished = build_course(tmp_path)
    assert find_course(tmp_path) == finished
