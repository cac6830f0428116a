"""What a submission's files state comes out in one spelling, with a reason for each thing they do not."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from golf.referee import facts, headline, stated
from golf.referee.case import open_case
from golf.referee.texts import TextFile
from golf.rulings import Submission

ROOT = Path(__file__).parents[2]
DATA = ROOT / "../shared/data"


def log(bpb: float, *, size: int = 15_900_000, train_ms: int = 599_000, eval_ms: int = 90_000) -> str:
    return "\n".join(
        (
            "seed:7",
            f"step:5000/5000 val_loss:2.1000 val_bpb:1.2400 train_time:{train_ms}ms",
            "peak memory allocated: 100 MiB reserved: 120 MiB",
            "Code size: 50000 bytes",
            f"Total submission size int8+zlib: {size} bytes",
            f"final_int8_zlib_roundtrip_exact val_loss:{bpb * 1.7:.8f} val_bpb:{bpb:.8f} eval_time:{eval_ms}ms",
            "",
        )
    )


def submission(folder: Path, table: dict[str, Any] | None = None, readme: str = "", **logs: str) -> Submission:
    folder.mkdir(parents=True, exist_ok=True)
    if table is not None:
        (folder / "submission.json").write_text(json.dumps(table))
    if readme:
        (folder / "README.md").write_text(readme)
    for name, text in logs.items():
        (folder / f"{name}.log").write_text(text)
    return open_case(folder).submission


def test_three_seeds_are_extracted_with_mean_spread_and_largest(tmp_path: Path) -> None:
    found = submission(
        tmp_path / "records/track_10min_16mb/2026-05-04_Toy",
        {"val_bpb": 1.202, "author": "Ada", "github_id": "@ada", "hardware": "8x H100 80GB SXM", "base_pr": 12},
        train_seed1=log(1.201, size=15_900_001),
        train_seed2=log(1.202, train_ms=600_010),
        train_seed3=log(1.203, eval_ms=95_000),
    )
    assert [(seed.log, seed.seed, seed.val_bpb) for seed in found.seeds] == [
        ("train_seed1.log", 1, 1.201),
        ("train_seed2.log", 2, 1.202),
        ("train_seed3.log", 3, 1.203),
    ]
    assert found.val_bpb == pytest.approx(1.202)
    assert found.val_bpb_std == pytest.approx(0.001)
    assert (found.artifact_bytes, found.train_time_s, found.eval_time_s) == (15_900_001, 600.01, 95.0)
    assert (found.folder, found.track, found.date) == ("2026-05-04_Toy", "10min_16mb", "2026-05-04")
    assert (found.author, found.github_id, found.hardware, found.parents) == ("Ada", "ada", "8xH100", ["#12"])
    assert found.claimed_from == "val_bpb: the mean of 3 logs"
    assert found.seeds[0].code_bytes == 50_000
    assert found.seeds[0].missing == {}


@pytest.mark.parametrize(
    "claim, whence",
    [
        (1.20101, "the best of 2 logs"),
        (1.20501, "the score of one of 2 logs"),
        (1.20301, "the mean of 2 logs"),
        (1.19, "no log backs it"),
    ],
)
def test_it_is_said_which_of_the_logs_numbers_the_headline_is(tmp_path: Path, claim: float, whence: str) -> None:
    found = submission(tmp_path, {"val_bpb": claim}, train_seed1=log(1.20101), train_seed2=log(1.20501))
    assert found.claimed_from == f"val_bpb: {whence}"


def test_a_loss_that_holds_the_bits_per_byte_counts_only_when_something_else_says_so(tmp_path: Path) -> None:
    backed = submission(tmp_path / "a", {"val_loss": 1.2012}, train=log(1.2012))
    assert (backed.claimed_val_bpb, backed.claimed_val_loss) == (1.2012, None)
    alone = submission(tmp_path / "b", {"val_loss": 1.2012})
    assert (alone.claimed_val_bpb, alone.claimed_val_loss) == (None, 1.2012)


def test_what_nothing_states_has_its_reason(tmp_path: Path) -> None:
    found = submission(tmp_path, {"val_bpb": "TBD"}, train="step:10/20000 train_loss:5.0 train_time:900ms\n")
    assert found.missing["claimed_val_bpb"] == "neither submission.json nor README states a score: val_bpb is TBD"
    assert found.missing["val_bpb"] == "no line states it"
    assert found.missing["author"] == "no file states it"
    assert found.seeds[0].missing["steps"] == "training had not ended at step 10"


def test_one_seed_does_not_spread(tmp_path: Path) -> None:
    found = submission(tmp_path, None, train=log(1.2))
    assert found.missing["val_bpb_std"] == "one seed alone does not spread"


def test_a_seed_that_was_scored_apart_has_its_training_from_the_other_log(tmp_path: Path) -> None:
    trained = "step:5000/5000 val_loss:2.1 val_bpb:1.24 train_time:599000ms\npeak memory allocated: 1 MiB\n"
    scored = "final_ttt_exact val_loss:2.04170000 val_bpb:1.20100000 eval_time:90000ms\n"
    (seed,) = submission(tmp_path, None, train_seed1=trained, eval_seed1=scored).seeds
    assert (seed.log, seed.also) == ("eval_seed1.log", ["train_seed1.log"])
    assert (seed.val_bpb, seed.train_time_s, seed.steps, seed.eval_time_s) == (1.201, 599.0, 5000, 90.0)


def test_an_exact_headline_names_the_submitted_score_of_a_log(tmp_path: Path) -> None:
    """A log that scores twice: the last is better, and another is what is submitted."""
    two = log(1.21234567) + "final_sliding_window_exact val_loss:2.00000000 val_bpb:1.19876543\n"
    assert submission(tmp_path / "a", {"val_bpb": 1.21234567}, train=two).val_bpb == 1.21234567
    assert submission(tmp_path / "b", {"val_bpb": 1.25}, train=two).val_bpb == 1.19876543


# --- README


@pytest.mark.parametrize(
    "line, bpb",
    [
        ("**val_bpb = 1.0810** (3-seed mean, std 0.0002) | **~15.99 MB**", 1.0810),
        ("**val_bpb: 0.7094** (3-seed mean)", 0.7094),
        ("**Mean val_bpb: 1.1748** (3 seeds)", 1.1748),
        ("# Record: gates and tilts (val_bpb: 1.047)", 1.047),
        ("## Record: a stack (val_bpb 1.1233)", 1.1233),
        ("# A study: 1.1971 BPB with random maps", 1.1971),
        ("- **Post-TTT val_bpb**: `1.0543`", 1.0543),
        ("**Improvement over SOTA 1.0611 BPB**: -0.01", None),
        ("**vs PR #1855: 1.0611 BPB**", None),
        ("**Delta: -0.0337 BPB**", None),
        ("**1.4116 ± 0.013 BPB**", None),
        ("In plain text the val_bpb 1.05 is not the headline", None),
        ("| **val_bpb** | **1.2244** |", None),
    ],
)
def test_a_headline_in_a_readme_is_in_a_heading_or_bold(line: str, bpb: float | None) -> None:
    assert headline.readme_bpb(TextFile("README.md", f"words\n\n{line}\n")) == bpb


def test_the_readme_states_the_headline_where_submission_json_does_not(tmp_path: Path) -> None:
    found = submission(tmp_path, {}, "# Toy\n\n**val_bpb: 1.2010**\n", train=log(1.201))
    assert (found.claimed_val_bpb, found.claimed_from) == (1.201, "README.md: the only seed with a score")


def test_claims_are_sentences_that_claim_bounded_in_number_and_length() -> None:
    text = (
        "# Toy stack: val_bpb 1.2\n\nHello there, nice to meet you.\nIt is legal. We use score-first TTT on chunks.\n"
    )
    text += "```\nval_bpb 9.9 in code\n```\n| val_bpb | 1.3 in a table |\n" + "Under 16 MB " + "x" * 900 + ".\n"
    found = list(headline.claims(TextFile("README.md", text + "Another legal claim here.\n" * 50)))
    assert found[:2] == ["Toy stack: val_bpb 1.2", "We use score-first TTT on chunks."]
    assert len(found) == headline.CLAIMS_MAX
    assert max(map(len, found)) == headline.CLAIM_CHARS_MAX


# --- who, where, when


@pytest.mark.parametrize(
    "folder, table, readme, track",
    [
        ("track_10min_16mb/x", {"track": "non-record-16mb"}, "", "10min_16mb"),
        ("track_non_record_16mb/x", {}, "", "non_record_16mb"),
        ("x", {"track": "non-record-unlimited-compute-16mb"}, "", "non_record_16mb"),
        ("x", {"track": "track_10min_16mb"}, "", "10min_16mb"),
        ("x", {}, "**Track:** Non-Record (Unlimited Compute)", "non_record_16mb"),
        ("x", {}, "# Record: toy", "10min_16mb"),
        ("x", {}, "# Notable Non-Record Submission: toy", "non_record_16mb"),
        ("x", {"track": 5}, "nothing", None),
    ],
)
def test_the_folder_decides_the_track(folder: str, table: dict[str, Any], readme: str, track: str | None) -> None:
    assert facts.read(Path("/r") / folder, table, TextFile("README.md", readme), None)["track"] == track


@pytest.mark.parametrize(
    "table, hardware",
    [
        ({"hardware": "8xH100 80GB SXM (RunPod)"}, "8xH100"),
        ({"hardware": "8× NVIDIA H100 SXM"}, "8xH100"),
        ({"gpu": "1xRTX5090"}, "1xRTX5090"),
        ({"hardware": "1x RTX 4090"}, "1xRTX4090"),
        ({"num_gpus": 8, "gpu_type": "H100 SXM"}, "8xH100"),
        ({"hardware": "a laptop"}, "a laptop"),
        ({"hardware": {"pod": "8xH100"}}, None),
    ],
)
def test_hardware_is_a_number_of_gpus(table: dict[str, Any], hardware: str | None) -> None:
    assert facts.read(Path("x"), table, TextFile("README.md", ""), None)["hardware"] == hardware


@pytest.mark.parametrize(
    "table, author, github_id",
    [
        ({"author": "Ada", "github_id": "ada"}, "Ada", "ada"),
        ({"author": {"name": "Ada", "github": "https://github.com/ada"}}, "Ada", "ada"),
        ({"authors": [{"name": "Ada", "github_id": "ada"}, "Bob"]}, "Ada", "ada"),
        ({"authors": ["Ada", "Bob"]}, "Ada", None),
        ({"author": 7}, "7", None),
        ({"author": ["Ada"]}, None, None),
    ],
)
def test_authors_are_names_objects_or_lists(table: dict[str, Any], author: str | None, github_id: str | None) -> None:
    found = facts.read(Path("x"), table, TextFile("README.md", ""), None)
    assert (found["author"], found["github_id"]) == (author, github_id)


@pytest.mark.parametrize(
    "table, given, pr",
    [
        ({"pr": 12}, None, 12),
        ({"pr_url": "https://github.com/x/y/pull/12"}, None, 12),
        ({"pr": 12}, 13, 13),
        ({"pr": None}, None, None),
    ],
)
def test_the_pull_request_is_given_or_stated(table: dict[str, Any], given: int | None, pr: int | None) -> None:
    assert facts.read(Path("x"), table, TextFile("README.md", ""), given)["pr"] == pr


# --- reality


def test_no_number_of_a_hand_checked_submission_is_wrong() -> None:
    """Real submissions with the right numbers beside them: each is right, or null with a reason, and few are null."""
    if not (DATA / "extraction.jsonl").exists():
        pytest.skip("the hand-checked numbers are not here")
    spec = importlib.util.spec_from_file_location("referee_extraction", ROOT / "bench/referee_extraction.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = module.score(DATA)
    assert (result["wrong"], result["unexplained"], result["extra"]) == ([], [], [])
    for field, counts in result["fields"].items():
        stated_ = counts.get("right", 0) / (counts.get("right", 0) + counts.get("null", 0))
        assert stated_ >= 0.95, field


def test_every_submission_json_at_hand_is_read() -> None:
    if not DATA.exists():
        pytest.skip("the submissions are not here")
    for path in DATA.glob("submissions/*/submission*.json"):
        said = stated.read(json.loads(path.read_text()))
        assert said.bpb is not None or said.loss is not None or said.rows or "val_bpb" not in path.read_text(), path
