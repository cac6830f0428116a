"""A pull request's score is the one that its submission.json states, and none where that states none."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fixture_server import FixtureServer
from hypothesis import given
from hypothesis import strategies as st
from scene import git

from golf.research import competitors, submitted
from golf.research.nouns import Competitor, Item
from golf.research.sources import clone, github_pulls
from golf.research.web import Web
from golf.workspace import ResearchSettings

NOW = datetime(2026, 5, 2, tzinfo=UTC)
RECORD = "records/track_10min_16mb/2026-05-01_Toy"
ONLY_TEXT = "only its text was read, no log"


def item(*files: tuple[str, str], is_old: bool = False) -> Item:
    """A pull request with these files; an old one was read before its details had the claim."""
    pull = Item(
        id="github:openai/parameter-golf#74", source="clone", title="Toy", fetched_at=NOW, details={"number": "74"}
    )
    made = github_pulls.with_files(pull, list(files))
    return made.model_copy(update={"details": pull.details}) if is_old else made


def claimed(table: object, readme: str = "", *, is_old: bool = False) -> Competitor | None:
    files = [(f"{RECORD}/README.md", readme), (f"{RECORD}/submission.json", json.dumps(table))]
    return competitors.from_item(item(*files, is_old=is_old), 1.2244)


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize(
    ("table", "readme"),
    [
        ({"val_bpb": 1.2211}, "The shallow one is 0.440 BPB worse."),
        ({"val_bpb": 1.2211, "seed_mean_val_bpb_roundtrip": 1.1627}, "mean val_bpb: 1.1627"),
        ({"mean_val_bpb": 1.2211, "best_val_bpb": 1.2}, "val_bpb: 1.2000"),
        ({"val_bpb": "1.2211"}, "val_bpb: 3.2178"),
        ({"val_bpb_3seed_mean": 1.2211, "comparison_baseline_bpb": 1.0611}, "# A sweep: 1.1370 bpb"),
        ({"score": 1.2211, "merged_leaderboard_baseline_bpb": 1.0611}, "**val_bpb: 1.0611**"),
    ],
)
def test_the_submission_json_s_score_is_the_claim_whatever_the_text_says(
    table: dict[str, Any], readme: str, is_old: bool
) -> None:
    one = claimed(table, readme, is_old=is_old)
    assert one is not None and one.val_bpb == 1.2211
    assert one.delta_from_baseline == pytest.approx(1.2211 - 1.2244)
    assert one.doubts == [ONLY_TEXT, "of how many seeds its val_bpb is the mean is not seen"]


@pytest.mark.parametrize("is_old", [False, True])
@pytest.mark.parametrize("nothing", [None, "TBD", 0, -1.0, [], {}, True, "n/a"])
def test_null_claims_nothing_and_no_other_key_stands_in_for_it(nothing: object, is_old: bool) -> None:
    table = {
        "val_bpb": nothing, "comparison_baseline_bpb": 1.0567, "baseline_val_bpb": 1.2, "parent_bpb": 1.1,
        "seed_results": {"42": {"val_bpb": None}},
    }  # fmt: skip
    assert claimed(table, "PR #2130 has val_bpb: 1.0567", is_old=is_old) is None


def test_a_submission_json_without_a_key_for_it_leaves_the_score_to_the_readme_alone() -> None:
    one = claimed({"name": "toy", "baseline_for_comparison": {"val_bpb": 1.05}}, "3-seed mean val_bpb: 1.1000")
    assert one is not None and (one.val_bpb, one.num_seeds) == (1.1, 3)
    assert claimed({"name": "toy", "comparison": {"val_bpb": 1.05}}, "nothing is said") is None


SEEDS = {"42": {"val_bpb": 1.0430, "prequant_val_bpb": 1.0468}, "7": {"val_bpb": 1.0434}, "314": {"val_bpb": 1.0441}}


def test_seeds_and_spread_are_those_that_it_lists() -> None:
    table = {"val_bpb": 1.0435, "val_bpb_std": 0.00062, "seeds": [42, 7, 314], "seed_results": SEEDS}
    details = item((f"{RECORD}/submission.json", json.dumps(table))).details
    assert (details["val_bpb"], details["val_bpb_std"], details["seeds"]) == ("1.0435", "0.00062", "42, 7, 314")
    assert details["seed_results"] == "7: 1.0434, 42: 1.043, 314: 1.0441"
    one = claimed(table, "One number: val_bpb 1.0435\n\nmean of 6 seeds val_bpb: 1.0443")
    assert one is not None
    assert (one.val_bpb, one.std_bpb, one.num_seeds, one.doubts) == (1.0435, 0.00062, 3, [ONLY_TEXT])


@pytest.mark.parametrize(
    ("table", "std", "seeds"),
    [
        ({"val_bpb": 1.1, "seed": 1337}, None, 1),
        ({"val_bpb": 1.1, "num_seeds": 3, "std_val_bpb": 0.001}, 0.001, 3),
        ({"val_bpb": 1.1, "seeds": [1, 2, "TBD"]}, None, 2),
        ({"val_bpb": 1.1, "val_bpb_seeds": {"1": 1.09, "2": 1.11}}, 0.0141421, 2),
        ({"val_bpb": 1.1, "val_bpb_std": "TBD"}, None, 0),
        ({"val_bpb": 1.1, "seed": True, "val_bpb_std": 7}, None, 0),
    ],
)
def test_what_it_says_of_seeds_is_counted(table: dict[str, Any], std: float | None, seeds: int) -> None:
    one = claimed(table)
    assert one is not None
    assert (one.std_bpb, one.num_seeds) == (pytest.approx(std, rel=1e-4) if std else None, seeds)


@pytest.mark.parametrize(
    ("stated", "doubt"),
    [
        (1.0430, "its val_bpb 1.0430 is its best seed's; the mean of its 3 is 1.0435"),
        (1.0441, "its val_bpb 1.0441 is a single seed's; the mean of its 3 is 1.0435"),
        (1.04300001, None),  # near it, and not it
        (1.0500, None),  # of another stage, or of more seeds
        (1.0435, None),
    ],
)
def test_only_a_number_that_is_one_seed_s_is_doubted_as_such(stated: float, doubt: str | None) -> None:
    one = claimed({"val_bpb": stated, "seed_results": SEEDS})
    assert one is not None and one.doubts == [ONLY_TEXT, *([doubt] if doubt else [])]


def test_a_readme_s_mean_of_the_same_number_says_of_how_many_seeds_it_is() -> None:
    one = claimed({"val_bpb": 1.1}, "The 3-seed mean val_bpb is 1.1000 (std 0.0004)")
    assert one is not None and (one.num_seeds, one.std_bpb, one.doubts) == (3, 0.0004, [ONLY_TEXT])


def test_of_several_the_record_track_s_newest_that_states_a_score_counts_and_that_is_said() -> None:
    def file(folder: str, score: float | None) -> tuple[str, str]:
        return f"records/{folder}/submission.json", json.dumps({"val_bpb": score})

    files = [
        file("track_non_record_16mb/2026-05-02_Sweep", 1.03), file("track_10min_16mb/2026-04-28_Old", 1.07),
        file("track_10min_16mb/2026-04-29_New", 1.06), file("track_10min_16mb/2026-04-30_Due", None),
    ]  # fmt: skip
    for found in (files, files[::-1]):
        one = competitors.from_item(item(*found), None)
        assert one is not None and (one.val_bpb, one.notes) == (1.06, ["of 4 submission.json, that of 2026-04-29_New"])
    assert sorted((path for path, _ in files), key=submitted.order)[0] == files[3][0]


def test_github_s_pull_requests_bring_the_claim_in_their_details() -> None:
    with FixtureServer() as server, Web(60.0) as web:
        items = github_pulls.fetch(datetime(2026, 1, 1, tzinfo=UTC), server.settings(), web).items
    found = [one for one in items if one.details["repository"] == "openai/parameter-golf"]
    told = [one.details for one in found if "val_bpb" in one.details]
    assert {(one["number"], one["val_bpb"]) for one in told} == {("1074", "1.1574"), ("1075", "1.1574")}
    assert all(one["submission"].endswith("/submission.json") for one in told)


def test_a_clone_s_pull_requests_bring_it_as_well(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet", "-b", "main")
    git(tmp_path, "config", "user.email", "a@example.com")
    git(tmp_path, "config", "user.name", "ada")
    (tmp_path / "README.md").write_text("the challenge")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "start")
    for name, score in (("2026-04-01_One", 1.2), ("2026-04-02_Two", 1.1)):
        folder = tmp_path / "records" / "track_10min_16mb" / name
        for place in (folder, folder / "logs", folder / "more"):
            place.mkdir(parents=True, exist_ok=True)
            (place / "README.md").write_text(f"val_bpb: 1.3 in {place.name}")
        (folder / "submission.json").write_text(json.dumps({"val_bpb": score, "seed": 42}))
        (folder / "train_gpt.py").write_text("x = 1")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--quiet", "-m", "two records")
    git(tmp_path, "update-ref", "refs/remotes/origin/pr/1074", "HEAD")
    git(tmp_path, "reset", "--hard", "--quiet", "HEAD~1")
    with Web(5.0) as web:
        (one,) = clone.fetch(NOW, ResearchSettings(clone=str(tmp_path)), web).items
    assert (one.details["val_bpb"], one.details["num_seeds"]) == ("1.1", "1")
    claim = submitted.claim(one)
    assert claim is not None and "2026-04-02_Two" in claim.path


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KEYS = ["val_bpb", "mean_val_bpb", "val_bpb_std", "seeds", "seed_results", "seed", "num_seeds", "baseline_bpb", "score"]


@given(st.dictionaries(st.sampled_from(KEYS), JSON, max_size=6), st.booleans())
def test_whatever_it_holds_the_claim_is_its_own_score_or_none(table: dict[str, Any], is_old: bool) -> None:
    one = claimed(table, is_old=is_old)
    said = item((f"{RECORD}/submission.json", json.dumps(table))).details
    assert all(isinstance(value, str) and len(value) < 1_000 for value in said.values())
    if one is not None:
        assert one.val_bpb is not None and 0 < one.val_bpb < 20
        assert said["val_bpb"] == repr(one.val_bpb)


@pytest.mark.parametrize(
    "broken", ["", "{", "[1]", "null", '{"val_bpb": 1.1', "[" * 100_000, '{"val_bpb": ' + "9" * 5000]
)
def test_a_broken_submission_json_claims_nothing_and_stops_nothing(broken: str) -> None:
    assert submitted.details([(f"{RECORD}/submission.json", broken)]) == {}
    assert competitors.from_item(item((f"{RECORD}/submission.json", broken)), None) is None
