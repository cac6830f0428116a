"""`golf next` on small ledgers of which anybody can say what it should answer."""

import pytest

from golf.play import ledger
from golf.report import render
from golf.report import research as _  # noqa: F401, its views are registered
from golf.research.directions import NextStep
from golf.research.outlook import outlook
from golf.schema import Row
from golf.workspace import Workspace


def row(tier: str, score: float, status: str, promoted: str, cost: float, description: str) -> Row:
    return Row.model_validate(
        {
            "commit": "abc1234", "tier": tier, "val_bpb": score, "artifact_bytes": 14_000_000, "memory_gb": 1.0,
            "status": status, "promoted": promoted, "cost_usd": cost, "description": description,
        }
    )  # fmt: skip


def promoted(local: str, paid: str) -> list[Row]:
    """A baseline, an idea that gained and was promoted, one that failed."""
    return [
        row(local, 1.23, "keep", "no", 0.0, "baseline"),
        row(local, 1.21, "keep", "no", 0.0, "EMA decay 0.99"),
        row(paid, 1.10, "keep", "yes", 10.0, "EMA decay 0.99"),
        row(local, 1.30, "discard", "no", 0.0, "dropout 0.1"),
    ]


def ranked(workspace: Workspace, rows: list[Row], settings: str = "") -> list[NextStep]:
    """All families, those off the beaten track left out."""
    (workspace.root / "golf.toml").write_text(settings)
    for one in rows:
        ledger.append(workspace.ledger, one)
    return [one for one in outlook(Workspace(workspace.root), 18).steps if one.track != "off the beaten track"]


@pytest.mark.parametrize(
    ("tiers", "settings", "has"),
    [
        (("local", "h100x8"), "[tiers.h100x8]\nhourly_rate_usd = 20\n", True),
        (("mac", "bigbox"), "", False),
    ],
)
def test_s117_the_record_s_family_comes_first_and_what_just_failed_last_whatever_tiers_are_called(
    workspace: Workspace, tiers: tuple[str, str], settings: str, has: bool
) -> None:
    steps = ranked(workspace, promoted(*tiers), settings)
    assert (steps[0].family, steps[0].track, steps[0].failed) == ("averaging", "promising", [])
    assert "1 of 1 attempts gained here" in steps[0].reason
    assert ("the best has ema already" in steps[0].reason, "ema" not in steps[0].techniques) == (has, has)
    assert (steps[-1].family, steps[-1].track) == ("regularisation", "nothing gained yet")
    assert [one.family for one in steps if one.expected_gain_bpb is not None] == ["averaging"]


def test_s117_what_failed_three_times_of_three_in_another_loop_s_ledger_is_not_recommended(
    workspace: Workspace,
) -> None:
    tries = [row("local", 1.25, "discard", "no", 0.0, f"label smoothing {value}") for value in ("0.1", "0.05", "0.2")]
    steps = ranked(workspace, [row("local", 1.23, "keep", "no", 0.0, "baseline"), *tries])
    assert (steps[-1].family, steps[-1].tries, steps[-1].expected_gain_bpb) == ("objective", 3, None)
    assert {one.track for one in steps[:-1]} == {"unexplored"}


def test_s116_a_promotion_that_only_the_paid_row_tells_of_is_one(workspace: Workspace) -> None:
    ranked(workspace, promoted("local", "h100x8"))
    assert outlook(workspace).local_per_promoted == 3.0


def test_s59_the_answer_says_whose_tries_it_means(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    ranked(workspace, promoted("local", "h100x8"))
    render.show(outlook(workspace))
    shown = capsys.readouterr().out
    assert "never_tried_here: quantisation" in shown
    assert "never tried, here or by anybody known" in shown
    assert "local_per_promoted: 3.0" in shown
