from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.research.attempts import Attempt, of_competitors, of_items, of_rows
from golf.research.frontier import FAMILIES, coverage, diversity, loops, ratio
from golf.research.nouns import Competitor, Item
from golf.schema import Row
from golf.workspace import Workspace


def row(description: str, score: float | None, status: str = "discard", cost: float = 0.0, promoted: str = "no") -> Row:
    return Row.model_validate(
        {
            "commit": "a", "tier": "local", "val_bpb": score, "artifact_bytes": None, "memory_gb": None,
            "status": status, "promoted": promoted, "cost_usd": cost, "description": description,
        }
    )  # fmt: skip


def tried(*techniques: str, gain: float | None = -0.01, cost: float = 0.0, text: str = "", name: str = "x") -> Attempt:
    return Attempt(name=name, source="experiment", techniques=list(techniques), gain_bpb=gain, cost_usd=cost, text=text)


def test_s59_an_experiment_counts_for_the_families_of_its_techniques_and_untouched_families_are_listed() -> None:
    found = coverage(of_rows([row("base", 1.25, "keep"), row("e1: EMA of the weights", 1.24, "keep", 2.0)]))
    covered = {one.family: one for one in found.families}
    assert (covered["averaging"].tries, covered["averaging"].wins, covered["averaging"].rounds_since) == (1, 1, 0)
    assert covered["averaging"].best_gain_bpb == pytest.approx(0.01)
    assert covered["averaging"].spent_usd == 2.0
    assert "averaging" not in found.never_tried
    assert {"tokenizer", "context mixing"} <= set(found.never_tried)


def test_s59_competitors_and_what_was_read_are_counted_beside_and_are_no_tries_of_ones_own() -> None:
    at = "2026-04-01T00:00:00Z"
    others = of_competitors([Competitor.model_validate({"name": "PR #1", "techniques": ["ema"], "val_bpb": 1.21})])
    read = of_items(
        [Item.model_validate({"id": "a", "source": "s", "title": "Mixture of experts, tiny", "fetched_at": at})]
    )
    covered = {one.family: one for one in coverage([*others, *read]).families}
    assert (covered["averaging"].tries, covered["averaging"].tries_by_others) == (0, 1)
    assert covered["averaging"].wins_by_others == 1
    assert (covered["architecture"].tries, covered["architecture"].proposals) == (0, 1)


def test_a_competitor_is_held_against_the_best_credible_one_of_an_earlier_day() -> None:
    rows = [
        ("2026-04-01", 1.2, True),
        ("2026-04-02", 1.19, True),
        ("2026-04-02", 1.195, True),
        ("2026-04-03", 0.5, False),
    ]
    found = of_competitors(
        Competitor.model_validate(
            {"name": f"{n}", "number": n, "val_bpb": bpb, "is_credible": ok, "published_at": f"{day}T00:00:00Z"}
        )
        for n, (day, bpb, ok) in enumerate(rows)
    )
    assert [one.gain_bpb and round(one.gain_bpb, 6) for one in found] == [0.0244, 0.01, 0.005, None]


def test_an_unmeasured_run_has_no_gain_and_a_crash_is_none() -> None:
    found = of_rows([row("a", 1.2, "keep"), row("b", None, "crash"), row("c", 1.1, "crash")])
    assert [one.gain_bpb for one in found] == [None, None, None]


def test_s99_diversity_is_0_for_one_family_and_1_for_an_even_spread() -> None:
    assert diversity([tried("ema"), tried("swa")]) == 0.0
    assert diversity([tried("ema"), tried("int6")]) == pytest.approx(1.0)
    assert diversity([tried("ema")]) is None


@given(st.lists(st.lists(st.sampled_from(["ema", "int6", "ttt", "xsa", "zstd", "muon_wd"]), max_size=3), max_size=30))
def test_s99_diversity_lies_between_0_and_1_and_what_families_spent_adds_up(named: Sequence[list[str]]) -> None:
    attempts = [tried(*ids, cost=1.0) for ids in named]
    found = coverage(attempts)
    assert found.diversity is None or 0 <= found.diversity <= 1
    assert sum(one.spent_usd for one in found.families) == pytest.approx(len(attempts))
    assert set(found.never_tried) <= set(FAMILIES)


def test_s59_experiments_in_one_family_are_called_clustered_and_a_spread_is_not() -> None:
    clustered = coverage([tried("int6"), tried("int5"), tried("gptq"), tried("ema")])
    assert (clustered.clustered_in, clustered.clustered_share) == ("quantisation", 0.75)
    assert coverage([tried("int6"), tried("ema"), tried("ttt"), tried("xsa")]).clustered_in is None


