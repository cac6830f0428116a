"""`golf triage`: what can be said of strangers' submissions without running or believing them."""

import json
import os
import pickle
import tracemalloc
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from golf import answers
from golf.answers import TriagedSubmission
from golf.cli import main
from golf.errors import NotFound, UnreadableInput
from golf.referee import triage as referee
from golf.referee.triage import triage

REAL = Path(__file__).parents[2].parent / "shared" / "data"
"""Real submissions by third parties, read where they lie; the project holds none of them."""


def log(seed: int, score: float, size: int = 15_900_000, train_ms: int = 600_020) -> str:
    return "\n".join(
        [
            f"seed:{seed}",
            f"step:10000/20000 val_loss:2.0 val_bpb:{score + 0.01:.4f} train_time:{train_ms}ms step_avg:60.00ms",
            f"stopping_early: wallclock_cap train_time:{train_ms}ms step:10000/20000",
            "Code size: 48000 bytes",
            f"Total submission size int8+zlib: {size} bytes",
            f"final_int8_zlib_roundtrip_exact val_loss:2.07 val_bpb:{score:.8f}",
            "",
        ]
    )


def submit(folder: Path, scores: tuple[float, ...] = (1.2, 1.21), size: int = 15_900_000, **claim: Any) -> Path:
    """A submission whose logs say `scores`, and whose submission.json what is claimed."""
    folder.mkdir(parents=True)
    claimed = {"name": "x", "val_bpb": 1.205, "bytes_total": size, "track": "10min_16mb", **claim}
    (folder / "submission.json").write_text(json.dumps(claimed, indent=2))
    for seed, score in enumerate(scores, start=1):
        (folder / f"train_seed{seed}.log").write_text(log(seed, score, size))
    return folder


def only(folder: Path) -> TriagedSubmission:
    found = triage(folder)
    assert found.num_submissions == 1
    return found.submissions[0]


def kinds(entry: TriagedSubmission) -> list[str]:
    return [finding.kind for finding in entry.findings]


def test_a_submission_whose_numbers_agree_is_reviewed_and_not_cleared(tmp_path: Path):
    submit(tmp_path / "a")
    entry = only(tmp_path)
    assert (entry.submission, entry.verdict, entry.findings) == ("a", "review", [])
    assert "legality was not examined" in entry.reason
    assert (entry.claimed_val_bpb, entry.num_seeds, entry.artifact_bytes) == (1.205, 2, 15_900_000)
    assert entry.logged_val_bpb == pytest.approx(1.205)
    assert entry.train_time_s == pytest.approx(600.02)


def test_a_byte_over_the_limit_is_a_violation_with_the_line_it_stands_on(tmp_path: Path):
    submit(tmp_path / "fits", size=16_000_000)
    submit(tmp_path / "over", size=16_000_001)
    over, fits = triage(tmp_path).submissions
    assert (over.submission, over.verdict, fits.verdict) == ("over", "violation", "review")
    assert over.findings[0].evidence[0].model_dump() == {
        "file": "train_seed1.log",
        "line": 5,
        "quote": "Total submission size int8+zlib: 16000001 bytes",
    }


def test_a_claimed_size_alone_can_be_over_the_limit(tmp_path: Path):
    submit(tmp_path / "a", scores=(), size=17_000_000)
    entry = only(tmp_path)
    assert entry.verdict == "violation"
    assert entry.findings[1].evidence[0].quote == '"bytes_total": 17000000,'


def test_a_claimed_size_that_hides_a_larger_one_is_named(tmp_path: Path):
    folder = submit(tmp_path / "a", size=16_500_000)
    (folder / "submission.json").write_text(json.dumps({"val_bpb": 1.205, "bytes_total": 15_000_000}))
    assert kinds(only(tmp_path)) == ["artifact_over_limit", "size_disagrees"]


def test_a_claim_that_no_log_gives_is_a_finding_with_both_lines(tmp_path: Path):
    submit(tmp_path / "a", val_bpb=1.1)
    (finding,) = only(tmp_path).findings
    assert finding.kind == "score_disagrees"
    assert [(one.file, one.line) for one in finding.evidence] == [("submission.json", 3), ("train_seed1.log", 6)]


@pytest.mark.parametrize("claimed", [1.205, 1.2, 1.21, 1.2054])
def test_a_claim_may_be_the_mean_or_any_one_of_the_seeds(tmp_path: Path, claimed: float):
    """Both were customary: the best seed until March 2026, the mean since."""
    submit(tmp_path / "a", val_bpb=claimed)
    assert only(tmp_path).findings == []


