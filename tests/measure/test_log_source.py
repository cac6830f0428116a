"""Which lines of a log are its own."""

import io

from hypothesis import given
from hypothesis import strategies as st

from golf.measure.log_source import KEPT_LINES_MAX, own_lines


def lines_of(*lines: str) -> list[tuple[int, str]]:
    return own_lines(io.StringIO("".join(f"{line}\n" for line in lines)))


SOURCE = ["import torch", "def main():", '    log0("final_exact val_loss:1.0 val_bpb:0.5")', "=" * 100]
RUN = ["train_loader:dataset:words train_shards:3", "step:1/2 train_loss:6.9", "final_exact val_loss:2.0 val_bpb:1.2"]


def test_lines_keep_the_numbers_they_have_in_the_file() -> None:
    assert lines_of(*SOURCE, *RUN) == list(enumerate([SOURCE[-1], *RUN], len(SOURCE)))


def test_an_earlier_run_in_the_same_file_is_left_out() -> None:
    again = ["train_loader:dataset:words train_shards:3", "step:1/2 train_loss:6.5"]
    assert [number for number, _ in lines_of(*RUN, *again)] == [4, 5]


def test_a_run_that_came_to_nothing_does_not_count() -> None:
    lines = lines_of(*RUN, "train_loader:dataset:words train_shards:3")
    assert [number for number, _ in lines] == [1, 2, 3]


def test_a_rule_that_comes_late_takes_lines_of_source_back() -> None:
    source = ["import torch", "final_exact val_loss:1.0 val_bpb:0.5", "x = 1", "=" * 100]
    assert [text for _, text in lines_of(*source, *RUN)] == RUN


def test_a_clock_before_a_line_is_taken_off() -> None:
    lines = lines_of("12.5 step:1/2 train_loss:6.9", "13.0 stopping_early: wallclock_cap")
    assert [text for _, text in lines] == ["step:1/2 train_loss:6.9", "stopping_early: wallclock_cap"]


def test_of_a_long_log_the_ends_are_kept() -> None:
    lines = lines_of(*(f"step:{n}/100000 train_loss:3.0" for n in range(1, 3 * KEPT_LINES_MAX)), RUN[-1])
    assert len(lines) < 2 * KEPT_LINES_MAX
    assert (lines[0][0], lines[-1]) == (1, (3 * KEPT_LINES_MAX, RUN[-1]))


@given(st.lists(st.sampled_from([*SOURCE, *RUN, "", "plain words", "x" * 9000])))
def test_every_line_stands_where_its_number_says(lines: list[str]) -> None:
    kept = lines_of(*lines)
    assert [number for number, _ in kept] == sorted({number for number, _ in kept})
    assert all(lines[number - 1].startswith(text) for number, text in kept)