@pytest.mark.parametrize(
    ("again", "rule"),
    [
        ("EMA decay 0.997 over the run", "same idea again"),
        ("EMA decay 0.999 over the run", "another knob value"),
        ("a decay of the EMA weights, applied", "paraphrased"),
    ],
)
def test_s59_a_failed_idea_that_comes_again_is_a_loop_with_its_rows(again: str, rule: str) -> None:
    found = loops([tried("ema", text="EMA decay 0.997 over the run", name="a"), tried("ema", text=again, name="b")])
    assert [(one.rule, one.rows) for one in found] == [(rule, ["a", "b"])]


def test_s59_another_idea_and_the_repetition_of_a_gain_are_no_loops() -> None:
    assert not loops([tried(text="EMA decay 0.997"), tried(text="int5 for the MLP")])
    assert not loops([tried(text="EMA decay 0.997", gain=0.01), tried(text="EMA decay 0.999")])


def test_s59_ideas_of_another_loop_s_ledger_are_not_one_because_they_begin_with_one_word() -> None:
    ideas = ("add EMA decay 0.997", "add int5 for the MLP")
    found = loops(of_rows([row(text, 1.3) for text in (*ideas, *ideas)]))
    assert [one.rows for one in found] == [[text, text] for text in ideas]


def test_s59_the_paid_run_of_an_idea_is_no_repetition_and_a_second_paid_run_is() -> None:
    rows = [row("a: EMA decay 0.997", 1.3), *[row("b: EMA decay 0.997", 1.3).model_copy(update={"tier": "paid"})] * 2]
    assert not loops(of_rows(rows[:2]))
    assert [one.rows for one in loops(of_rows(rows))] == [["b", "b"]]


def test_s59_money_that_buys_neither_gain_nor_anything_new_is_a_loop() -> None:
    idle = [tried("int6", cost=3.5, name=f"e{number}", text=f"thing {number}") for number in range(6)]
    (found,) = [one for one in loops(idle) if one.rule == "nothing new for the money"]
    assert found.rows == ["e1", "e2", "e3", "e4", "e5"]  # the first one was new
    assert "$17.50" in found.reason
    assert all(one.rule != "nothing new for the money" for one in loops([*idle, tried("ttt", cost=3.5)]))


def test_s116_local_experiments_per_promoted_one_stand_beside_the_published_20() -> None:
    rows = [row(f"e{n}", 1.2, promoted="pending" if n == 0 else "no") for n in range(20)]
    found = ratio([*rows, row("e0", 1.1, cost=3.5, promoted="yes")])
    assert (found.local, found.promoted, found.per_promoted, found.published) == (20, 1, 20.0, 20.0)


def test_s116_the_mark_counts_on_the_local_row_on_the_paid_one_and_once_on_both() -> None:
    local = [row(f"e{n}: idea {n}", 1.2, "keep") for n in range(4)]
    assert ratio([*local, row("e0-paid: Idea 0", 1.1, "keep", 10.0, "yes")]).per_promoted == 4.0
    marked = [row("e0: idea 0", 1.2, "keep", promoted="pending"), *local[1:]]
    both = [*marked, row("e0-paid: idea 0", 1.1, "keep", 10.0, "yes")]
    assert (ratio(both).local, ratio(both).promoted) == (4, 1)
    assert ratio([*both, row("e1-paid: idea 1", 1.1, cost=10.0, promoted="pending")]).per_promoted == 2.0


def test_s59_an_idea_that_gained_on_two_tiers_is_one_win_of_two_experiments() -> None:
    rows = [row("base", 1.25, "keep"), row("e1: EMA of the weights", 1.24, "keep")]
    paid = [one.model_copy(update={"tier": "paid", "val_bpb": (one.val_bpb or 0) - 0.1}) for one in rows]
    averaging = {one.family: one for one in coverage(of_rows([*rows, *paid])).families}["averaging"]
    assert (averaging.tries, averaging.wins) == (2, 1)


def test_s116_without_a_promotion_there_is_no_ratio_but_a_reason() -> None:
    found = ratio([row("e", 1.2)])
    assert found.per_promoted is None
    assert found.reason


def test_an_empty_workspace_has_tried_nothing(workspace: Workspace) -> None:
    from golf.research.attempts import of_workspace

    found = coverage(of_workspace(workspace))
    assert found.never_tried == list(FAMILIES)
    assert (found.diversity, found.clustered_in, found.loops) == (None, None, [])