def test_too_long_a_training_is_a_finding_on_the_record_track_alone(tmp_path: Path):
    for name, track in (("a", "10min_16mb"), ("b", "non-record-16mb"), ("c", "non-record-unlimited-compute-16mb")):
        folder = submit(tmp_path / name, track=track)
        (folder / "train_seed1.log").write_text(log(1, 1.2, train_ms=603_000))
    found = {entry.submission: entry for entry in triage(tmp_path).submissions}
    assert kinds(found["a"]) == ["train_time_over_limit"]
    assert found["a"].findings[0].evidence[0].line == 3
    assert (found["b"].findings, found["c"].findings) == ([], [])


def test_a_step_in_progress_when_the_time_is_up_is_no_finding(tmp_path: Path):
    """Accepted records overshoot by up to 0.15 s."""
    folder = submit(tmp_path / "a")
    (folder / "train_seed1.log").write_text(log(1, 1.2, train_ms=600_150))
    assert only(tmp_path).findings == []


def test_files_that_are_there_are_counted(tmp_path: Path):
    folder = submit(tmp_path / "a", scores=())
    (folder / "train_gpt.py").write_text("x = 1\n")
    (folder / "final_model.int8.ptz").write_bytes(b"\0" * 1000)
    assert only(tmp_path).artifact_bytes == 1006


def test_what_is_missing_is_said(tmp_path: Path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "README.md").write_text("# Mine\n\nIt is good, and gets val_bpb: **1.2345** on all seeds.\n")
    entry = only(tmp_path)
    assert entry.claimed_val_bpb == 1.2345
    assert [finding.text for finding in entry.findings] == [
        "no submission.json",
        "no log with a final score",
        "neither files nor logs give the artifact's size",
    ]


def test_one_seed_is_said_to_be_one(tmp_path: Path):
    submit(tmp_path / "a", scores=(1.205,))
    assert kinds(only(tmp_path)) == ["single_seed"]


def test_techniques_are_recognised_by_their_words(tmp_path: Path):
    folder = submit(tmp_path / "a")
    (folder / "README.md").write_text("EMA over the last steps, and depth recurrence.")
    assert only(tmp_path).techniques == ["weight averaging (EMA, SWA)", "weight-tied recurrence"]


def test_submissions_are_found_below_tracks_and_named_by_their_path(tmp_path: Path):
    submit(tmp_path / "records" / "track_non_record_16mb" / "a")
    submit(tmp_path / "records" / "track_10min_16mb" / "b")
    logs_alone = tmp_path / "records" / "track_10min_16mb" / "c"
    logs_alone.mkdir()
    (logs_alone / "train.log").write_text(log(1, 1.2))
    found = {entry.submission: entry.track for entry in triage(tmp_path).submissions}
    assert found == {
        "records/track_non_record_16mb/a": "non_record_16mb",
        "records/track_10min_16mb/b": "10min_16mb",
        "records/track_10min_16mb/c": "10min_16mb",
    }


def test_a_folder_without_a_submission_is_refused(tmp_path: Path):
    with pytest.raises(UnreadableInput, match="no submission"):
        triage(tmp_path)
    with pytest.raises(NotFound):
        triage(tmp_path / "gone")


# --- strangers ---------------------------------------------------------------------------------


class Bomb:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.write_text, (self.path, "ran"))


def test_nothing_is_run_or_unpickled(tmp_path: Path):
    folder, mark = submit(tmp_path / "subs" / "a"), tmp_path / "ran"
    (folder / "train_gpt.py").write_text(f"open({str(mark)!r}, 'w')\n")
    (folder / "conftest.py").write_text(f"open({str(mark)!r}, 'w')\n")
    (folder / "final_model.pt").write_bytes(pickle.dumps(Bomb(mark)))
    only(tmp_path / "subs")
    assert not mark.exists()


def test_a_link_is_not_followed_and_ends_the_reading(tmp_path: Path):
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({"val_bpb": 1.0}))
    folder = submit(tmp_path / "subs" / "a")
    (folder / "submission.json").unlink()
    (folder / "submission.json").symlink_to(secret)
    entry = only(tmp_path / "subs")
    assert (entry.claimed_val_bpb, entry.num_seeds, entry.verdict) == (None, 0, "review")
    assert entry.findings[0].text == "submission.json is a link; nothing of this submission was read"


