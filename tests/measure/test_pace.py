"""How batch size and threads are chosen while scoring."""

from unittest import mock

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from golf.measure import pace
from golf.measure.pace import Pace, Way


def play(ways: list[Way], windows: int, cost) -> tuple[list[Way], Pace]:
    """Score `windows` of 10 tokens by a clock that only the work moves: `cost(way)` seconds per window."""
    now, taken, done = [0.0], [], 0
    with mock.patch.object(pace.time, "perf_counter", lambda: now[0]), mock.patch.object(torch, "set_num_threads"):
        chosen = Pace(ways, windows=windows)
        while done < windows:
            way, rows = chosen.way, min(chosen.rows, windows - done)
            with chosen.timed(10 * rows):
                now[0] += cost(way) * rows
            taken += [way]
            done += rows
    return taken, chosen


WAYS = st.lists(st.builds(Way, rows=st.integers(1, 8), threads=st.sampled_from([None, 1, 2])), min_size=1, max_size=6)


@given(ways=WAYS, windows=st.integers(1, 2_000), data=st.data())
def test_the_trial_is_a_bounded_share_of_the_job_and_ends_in_the_quickest_way(ways, windows, data):
    costs = {way: data.draw(st.floats(0.1, 10.0)) for way in ways}
    taken, chosen = play(ways, windows, costs.__getitem__)
    tried = set(taken)
    if tried == {ways[0]}:
        return
    assert chosen.is_settled
    assert costs[taken[-1]] == min(costs[way] for way in tried)
    last = max(index for index, way in enumerate(taken) if way != taken[-1])
    assert sum(way.rows for way in taken[: last + 1]) <= windows / 5


def test_a_short_job_is_scored_in_the_first_way_alone():
    ways = [Way(8, 2), Way(2, 1), Way(1, 1)]
    assert set(play(ways, 40, lambda way: 1.0)[0]) == {ways[0]}


def test_one_busy_moment_does_not_decide():
    ways, seen = [Way(2, 2), Way(1, 1)], []

    def cost(way: Way) -> float:
        seen.append(way)
        return 2.5 if len(seen) == 1 else 1.0 if way == ways[0] else 1.2

    assert play(ways, 400, cost)[0][-1] == ways[0]


def test_a_hopeless_way_gets_no_second_try():
    ways = [Way(2, 1), Way(2, 2)]
    taken = play(ways, 400, lambda way: 1.0 if way.threads == 1 else 4.0)[0]
    assert taken.count(ways[1]) == 1


def test_several_workers_have_one_way_each_with_one_thread():
    with mock.patch.object(torch, "set_num_threads") as threads:
        assert Pace([Way(1, 1), Way(2, 1)], windows=10**6, workers=2).is_settled
    threads.assert_called_once_with(1)


@pytest.mark.parametrize("threads", [1, 2])
def test_what_a_short_job_uses_is_what_a_batch_of_the_usual_size_is(threads):
    first, *others = pace.ways(1_024, 8_192, threads, device=torch.device("cpu"))
    assert first == Way(8, threads)
    assert {way.threads for way in others} == {1, threads}
    assert all(way.rows <= first.rows for way in others)
