"""Grades are added up here, and what the challenge rules out is worth nothing."""

import pytest
from sample_answers import item

from golf import answers


@pytest.mark.parametrize(
    ("grades", "competitor", "total", "tier"),
    [
        ((3, 3, 2, 4, 3), None, 15, "A"),
        ((3, 3, 2, 4, 3), 2, 17, "A"),
        ((3, 3, 2, 2, 0), None, 10, "A"),
        ((3, 3, 2, 1, 0), None, 9, "B"),
        ((3, 3, 1, 0, 0), None, 7, "B"),
        ((3, 3, 0, 0, 0), None, 6, "C"),
        ((3, 3, 0, 0, 0), 1, 7, "B"),
        ((0, 0, 0, 0, 0), 0, 0, "C"),
    ],
)
def test_totals_are_added_up_here_and_tiers_begin_at_ten_and_seven(
    grades: tuple[int, ...], competitor: int | None, total: int, tier: str
):
    graded = item(*grades, competitor=competitor)
    assert (graded.total, graded.tier) == (total, tier)


@pytest.mark.parametrize("flag", ["needs_new_dependency", "needs_more_bytes", "needs_more_time"])
def test_what_the_challenge_rules_out_is_worth_nothing(flag: str):
    ruled_out = item(3, 3, 2, 4, 3, competitor=2, **{flag: True})
    assert (ruled_out.total, ruled_out.tier) == (0, "C")


def test_grades_come_back_best_first():
    grades = answers.ResearchGrade(
        items=[item(0, 0, 0, 0, 1), item(3, 3, 2, 4, 3), item(3, 3, 2, 4, 3, needs_more_time=True)]
    )
    assert [(one.total, one.tier, one.ruled_out) for one in answers.tally(grades)] == [
        (15, "A", False),
        (1, "C", False),
        (0, "C", True),
    ]