def test_a_linked_folder_is_not_entered(tmp_path: Path):
    submit(tmp_path / "elsewhere" / "b")
    submit(tmp_path / "subs" / "a")
    (tmp_path / "subs" / "link").symlink_to(tmp_path / "elsewhere")
    assert [entry.submission for entry in triage(tmp_path / "subs").submissions] == ["a"]


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", ["train.log", "submission.json", "README.md", "final_model.pt"])
def test_a_pipe_named_like_a_file_hangs_nothing(tmp_path: Path, name: str):
    folder = submit(tmp_path / "a")
    (folder / name).unlink(missing_ok=True)
    os.mkfifo(folder / name)
    assert only(tmp_path).findings[0].text == f"{name} is a special file; nothing of this submission was read"


def test_a_huge_file_is_named_and_not_read(tmp_path: Path):
    folder = submit(tmp_path / "a")
    with (folder / "train_seed9.log").open("wb") as file:
        file.truncate(1 << 40)
    assert "has 1099511627776 bytes" in only(tmp_path).findings[0].text


def test_many_files_are_named_and_not_read(tmp_path: Path):
    folder = submit(tmp_path / "a")
    for index in range(referee.FILES_MAX):
        (folder / f"{index}.txt").touch()
    assert f"over {referee.FILES_MAX} files" in only(tmp_path).findings[0].text


@pytest.mark.parametrize(
    "content",
    [
        *("", "{", "[1]", "null", '{"val_bpb": "NaN"}', '{"val_bpb": NaN}', '{"val_bpb": 1e999}', '{"val_bpb": true}'),
        '{"val_bpb": {"a": 1}}',
        '{"val_bpb": -1}',
        '{"a":' * 5000,
        '{"val_bpb": 1' + "0" * 400 + "}",
        '{"track": ["x"]}',
    ],
    ids=lambda content: content[:20],
)
def test_a_crooked_submission_json_claims_nothing_and_costs_nothing(tmp_path: Path, content: str):
    folder = submit(tmp_path / "a")
    (folder / "submission.json").write_text(content)
    entry = only(tmp_path)
    assert entry.claimed_val_bpb is None
    assert entry.num_seeds == 2
    assert entry.findings


def test_names_that_are_no_text_are_shown_as_some(tmp_path: Path):
    place = tmp_path / os.fsdecode(b"\xff\x1b[31m")
    place.mkdir()
    (place / "README.md").write_text("x")
    entry = only(tmp_path)
    assert json.loads(entry.model_dump_json())["submission"].startswith("\\xff")


def test_a_log_of_one_endless_line_costs_no_memory(tmp_path: Path):
    folder = submit(tmp_path / "a")
    with (folder / "train_seed3.log").open("w") as file:
        file.write(log(3, 1.2, size=16_000_005))
        file.write("x" * 60_000_000)
    tracemalloc.start()
    try:
        assert only(tmp_path).verdict == "violation"
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 30_000_000


def test_the_command_says_1_for_a_violation_and_2_for_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOLF_WORKSPACE", raising=False)
    submit(tmp_path / "subs" / "a")
    assert main(["triage", "subs"]) == 0
    submit(tmp_path / "subs" / "b\x1b[31m", size=17_000_000)
    assert main(["triage", "subs"]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert "artifact of 17000000 bytes, 1000000 over 16000000" in out
    assert main(["triage", "gone"]) == 2
    capsys.readouterr()
    assert main(["triage", "subs", "--json"]) == 1
    assert answers.read("triage", capsys.readouterr().out.encode())


@pytest.mark.skipif(not REAL.is_dir(), reason="the third-party submissions are not beside this checkout")
def test_real_submissions_get_no_accepted_one_accused_and_every_oversized_one_named():
    found = triage(REAL / "submissions")
    value = found.model_dump(mode="json")
    jsonschema.validate(value, answers.schema("triage"))
    assert answers.read("triage", json.dumps(value).encode()) == found
    assert found.num_submissions == len([path for path in (REAL / "submissions").iterdir() if path.is_dir()])
    assert all(entry.verdict != "clear" for entry in found.submissions)
    verdicts = [json.loads(line) for line in (REAL / "verdicts.jsonl").read_text().splitlines()]
    by_folder = {Path(one["data"]).name: one for one in verdicts if one["data"]}
    accused = {entry.submission for entry in found.submissions if entry.verdict == "violation"}
    assert [name for name in accused if by_folder[name]["verdict"] == "valid"] == []
    assert {name for name, one in by_folder.items() if "SIZE_OVER" in one["reasons"]} <= accused
