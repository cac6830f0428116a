import math
import multiprocessing
import sqlite3
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from golf.errors import BadConfig, BudgetRefused, NotFound
from golf.play.budget import BudgetBook, cost_usd
from golf.workspace import BudgetSettings

SPAWN = multiprocessing.get_context("spawn")
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def make_book(folder: Path, **fields) -> BudgetBook:
    return BudgetBook(folder / ".golf" / "golf.db", BudgetSettings(**fields))


@pytest.mark.parametrize(
    "seconds, gpus, hourly_rate, dollars",
    [(600, 8, 20, "3.33"), (480, 8, 20, "2.67"), (630, 8, 20, "3.50"), (3600, 1, 20, "2.50"), (0, 8, 20, "0.00")],
)
def test_a_run_costs_its_hours_times_its_share_of_eight_gpus(seconds, gpus, hourly_rate, dollars):
    """Source: the published loop, (seconds / 3600) * gpu_count * (hourly_rate / 8)."""
    assert f"{cost_usd(seconds, gpus, hourly_rate):.2f}" == dollars


def test_five_hundred_credits_above_a_reserve_of_fifty_are_128_runs_at_three_fifty(tmp_path):
    book, now, runs = make_book(tmp_path), NOON, 0
    with pytest.raises(BudgetRefused, match="Blocked"):
        while True:
            book.reserve(f"r{runs}", 3.5, "h100x8", now)
            book.settle(f"r{runs}", 3.5)
            runs, now = runs + 1, now + HOUR
    assert runs == 128
    state = book.state(now=now)
    assert (state.spent_usd, state.remaining_usd, state.runs_left) == (448.0, 52.0, 0)


# --- the outcomes, with their numbers ------------------------------------------------------------


def test_with_money_and_time_the_answer_is_ok(tmp_path):
    state = make_book(tmp_path).state(now=NOON)
    assert (state.verdict, state.allowed, state.run_cost_usd, state.runs_left) == ("ok", True, 3.5, 128)
    assert state.message == "OK: remaining $500.00, reserve $50.00; runs of $3.50 left: 128"


def test_below_the_reserve_the_answer_is_blocked_and_says_what_to_do(tmp_path):
    book = make_book(tmp_path)
    book.reserve("r", 3.5, "h100x8", NOON)
    book.settle("r", 452.0)
    state = book.state(now=NOON + HOUR)
    assert (state.verdict, state.allowed, state.runs_left) == ("blocked", False, 0)
    assert state.message.startswith("Blocked: remaining $48.00 is below reserve $50.00")
    assert "budget.total_usd in golf.toml" in state.message


@pytest.mark.parametrize("total, allowed", [(53.5, True), (53.499999, False)])
def test_a_run_may_leave_exactly_the_reserve_and_not_a_micro_dollar_less(tmp_path, total, allowed):
    state = make_book(tmp_path, total_usd=total).state(3.5, NOON)
    assert state.allowed is allowed
    assert allowed or state.message.startswith(
        "Blocked: remaining $49.99 is below reserve $50.00 once this run's $3.50 are taken from $53.49"
    )


@pytest.mark.parametrize("total, verdict", [(100.0, "ok"), (99.99, "warning")])
def test_below_twice_the_reserve_a_run_is_allowed_with_a_warning(tmp_path, total, verdict):
    state = make_book(tmp_path, total_usd=total).state(3.5, NOON)
    assert (state.verdict, state.allowed) == (verdict, True)
    if verdict == "warning":
        assert state.message == "Warning: remaining $99.99 is below 2x reserve $100.00; runs of $3.50 left: 14"


