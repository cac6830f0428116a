"""`golf triage`: what can be said of strangers' submissions without running or believing them."""

import json
import os
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from golf import answers
from golf.cli import main
from golf.errors import NotFound, UnreadableInput
from golf.referee import judging, triage, workers
from golf.referee.field import Entry, Field
from golf.referee.judging import Judged
from golf.referee.workers import Answer, Task

REAL = Path(__file__).parents[2].parent / "shared" / "data"
"""Real submissions by third parties, read where they lie; the project holds none of them."""

SCRIPT = "import torch\n\n\ndef train(model, data):\n    for batch in data:\n        model(batch).backward()\n" * 30


def log(seed: int, score: float) -> str:
    return "\n".join(
        [
            f"seed:{seed}",
            f"step:10000/20000 val_loss:2.0 val_bpb:{score + 0.01:.4f} train_time:600020ms step_avg:60.00ms",
            "stopping_early: wallclock_cap train_time:600020ms step:10000/20000",
            "Total submission size int8+zlib: 15900000 bytes",
            f"final_int8_zlib_roundtrip_exact val_loss:2.07 val_bpb:{score:.8f}",
            "",
        ]
    )


def submit(folder: Path, scores: Sequence[float] = (1.2, 1.21, 1.22), **files: str) -> Path:
    """A submission with a log per score."""
    folder.mkdir(parents=True)
    claimed = {"name": "x", "author": "a", "github_id": "a", "val_bpb": 1.21, "bytes_total": 15_900_000}
    written = {"submission.json": json.dumps(claimed), "README.md": "# Mine\n", "train_gpt.py": SCRIPT, **files}
    for name, text in written.items():
        (folder / name).write_text(text)
    for seed, score in enumerate(scores, start=1):
        (folder / f"train_seed{seed}.log").write_text(log(seed, score))
    return folder


