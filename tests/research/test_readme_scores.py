"""A README's own score is its mean over seeds, whoever else's numbers stand around it."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.research import readme_scores
from golf.research.readme_scores import read


@pytest.mark.parametrize(
    "line",
    [
        "**val_bpb: 1.1234**",
        "**val_bpb:** 1.1234",
        "val_bpb: 1.1234",
        "val_bpb = 1.1234",
        "val_bpb=1.1234",
        "Our `val_bpb`: `1.1234`",
        '"val_bpb": 1.1234,',
        "bpb: 1.1234",
        "BPB = 1.1234",
        "# Wider MLP: 1.1234 bpb",
        "It reaches **1.1234** BPB",
        "down from 1.2244 to 1.1234 bpb",
        "| val_bpb: 1.1234 |",
    ],
)
def test_s48_each_published_form_of_a_score_is_read(line: str) -> None:
    found = read(f"# A record\n\n{line}\n")
    assert (found.val_bpb, found.num_seeds, found.doubts) == (
        1.1234,
        0,
        ["one number, and of how many seeds is not seen"],
    )


@pytest.mark.parametrize(
    "line",
    [
        "baseline val_bpb: 1.2244",
        "The previous SOTA of PR #74 is 1.1194 bpb",
        "It improves val_bpb by 0.0051 bpb",
        "an improvement of -0.0051 bpb",
        "± 0.0006 bpb",
        "pre-quant val_bpb: 1.1101",
        "val_loss:2.0727 and no more",
        "val_loss: 2.0727 val_bpb: n/a",
        "std bpb: 0.0006",
        "bpb: 0.0006",
        "val_bpb: pending",
        "the target is 1.1144 bpb",
        "| condition | 1.2244 bpb | 1.1925 bpb | 1.2 |",
        "The narrow model is 0.440 BPB worse",
        "It is worse by 0.440 bpb",
        "val_bpb: 0.4400 higher than with attention",
        "Removing it costs +0.440 bpb",
        "Δ val_bpb = 0.4400",
        "The gap is 0.440 bpb",
        "**val_bpb: 0.2999** on a subset",
    ],
)
def test_s48_others_numbers_differences_and_spreads_are_no_score(line: str) -> None:
    assert read(line) == readme_scores.ReadmeScores()


TABLE = """
| Seed | Steps | Pre-quant BPB | val_bpb |
| --- | ---: | --- | --- |
| 42 | 5,000 | 1.1150 | **1.1200** |
| 1337 | 5,001 | 1.1160 | 1.1210 |
| 2024 | 4,999 | 1.1170 | 1.1220 |
"""


def test_s48_a_table_of_seeds_makes_the_mean_and_the_best_seed_in_the_headline_is_told() -> None:
    found = read(f"# Mine: val_bpb 1.1200 bpb\n{TABLE}\nBaseline: 1.2244 bpb\n")
    assert found.val_bpb is not None and math.isclose(found.val_bpb, 1.1210)
    assert found.std_bpb is not None and math.isclose(found.std_bpb, 0.001)
    assert found.num_seeds == 3
    assert found.doubts == ["its headline 1.1200 is its best seed's; the mean of 3 is 1.1210"]


def test_s48_a_headline_that_is_the_mean_raises_no_doubt() -> None:
    found = read(f"# val_bpb: 1.1210\n{TABLE}| **Mean** | | 1.1160 | **1.1210 ± 0.0010** |\n")
    assert (found.num_seeds, found.doubts) == (3, [])
    assert [one.kind for one in found.told] == ["headline", "seed", "seed", "seed", "mean"]
    assert found.told[-1].std_bpb == 0.0010


def test_s48_a_stated_mean_that_its_table_does_not_give_is_kept_and_doubted() -> None:
    found = read(f"3-seed mean val_bpb: 1.1000 ± 0.0003\n{TABLE}")
    assert (found.val_bpb, found.std_bpb) == (1.1, 0.0003)
    assert found.doubts == ["it states a mean of 1.1000; a column of 3 seeds in its README gives 1.1210"]


def test_s48_a_mean_in_prose_says_of_how_many_seeds_it_is() -> None:
    found = read("The 3-seed mean val_bpb is 1.1210 (std 0.0004); seed 42 alone has val_bpb: 1.1205.")
    assert (found.val_bpb, found.std_bpb, found.doubts) == (1.121, 0.0004, [])
    assert [(one.kind, one.seed) for one in found.told] == [("mean", None), ("seed", 42)]
    assert read("val_bpb: 1.1210 (mean of 3 seeds)").num_seeds == 3


def test_s48_seeds_in_prose_are_averaged() -> None:
    found = read(
        "seed 42: val_bpb: 1.12\n- seed 7: val_bpb: 1.1200\n- seed=9 val_bpb=1.1240\n- seed 1 gets 1.1220 bpb\n"
    )
    assert found.val_bpb is not None and math.isclose(found.val_bpb, 1.122)
    assert (found.num_seeds, found.doubts) == (3, [])


def test_a_headline_that_is_neither_the_mean_nor_a_seed_s_raises_no_doubt() -> None:
    found = read("# One setting of a sweep: 1.0900 bpb\n\n3-seed mean val_bpb: 1.1000\n")
    assert (found.val_bpb, found.num_seeds, found.doubts) == (1.1, 3, [])


def test_rows_of_variants_are_no_seeds() -> None:
    table = "| Run | Change | val_bpb |\n| --- | --- | --- |\n| H0 | none | 1.1734 |\n| H1 | factorised | 2.4396 |\n"
    steps = "| Step (seed 7) | val_bpb |\n| --- | --- |\n| Base (no EMA) 1 | 1.0960 |\n"
    assert read(table + "\n" + steps).told == []


def test_seeds_with_two_numbers_each_are_two_stages_and_no_doubt() -> None:
    again = TABLE.replace("1.12", "1.13")
    found = read(f"3-seed mean val_bpb: 1.1310\n{TABLE}\nAfter more steps\n{again}")
    assert (found.val_bpb, found.doubts) == (1.131, [])


@given(st.text(alphabet="|-:*` \nseedvalbpmn_±()#0123456789.", max_size=400) | st.text(max_size=200))
def test_s48_whatever_a_readme_holds_its_score_is_one_of_its_numbers_or_their_mean(readme: str) -> None:
    found = read(readme)
    values = [one.val_bpb for one in found.told]
    assert (found.val_bpb is None) == (not values)
    if found.val_bpb is not None:
        assert min(values) - 1e-9 <= found.val_bpb <= max(values) + 1e-9 and found.val_bpb >= readme_scores.SCORE_MIN