def test_a_second_run_within_the_hour_is_refused_and_told_when(tmp_path):
    book = make_book(tmp_path)
    book.reserve("first", 3.5, "h100x8", NOON)
    book.settle("first", 3.47)
    with pytest.raises(BudgetRefused) as refusal:
        book.reserve("second", 3.5, "h100x8", NOON + timedelta(minutes=18))
    assert str(refusal.value) == (
        "Rate limited: less than 1 hour since last Tier 2 run. The next may start at 2026-11-20 13:00:00 UTC, in 42 min"
    )
    assert book.state(now=NOON + timedelta(minutes=18)).next_allowed_at == NOON + HOUR
    with pytest.raises(BudgetRefused, match="in 1 s"):
        book.reserve("second", 3.5, "h100x8", NOON + HOUR - timedelta(microseconds=1))
    assert book.reserve("second", 3.5, "h100x8", NOON + HOUR).next_allowed_at is None


def test_being_blocked_outranks_being_rate_limited(tmp_path):
    """Waiting does not help against the reserve, so the reserve is what is said."""
    book = make_book(tmp_path, total_usd=55)
    book.reserve("r", 3.5, "h100x8", NOON)
    assert book.state(now=NOON).verdict == "blocked"


@pytest.mark.parametrize("back", [timedelta(seconds=1), timedelta(days=400)])
def test_a_clock_that_went_back_does_not_open_the_rate_limit(tmp_path, back):
    book = make_book(tmp_path)
    book.reserve("first", 3.5, "h100x8", NOON)
    with pytest.raises(BudgetRefused, match=r"in 1 hour\..*check the clock"):
        book.reserve("second", 3.5, "h100x8", NOON - back)


def test_a_free_run_is_allowed_without_money_and_leaves_no_trace(tmp_path):
    book = make_book(tmp_path, total_usd=0)
    assert book.reserve("free", 0, "local", NOON).message.startswith("OK: the run is free")
    assert book.open_reservations() == []
    assert book.state(now=NOON).next_allowed_at is None


# --- reserve, settle, release --------------------------------------------------------------------


def test_a_reservation_counts_at_its_worst_case_until_it_is_settled(tmp_path):
    book = make_book(tmp_path)
    book.reserve("r", 3.5, "h100x8", NOON)
    (open_run,) = book.open_reservations()
    assert (open_run.run_id, open_run.tier, open_run.cost_usd, open_run.reserved_at) == ("r", "h100x8", 3.5, NOON)
    before = book.state(now=NOON)
    assert (before.spent_usd, before.reserved_usd, before.remaining_usd) == (0.0, 3.5, 496.5)
    book.settle("r", 2.67)
    after = book.state(now=NOON)
    assert (after.spent_usd, after.reserved_usd, after.remaining_usd) == (2.67, 0.0, 497.33)
    assert book.open_reservations() == []


def test_settling_twice_spends_once_and_the_higher_amount_stands(tmp_path):
    book = make_book(tmp_path)
    book.reserve("r", 3.5, "h100x8", NOON)
    for amount in (3.0, 3.0, 4.25, 1.0):
        book.settle("r", amount)
    assert book.state(now=NOON).spent_usd == 4.25


def test_releasing_gives_the_money_and_the_hour_back(tmp_path):
    book = make_book(tmp_path)
    book.reserve("r", 3.5, "h100x8", NOON)
    book.release("r")
    book.release("r")
    state = book.state(now=NOON)
    assert (state.remaining_usd, state.allowed) == (500.0, True)


def test_spent_money_is_not_released_and_a_released_run_that_was_billed_is_spent(tmp_path):
    book = make_book(tmp_path)
    book.reserve("settled", 3.5, "h100x8", NOON)
    book.settle("settled", 3.5)
    book.release("settled")
    book.reserve("billed", 3.5, "h100x8", NOON + HOUR)
    book.release("billed")
    book.settle("billed", 1.0)
    assert book.state(now=NOON).spent_usd == 4.5


@pytest.mark.parametrize("end", [lambda book: book.settle("ghost", 1.0), lambda book: book.release("ghost")])
def test_ending_a_run_that_was_never_reserved_is_an_error(tmp_path, end):
    with pytest.raises(NotFound, match="ghost"):
        end(make_book(tmp_path))