class InProcess:
    """Judges here instead of in a process of its own, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.failing: set[str] = set()

    def __call__(self, tasks: Sequence[Task], num_workers: int, limit_s: float) -> Any:
        for task in tasks:
            self.asked.append(task.name)
            if task.name in self.failing:
                yield Answer(task, None, "it took over 60 s")
                continue
            judged = judging.judge(task.folder)
            yield Answer(task, judged.model_dump_json(exclude_computed_fields=True).encode())

    def since(self) -> list[str]:
        """The names it was asked for since this was last called."""
        asked, self.asked = self.asked, []
        return sorted(asked)


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> InProcess:
    here = InProcess()
    monkeypatch.setattr(workers, "answers", here)
    return here


def names(found: Field) -> list[str]:
    return sorted(entry.name for entry in found.entries)


def only(found: Field) -> Entry:
    (entry,) = found.entries
    return entry


# --- what there is


def test_submissions_are_found_below_tracks_and_named_by_their_path(tmp_path: Path, judge: InProcess) -> None:
    submit(tmp_path / "records" / "track_non_record_16mb" / "a")
    submit(tmp_path / "records" / "track_10min_16mb" / "b")
    logs_alone = tmp_path / "records" / "track_10min_16mb" / "c"
    logs_alone.mkdir()
    (logs_alone / "train.log").write_text(log(1, 1.2))
    (tmp_path / "README.md").write_text("the repository's own")
    found = triage.survey(tmp_path)
    assert {entry.name: entry.ruling.submission.track for entry in found.entries} == {
        "records/track_non_record_16mb/a": "non_record_16mb",
        "records/track_10min_16mb/b": "10min_16mb",
        "records/track_10min_16mb/c": "10min_16mb",
    }


def test_a_submission_alone_is_named_by_its_folder(tmp_path: Path, judge: InProcess) -> None:
    assert only(triage.survey(submit(tmp_path / "mine"))).name == "mine"


def test_a_folder_without_a_submission_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="no submission"):
        triage.survey(tmp_path)
    with pytest.raises(NotFound):
        triage.survey(tmp_path / "gone")


def test_too_many_files_are_refused_before_any_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submit(tmp_path / "a")
    monkeypatch.setattr(triage, "FILES_MAX", 3)
    with pytest.raises(UnreadableInput, match="over 3 files"):
        triage.survey(tmp_path)


# --- what comes of it


def test_a_copy_is_known_and_a_ranking_made(tmp_path: Path, judge: InProcess) -> None:
    script = (Path(triage.__file__).parent / "kinship.py").read_text()
    submit(tmp_path / "2026-04-01_a", **{"train_gpt.py": script})
    submit(tmp_path / "2026-04-02_b", **{"train_gpt.py": script.replace("founders", "elders")})
    found = triage.survey(tmp_path)
    (family,) = found.families
    assert (family.founder, family.num_copies) == ("2026-04-01_a", 1)
    assert {entry.day for entry in found.entries} == {"2026-04-01", "2026-04-02"}


def test_the_answer_is_in_the_shape_of_its_schema_and_the_page_names_everybody(
    tmp_path: Path, judge: InProcess
) -> None:
    for name in "ab":
        submit(tmp_path / name)
    found = triage.survey(tmp_path)
    value = triage.triaged(found).model_dump(mode="json")
    jsonschema.validate(value, answers.schema("triage"))
    assert answers.read("triage", json.dumps(value).encode()) == triage.triaged(found)
    page = triage.bulletin(found)
    assert all(f"`{name}`" in page for name in names(found))
    assert triage.summary(found).num_submissions == 2


def test_the_page_and_everything_behind_it_are_written_and_named(tmp_path: Path, judge: InProcess) -> None:
    submit(tmp_path / "subs" / "a")
    found = triage.survey(tmp_path / "subs")
    short = triage.publish(found, tmp_path / "out", title="Golf", day="2026-05-01")
    assert short.page and short.data
    assert Path(short.page).read_text() == triage.bulletin(found, title="Golf", day="2026-05-01")
    written = json.loads(Path(short.data).read_text())
    jsonschema.validate(written, Field.model_json_schema(mode="serialization"))
    assert written["entries"][0]["ruling"]["verdict"] == found.entries[0].ruling.verdict


def test_progress_is_told(tmp_path: Path, judge: InProcess) -> None:
    for name in "abc":
        submit(tmp_path / name)
    told: list[tuple[int, int]] = []
    triage.survey(tmp_path, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


# --- the second run


def test_a_second_run_reads_only_what_is_new(tmp_path: Path, judge: InProcess) -> None:
    top, index = tmp_path / "subs", tmp_path / "index.db"
    for name in "abc":
        submit(top / name)
    first = triage.survey(top, index=index)
    assert (judge.since(), first.changes) == (["a", "b", "c"], None)
    second = triage.survey(top, index=index)
    assert judge.since() == []
    assert second.model_copy(update={"changes": None}) == first
    assert second.changes is not None and not second.changes.new
    submit(top / "d")
    (top / "a" / "README.md").write_text("# Another\n")
    third = triage.survey(top, index=index)
    assert judge.since() == ["a", "d"]
    assert third.changes is not None and third.changes.new == ["d"]


def test_a_file_of_the_same_size_and_time_with_other_content_is_new(tmp_path: Path, judge: InProcess) -> None:
    top, index = tmp_path / "subs", tmp_path / "index.db"
    readme = submit(top / "a") / "README.md"
    triage.survey(top, index=index)
    before = readme.stat()
    readme.write_text("# Ours\n")
    os.utime(readme, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert readme.stat().st_size == before.st_size
    judge.since()
    triage.survey(top, index=index)
    assert judge.since() == ["a"]


def test_another_referee_judges_anew_and_forgets_the_old(
    tmp_path: Path, judge: InProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    top, index = tmp_path / "subs", tmp_path / "index.db"
    submit(top / "a")
    triage.survey(top, index=index)
    monkeypatch.setattr(judging, "version", lambda: "next")
    judge.since()
    changes = triage.survey(top, index=index).changes
    assert judge.since() == ["a"]
    assert changes is not None and changes.new == []
    monkeypatch.undo()


def test_a_damaged_index_is_made_anew(tmp_path: Path, judge: InProcess) -> None:
    top, index = tmp_path / "subs", tmp_path / "index.db"
    submit(top / "a")
    first = triage.survey(top, index=index)
    index.write_bytes(index.read_bytes()[:3000])
    judge.since()
    assert triage.survey(top, index=index) == first
    assert judge.since() == ["a"]


def test_what_took_too_long_is_for_a_person_and_tried_again(tmp_path: Path, judge: InProcess) -> None:
    top, index = tmp_path / "subs", tmp_path / "index.db"
    for name in "ab":
        submit(top / name)
    judge.failing = {"a"}
    found = {entry.name: entry.ruling for entry in triage.survey(top, index=index).entries}
    assert found["a"].verdict == "review"
    assert "it took over 60 s" in found["a"].reason and found["a"].examined == []
    assert found["b"].examined
    judge.failing, _ = set(), judge.since()
    triage.survey(top, index=index)
    assert judge.since() == ["a"]


# --- strangers


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.path, "ran"))


def test_nothing_is_run_or_unpickled(tmp_path: Path) -> None:
    """With real workers, in two of them."""
    mark = tmp_path / "ran"
    for name in "ab":
        folder = submit(tmp_path / "subs" / name, **{"train_gpt.py": f"open({str(mark)!r}, 'w')\n" + SCRIPT})
        for module in ("conftest.py", "json.py", "numpy.py", "sitecustomize.py"):
            (folder / module).write_text(f"open({str(mark)!r}, 'w')\n")
        (folder / "final_model.pt").write_bytes(pickle.dumps(Bomb(mark)))
    found = triage.survey(tmp_path / "subs", num_workers=2)
    assert names(found) == ["a", "b"]
    assert not any("was not judged" in entry.ruling.reason for entry in found.entries)
    assert not mark.exists()


def test_a_linked_folder_is_not_entered(tmp_path: Path, judge: InProcess) -> None:
    submit(tmp_path / "elsewhere" / "b")
    submit(tmp_path / "subs" / "a")
    (tmp_path / "subs" / "link").symlink_to(tmp_path / "elsewhere")
    assert names(triage.survey(tmp_path / "subs")) == ["a"]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", ["train.log", "submission.json", "README.md", "final_model.pt"])
def test_a_pipe_named_like_a_file_hangs_nothing(tmp_path: Path, judge: InProcess, name: str) -> None:
    folder = submit(tmp_path / "a")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert only(triage.survey(tmp_path)).name == "a"


def test_names_that_are_no_text_are_shown_as_some_and_told_apart(tmp_path: Path, judge: InProcess) -> None:
    for name in (b"\xff\x1b[31m", b"\\xff\\x1b[31m"):
        (tmp_path / os.fsdecode(name)).mkdir()
        (tmp_path / os.fsdecode(name) / "README.md").write_text("x")
    found = triage.survey(tmp_path)
    assert names(found) == ["\\xff\\x1b[31m (1)", "\\xff\\x1b[31m (2)"]
    assert json.loads(triage.triaged(found).model_dump_json())["num_submissions"] == 2


def test_many_empty_folders_cost_nothing(tmp_path: Path, judge: InProcess) -> None:
    submit(tmp_path / "a")
    for number in range(2_000):
        (tmp_path / f"empty{number}").mkdir()
    assert names(triage.survey(tmp_path)) == ["a"]


# --- the command


def test_the_command_says_1_for_a_block_and_2_for_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOLF_WORKSPACE", raising=False)
    submit(tmp_path / "subs" / "a")
    assert main(["triage", "subs"]) == 0
    folder = submit(tmp_path / "subs" / "b\x1b[31m")
    for path in folder.glob("*.log"):
        path.write_text(path.read_text().replace("15900000", "17000000"))
    capsys.readouterr()
    assert main(["triage", "subs"]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out and "17,000,000" in out
    assert main(["triage", "gone"]) == 2
    capsys.readouterr()
    assert main(["triage", "subs", "--json"]) == 1
    assert answers.read("triage", capsys.readouterr().out.encode())


# --- the real ones


@pytest.mark.slow
@pytest.mark.skipif(not REAL.is_dir(), reason="the third-party submissions are not beside this checkout")
def test_real_submissions_are_all_judged_and_the_answer_fits_its_schema() -> None:
    found = triage.survey(REAL / "submissions")
    value = triage.triaged(found).model_dump(mode="json")
    jsonschema.validate(value, answers.schema("triage"))
    assert len(found.entries) == len([path for path in (REAL / "submissions").iterdir() if path.is_dir()])
    assert not any("was not judged" in entry.ruling.reason for entry in found.entries)


def test_a_judgement_survives_being_written_down(tmp_path: Path) -> None:
    script = (Path(triage.__file__).parent / "kinship.py").read_text() + "xsa_last_n = 4\n"
    judged = judging.judge(submit(tmp_path / "a", **{"train_gpt.py": script}))
    again = Judged.model_validate_json(judged.model_dump_json(exclude_computed_fields=True))
    assert again == judged
    assert again.hashes is not None and again.techniques == again.ruling.techniques == ["xsa"]
