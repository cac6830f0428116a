"""Who leads with what can be believed, who is like whom, and what is new."""

import itertools

import pytest
from fields import placed, program, ruling
from hypothesis import given
from hypothesis import strategies as st

from golf.referee import standings
from golf.referee.field import Field
from golf.referee.survey import Placed, survey


def field(*submissions: Placed, before: dict[str, str] | None = None) -> Field:
    return survey(submissions, "here", before)


def ranked(seen: Field) -> dict[str, tuple[int | None, int | None, str]]:
    return {entry.name: (entry.rank, entry.rank_by_claim, entry.standing) for entry in seen.entries}


# --- who leads


def test_the_credible_best_leads_and_not_the_lowest_number() -> None:
    seen = field(
        placed("miracle", ruling("block", (0.3,), claimed_val_bpb=0.3)),
        placed("doubtful", ruling("review", (0.9, 0.9, 0.9), claimed_val_bpb=0.9)),
        placed("unlogged", ruling("clear", (), claimed_val_bpb=0.8)),
        placed("once", ruling("clear", (1.0,), claimed_val_bpb=1.0)),
        placed("solid", ruling("clear", (1.1, 1.1, 1.1), claimed_val_bpb=1.1)),
        placed("second", ruling("clear", (1.2, 1.2, 1.2), claimed_val_bpb=1.05)),
    )
    assert ranked(seen) == {
        "miracle": (None, 1, "blocked"),
        "doubtful": (None, 3, "open"),
        "once": (None, 4, "open"),
        "second": (2, 5, "credible"),
        "solid": (1, 6, "credible"),
        "unlogged": (None, 2, "unsupported"),
    }
    assert [entry.name for entry in seen.leaders("10min_16mb")] == ["solid", "second"]
    assert [entry.name for entry in seen.contenders("10min_16mb")] == ["doubtful", "once", "unlogged"]


def test_tracks_are_ranked_apart_and_the_open_one_asks_for_one_seed() -> None:
    seen = field(
        placed("a", ruling(scores=(1.5,), track="non_record_16mb")), placed("b", ruling(scores=(1.1, 1.1, 1.1)))
    )
    assert {name: rank for name, (rank, _, _) in ranked(seen).items()} == {"a": 1, "b": 1}


def test_among_equals_the_earlier_goes_first() -> None:
    same = ruling(scores=(1.1, 1.1, 1.1))
    seen = field(
        placed("#12 x", same, day="2026-04-02"),
        placed("#9 x", same, day="2026-04-02"),
        placed("#30 x", same, day="2026-04-01"),
    )
    assert {name: rank for name, (rank, _, _) in ranked(seen).items()} == {"#30 x": 1, "#9 x": 2, "#12 x": 3}


@given(st.lists(st.tuples(st.sampled_from(["a", "b", None]), st.floats(0.1, 9) | st.none()), max_size=30))
def test_ranks_of_a_track_are_one_to_n_and_a_better_score_is_never_behind(
    rows: list[tuple[str | None, float | None]],
) -> None:
    scores = {f"{number}": row for number, row in enumerate(rows)}
    found = standings.ranks((name, track, score) for name, (track, score) in scores.items())
    assert set(found) == {name for name, (_, score) in scores.items() if score is not None}
    for track in ("a", "b", None):
        mine = {name: found[name] for name, (where, score) in scores.items() if where == track and score is not None}
        assert sorted(mine.values()) == list(range(1, len(mine) + 1))
        for one, other in itertools.permutations(mine, 2):
            if (scores[one][1] or 0) < (scores[other][1] or 0):
                assert mine[one] < mine[other]


def test_the_worst_come_first_and_pull_requests_by_their_number() -> None:
    seen = field(placed("#100 x"), placed("#20 x"), placed("#3 x", ruling("block")), placed("#500 x", ruling("review")))
    assert [entry.name for entry in seen.entries] == ["#3 x", "#500 x", "#20 x", "#100 x"]


# --- when


@pytest.mark.parametrize(
    ("said", "commits", "day"),
    [
        ({"date": "2026-04-03T10:00:00Z"}, ("2026-04-01", "2026-04-05"), "2026-04-03"),
        ({"date": "2026-04-09"}, ("2026-04-01", "2026-04-05"), "2026-04-05"),
        ({"date": "2026-03-01"}, ("2026-04-01", "2026-04-05"), "2026-04-01"),
        ({"date": "soon", "folder": "2026-04-01_x"}, None, "2026-04-01"),
        ({"date": "2026-13-45"}, None, None),
        ({}, ("2026-04-01", "2026-04-05"), "2026-04-05"),
    ],
)
def test_a_day_is_believed_that_lies_within_the_commits(
    said: dict[str, str], commits: tuple[str, str] | None, day: str | None
) -> None:
    judged = placed("a", ruling(**said)).judged
    assert field(Placed("a", judged, *(commits or ()))).entries[0].day == day