def test_one_reservation_pays_for_one_run(tmp_path):
    book = make_book(tmp_path, min_interval_s=0)
    book.reserve("r", 3.5, "h100x8", NOON)
    with pytest.raises(BudgetRefused, match="reserved before and is open"):
        book.reserve("r", 3.5, "h100x8", NOON)
    assert book.state(now=NOON).reserved_usd == 3.5


@pytest.mark.parametrize("amount", [-0.01, math.nan, math.inf, -math.inf, 1e300])
def test_an_impossible_amount_is_refused_everywhere_and_changes_nothing(tmp_path, amount):
    book = make_book(tmp_path)
    book.reserve("r", 3.5, "h100x8", NOON)
    for act in (
        lambda: book.state(amount),
        lambda: book.reserve("next", amount, "h100x8", NOON + HOUR),
        lambda: book.settle("r", amount),
    ):
        with pytest.raises(BadConfig, match="the cost of the run is"):
            act()
    assert book.state(now=NOON).reserved_usd == 3.5
    if amount != 1e300:
        with pytest.raises(BadConfig, match="seconds is"):
            cost_usd(amount, 8, 20)


@pytest.mark.parametrize("key", ["total_usd", "reserve_usd", "min_interval_s"])
def test_a_limit_without_end_in_golf_toml_is_refused_by_name(tmp_path, key):
    with pytest.raises(BadConfig, match=f"budget.{key}"):
        make_book(tmp_path, **{key: math.inf})


def test_ten_thousand_runs_at_one_cent_are_a_hundred_dollars(tmp_path):
    """Floats would drift here: 0.01 is not a binary fraction."""
    book = make_book(tmp_path, total_usd=100, reserve_usd=0)
    rows = [(f"r{i}", 10_000) for i in range(10_000)]
    book.state()
    with sqlite3.connect(book.path) as connection:
        connection.executemany(
            "INSERT INTO paid_runs (run_id, tier, state, reserved, spent, reserved_at)"
            " VALUES (?, 't', 'settled', 1, ?, 0)",
            rows,
        )
    connection.close()
    assert book.state(now=NOON).remaining_usd == 0.0


# --- whoever asks, however it ends ---------------------------------------------------------------


def reserve_all(folder: Path, asker: int, fields: dict, start: Barrier, answer: Connection) -> None:
    start.wait()
    granted = 0
    for i in range(5):
        try:
            make_book(folder, **fields).reserve(f"{asker}-{i}", 3.5, "h100x8")
            granted += 1
        except BudgetRefused:
            pass
    answer.send(granted)


@pytest.mark.parametrize(
    "fields, runs",
    [({"total_usd": 120, "min_interval_s": 0}, 20), ({"total_usd": 500}, 1)],
    ids=["the floor", "the rate limit"],
)
def test_eight_processes_reserving_at_once_together_keep(tmp_path, fields, runs):
    start = SPAWN.Barrier(8)
    pipes, askers = [], []
    for asker in range(8):
        reader, writer = SPAWN.Pipe(duplex=False)
        process = SPAWN.Process(target=reserve_all, args=(tmp_path, asker, fields, start, writer))
        process.start()
        writer.close()
        pipes.append(reader)
        askers.append(process)
    granted = sum(reader.recv() for reader in pipes)
    for process, reader in zip(askers, pipes, strict=True):
        process.join()
        reader.close()
    state = make_book(tmp_path, **fields).state()
    assert granted == runs == len(make_book(tmp_path).open_reservations())
    assert state.remaining_usd == fields["total_usd"] - 3.5 * runs >= state.reserve_usd


def reserve_and_hang(folder: Path, run_id: str, answer: Connection) -> None:
    make_book(folder).reserve(run_id, 3.5, "h100x8", NOON)
    answer.send("reserved")
    answer.recv()  # until killed


