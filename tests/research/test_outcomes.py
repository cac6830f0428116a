"""Grades meet what was measured, through the files that a workspace has."""

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from samples import row

from golf.play import experiments, ledger
from golf.research import grades, outcomes, place, records, rubric
from golf.research.calibration import NOTHING
from golf.research.nouns import Graded
from golf.schema import Experiment
from golf.workspace import Workspace

CLAIMED = datetime(2026, 4, 1, 12, tzinfo=UTC)
BEFORE, EARLIER, AFTER = CLAIMED - timedelta(hours=1), CLAIMED - timedelta(hours=2), CLAIMED + timedelta(hours=1)
PAID = "[tiers.h100]\nhourly_rate_usd = 20.0\n[tiers.local]\n[tiers.smoke]\n"


def grade(workspace: Workspace, id: str, at: datetime = BEFORE, by: str = "rules", **given: int) -> None:
    values = dict.fromkeys(rubric.ALL_DIMENSIONS, 1) | given
    one = Graded.model_validate(
        {
            "item_id": id, "title": "t", "source": "s", "total": 5, "tier": "C", "reason": "r", "graded_by": by,
            "graded_at": at, **values,
        }
    )  # fmt: skip
    records.append(place.folder(workspace) / grades.GRADES, one)


def claim(workspace: Workspace, name: str, text: str, at: datetime | None = CLAIMED, **fields: Any) -> None:
    folder = workspace.experiments / f"2026-04-01_{name}"
    folder.mkdir(parents=True)
    said = Experiment(hypothesis=text, created_at=at, script="x.py", **fields)
    (folder / experiments.CONFIG).write_text(experiments.dump(said))


def play(workspace: Workspace, name: str, bpb: float | None, status: str = "discard", tier: str = "local") -> None:
    ledger.append(workspace.ledger, row(f"2026-04-01_{name}: h", status=status, val_bpb=bpb, tier=tier))


def baseline(workspace: Workspace) -> None:
    play(workspace, "base", 1.25, "keep")


def test_s60_a_planted_useless_dimension_is_found_in_the_files_of_40_experiments(workspace: Workspace) -> None:
    rng = random.Random(7)
    baseline(workspace)
    for number in range(40):
        impact = rng.randint(0, 3)
        grade(workspace, f"arxiv:2604.{number:05}", bpb_impact=impact, novelty=rng.randint(0, 3))
        claim(workspace, f"e{number}", f"what arxiv:2604.{number:05} says holds here too")
        play(workspace, f"e{number}", 1.25 - 0.01 * (impact - 1.5) - rng.gauss(0, 0.015))
    said = outcomes.calibrated(workspace)
    verdicts = {one.name: one.verdict for one in said.dimensions}
    assert said.outcomes == 40
    assert verdicts["novelty"] == NOTHING
    assert verdicts["bpb_impact"] == "predicts"
    assert "novelty" in said.summary
    assert {one.name: one.weight for one in said.dimensions}["novelty"] == 0


def test_s60_the_grade_that_counts_is_the_newest_from_before_the_claim_by_rules_if_they_gave_one(
    workspace: Workspace,
) -> None:
    baseline(workspace)
    grade(workspace, "arxiv:1", EARLIER, bpb_impact=0)
    grade(workspace, "arxiv:1", BEFORE, bpb_impact=2)
    grade(workspace, "arxiv:1", BEFORE + timedelta(minutes=1), by="codex", bpb_impact=3)
    grade(workspace, "arxiv:1", AFTER, bpb_impact=1)  # knows what came of it
    grade(workspace, "arxiv:2", BEFORE, by="codex", bpb_impact=3)
    grade(workspace, "arxiv:3", AFTER)
    for number in (1, 2, 3):
        claim(workspace, f"e{number}", f"as in arxiv:{number}")
        play(workspace, f"e{number}", 1.24)
    followed = outcomes.followed(workspace)
    assert [(one.graded.item_id, one.graded.bpb_impact) for one in followed.outcomes] == [
        ("arxiv:1", 2),
        ("arxiv:2", 3),
    ]
    assert followed.num_ungraded == 1


def test_s60_a_grade_after_the_item_s_first_experiment_knows_too_much_for_the_later_ones(workspace: Workspace) -> None:
    baseline(workspace)
    grade(workspace, "arxiv:1", EARLIER, bpb_impact=3)
    grade(workspace, "arxiv:1", BEFORE, bpb_impact=0)  # after the first of them failed
    claim(workspace, "first", "arxiv:1", at=EARLIER + timedelta(minutes=1))
    claim(workspace, "second", "arxiv:1 with another value")
    for name in ("first", "second"):
        play(workspace, name, 1.26)
    (one,) = outcomes.outcomes(workspace)
    assert one.graded.bpb_impact == 3