# --- who is like whom


def test_a_family_is_what_shares_half_with_its_founder() -> None:
    seen = field(
        placed("founder", ruling(techniques=["xsa", "ema"]), program(1, 1), "2026-04-01"),
        placed("copy", ruling(techniques=["xsa", "ema"]), program(0.95, 1), "2026-04-02"),
        placed("cousin", ruling(techniques=["xsa"]), program(0.6, 1), "2026-04-03"),
        placed("other", ruling(), program(1, 2), "2026-04-04"),
        placed("words alone"),
    )
    (family,) = seen.families
    assert (family.founder, family.members) == ("founder", ["founder", "copy", "cousin"])
    assert (family.num_copies, family.common, family.best) == (1, ["xsa"], "copy")
    families = {entry.name: entry.family for entry in seen.entries}
    assert (families["other"], families["words alone"]) == ("other", None)
    nearest = {entry.name: entry.nearest for entry in seen.entries}
    assert nearest["founder"] is None and nearest["words alone"] is None
    assert nearest["copy"] is not None and (nearest["copy"].name, nearest["copy"].similarity) == ("founder", 0.953)


def test_the_founder_is_the_earliest_whatever_the_order_they_come_in() -> None:
    seen = field(
        placed("late", sketch=program(0.9, 1), day="2026-04-09"),
        placed("early", sketch=program(1, 1), day="2026-04-01"),
    )
    assert seen.families[0].founder == "early"


def test_what_is_close_to_something_blocked_is_told_and_not_judged_by_it() -> None:
    seen = field(
        placed("bad", ruling("block"), program(1, 1), "2026-04-09"),
        placed("repaired", ruling(), program(0.97, 1), "2026-04-10"),
        placed("different", ruling(), program(0.5, 1), "2026-04-10"),
    )
    close = {entry.name: entry.nearest_blocked and entry.nearest_blocked.name for entry in seen.entries}
    assert close == {"bad": None, "repaired": "bad", "different": None}
    assert [entry.ruling.verdict for entry in seen.entries if entry.name == "repaired"] == ["clear"]


def test_parents_are_found_by_pull_request_and_by_folder() -> None:
    seen = field(
        placed("#7 a", ruling(pr=7, folder="a")),
        placed("#8 b", ruling(pr=8, folder="b", parents=["#7", "a", "#8", "#999"])),
        placed("#9 c", ruling(pr=9, folder="c", parents=["b"])),
    )
    assert {entry.name: entry.parents for entry in seen.entries} == {"#7 a": [], "#8 b": ["#7 a"], "#9 c": ["#8 b"]}


# --- over time


def test_a_week_says_how_alike_its_programs_and_techniques_are() -> None:
    seen = field(
        placed("a", ruling(techniques=["xsa", "ema"]), program(1, 1), "2026-03-30"),
        placed("b", ruling(techniques=["xsa"]), program(0.5, 1), "2026-04-05"),
        placed("c", ruling(techniques=["ema", "gptq"]), program(1, 2), "2026-04-06"),
        placed("undated"),
    )
    first, second = seen.weeks
    assert (first.week, first.num_submissions, first.similarity) == ("2026-W14", 2, 0.5)
    assert (first.technique_overlap, first.num_founders, first.new_techniques) == (0.5, 1, ["ema", "xsa"])
    assert (second.week, second.similarity, second.technique_overlap) == ("2026-W15", None, None)
    assert second.new_techniques == ["gptq"]


def test_techniques_are_counted_by_what_became_of_their_users() -> None:
    seen = field(
        placed("a", ruling("block", techniques=["ppm"]), day="2026-04-02"),
        placed("b", ruling(techniques=["ppm", "xsa"]), day="2026-04-01"),
    )
    rows = {row.technique: row for row in seen.techniques}
    assert set(rows) == {"ppm", "xsa"}
    assert (rows["ppm"].num_used, rows["ppm"].num_credible, rows["ppm"].num_blocked, rows["ppm"].first) == (
        2,
        1,
        1,
        "b",
    )


def test_the_first_run_knows_no_change_and_the_next_names_each() -> None:
    assert field(placed("a")).changes is None
    before: dict[str, str] = {"a": "clear", "b": "clear", "gone": "block"}
    changes = field(placed("a"), placed("b", ruling("block")), placed("c"), before=before).changes
    assert changes is not None
    assert (changes.new, changes.gone, changes.verdicts) == (["c"], ["gone"], {"b": "clear → block"})


def test_one_submission_alone_is_a_field() -> None:
    seen = field(placed("a", sketch=program(1)))
    assert (seen.families, seen.entries[0].nearest, seen.entries[0].family) == ([], None, "a")