def test_money_of_a_process_killed_between_reserve_and_settle_stays_set_aside(tmp_path):
    here, there = SPAWN.Pipe()
    process = SPAWN.Process(target=reserve_and_hang, args=(tmp_path, "doomed", there))
    process.start()
    there.close()
    assert here.recv() == "reserved"
    process.kill()
    process.join()
    here.close()
    book = make_book(tmp_path)
    assert [run.run_id for run in book.open_reservations()] == ["doomed"]
    state = book.state(now=NOON)
    assert (state.reserved_usd, state.remaining_usd, state.verdict) == (3.5, 496.5, "rate_limited")
    book.settle("doomed", 1.25)
    assert book.state(now=NOON).remaining_usd == 498.75


def test_a_failure_within_the_transaction_reserves_nothing(tmp_path, monkeypatch):
    book = make_book(tmp_path)
    monkeypatch.setattr("golf.play.budget._instant", lambda now: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        book.reserve("r", 3.5, "h100x8", NOON)
    monkeypatch.undo()
    assert book.state(now=NOON).remaining_usd == 500.0


COSTS = st.integers(min_value=0, max_value=20_000_000).map(lambda micro: micro / 1_000_000)


class Money(RuleBasedStateMachine):
    """Any order of acts, with a clock that may go back; a plain dict of micro-dollars is the model."""

    @initialize(total=COSTS, reserve=COSTS, interval=st.sampled_from([0, 3600]))
    def open_book(self, total, reserve, interval):
        self.folder = TemporaryDirectory()
        self.book = make_book(Path(self.folder.name), total_usd=total * 5, reserve_usd=reserve, min_interval_s=interval)
        self.limit = round(total * 5e6) - round(reserve * 1e6)
        self.interval = timedelta(seconds=interval)
        self.now = NOON
        self.real_time = NOON
        self.last: dict[str, datetime] = {}
        self.open: dict[str, int] = {}
        self.spent: dict[str, int] = {}
        self.count = 0

    def teardown(self):
        if hasattr(self, "folder"):
            self.folder.cleanup()

    @rule(minutes=st.sampled_from([1, 30, 60, 61]))
    def time_passes(self, minutes):
        self.now += timedelta(minutes=minutes)
        self.real_time += timedelta(minutes=minutes)

    @rule(minutes=st.sampled_from([1, 90]))
    def the_clock_goes_back(self, minutes):
        self.now -= timedelta(minutes=minutes)

    @rule(cost=COSTS)
    def reserve(self, cost):
        self.count += 1
        run_id, micro = f"r{self.count}", round(cost * 1e6)
        predicted = self.book.state(cost, self.now)
        try:
            self.book.reserve(run_id, cost, "h100x8", self.now)
        except BudgetRefused as refusal:
            assert not predicted.allowed and str(refusal) == predicted.message
            return
        assert predicted.allowed
        if micro == 0:
            return
        assert sum(self.spent.values()) + sum(self.open.values()) + micro <= self.limit
        assert all(self.real_time - at >= self.interval for at in self.last.values())
        self.open[run_id] = micro
        self.last[run_id] = self.real_time

    @precondition(lambda self: getattr(self, "open", None))
    @rule(share=st.integers(min_value=0, max_value=100))
    def settle(self, share):
        run_id, micro = self.open.popitem()
        actual = micro * share // 100
        self.spent[run_id] = actual
        self.book.settle(run_id, actual / 1e6)
        self.book.settle(run_id, actual / 1e6)

    @precondition(lambda self: getattr(self, "open", None))
    @rule()
    def release(self):
        run_id, _ = self.open.popitem()
        del self.last[run_id]
        self.book.release(run_id)

    @invariant()
    def money_adds_up_and_the_reserve_is_never_touched(self):
        if not hasattr(self, "book"):
            return
        state = self.book.state(now=self.now)
        spent, reserved = sum(self.spent.values()), sum(self.open.values())
        assert (round(state.spent_usd * 1e6), round(state.reserved_usd * 1e6)) == (spent, reserved)
        assert spent + reserved <= max(0, self.limit)
        assert {run.run_id for run in self.book.open_reservations()} == set(self.open)


TestMoney = Money.TestCase
TestMoney.settings = settings(max_examples=25, stateful_step_count=20)