def test_an_item_is_named_in_the_hypothesis_or_the_expected_outcome_and_damaged_claims_name_none(
    workspace: Workspace,
) -> None:
    baseline(workspace)
    for id in ("arxiv:1", "note:ideas.md"):
        grade(workspace, id)
    claim(workspace, "a", "h", expected_outcome="0.01 bpb lower (arxiv:1)")
    claim(workspace, "b", "from note:ideas.md.")
    claim(workspace, "c", "from arxiv:1")
    (workspace.experiments / "2026-04-01_c" / experiments.CONFIG).write_text("hypothesis: [arxiv:1")
    for name in "abc":
        play(workspace, name, 1.24)
    assert [one.graded.item_id for one in outcomes.outcomes(workspace)] == ["arxiv:1", "note:ideas.md"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("arxiv:2511.01234.", {"arxiv:2511.01234"}),
        ("(arxiv:2511.0123, github:openai/parameter-golf#7)", {"arxiv:2511.0123", "github:openai/parameter-golf#7"}),
        ("arxiv:2511.01234v2", set()),
        ("github:openai/parameter-golf#74", set()),
        ("arxiv:2511.01234/arxiv:2511.0123", set()),
        ("xarxiv:2511.0123 note:ideas.md.bak", set()),
        ("note:my ideas.md", {"note:my ideas.md"}),
        ("note:my own", {"note:my"}),
        ("'url:0123456789abcdef': \"github-code:a/b/c.py\"", {"url:0123456789abcdef", "github-code:a/b/c.py"}),
        ("ARXIV:2511.0123", set()),
        ("", set()),
    ],
)
def test_an_id_is_named_as_a_whole_or_not_at_all(text: str, found: set[str]) -> None:
    ids = [
        "arxiv:2511.0123", "arxiv:2511.01234", "github:openai/parameter-golf#7", "note:ideas.md", "note:my",
        "note:my ideas.md", "url:0123456789abcdef", "github-code:a/b/c.py",
    ]  # fmt: skip
    assert outcomes.named(text, ids) == found


def test_a_paid_run_counts_before_a_free_one_and_several_experiments_are_one_outcome(workspace: Workspace) -> None:
    (workspace.root / "golf.toml").write_text(PAID)
    workspace = Workspace(workspace.root)
    grade(workspace, "arxiv:1")
    grade(workspace, "arxiv:2")
    baseline(workspace)
    play(workspace, "paidbase", 1.22, "keep", "h100")
    claim(workspace, "local", "arxiv:1")
    claim(workspace, "local-h100", "arxiv:1", parent="2026-04-01_local", tier="h100")
    play(workspace, "local", 1.20, "keep")
    play(workspace, "local-h100", 1.215, "keep", "h100")
    for name, bpb in (("x", 1.19), ("y", 1.22)):  # 0.01 better and 0.02 worse than the best
        claim(workspace, name, "arxiv:2 with another value")
        play(workspace, name, bpb)
    first, second = outcomes.outcomes(workspace)
    assert first.gain_bpb == pytest.approx(0.005)
    assert second.gain_bpb == pytest.approx(-0.005)


def test_a_repetition_is_not_compared_with_its_own_first_run(workspace: Workspace) -> None:
    baseline(workspace)
    grade(workspace, "arxiv:1")
    claim(workspace, "e", "arxiv:1")
    play(workspace, "e", None, "crash")
    play(workspace, "e", 1.20, "keep")
    play(workspace, "e", 1.20)
    (one,) = outcomes.outcomes(workspace)
    assert one.gain_bpb == pytest.approx(0.05)


def test_what_has_no_gain_is_left_out_and_the_summary_counts_it(workspace: Workspace) -> None:
    for number in range(6):
        grade(workspace, f"arxiv:{number}")
        claim(workspace, f"e{number}", f"arxiv:{number}", at=None if number == 4 else CLAIMED)
    play(workspace, "e0", 1.30, "keep")  # the first of its tier
    play(workspace, "e0", 1.29)
    play(workspace, "e1", None, "crash")
    play(workspace, "e2", None, "crash")
    play(workspace, "e3", 1.29, "keep")
    play(workspace, "e4", 1.28)
    said = outcomes.calibrated(workspace)  # e5 was not played
    assert said.outcomes == 1
    assert said.summary.endswith(
        "left out: 2 crashed, 1 without a score to compare, 1 not graded before it was claimed"
    )


def test_a_workspace_without_grades_or_runs_has_no_outcomes(workspace: Workspace) -> None:
    assert outcomes.outcomes(workspace) == []
    claim(workspace, "e", "arxiv:1")
    assert "left out" not in outcomes.calibrated(workspace).summary
