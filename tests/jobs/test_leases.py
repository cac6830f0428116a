"""A lease is on disk before anything is asked for, moves forwards only, and no clock lengthens it."""

import contextlib
import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import planned

from golf import database
from golf.errors import NotFound
from golf.jobs import leases
from golf.jobs.leases import Lease, Leases

RUN = "20261130-120000-abcdef"


@pytest.fixture
def book(tmp_path: Path) -> Leases:
    return Leases(tmp_path / "golf.db")


def test_a_lease_goes_from_planned_over_asked_and_held_to_gone(book: Leases) -> None:
    (key,) = planned(book.path, RUN, limit_s=600.0)
    assert book.get(key).state == "planned" and not book.open()
    assert book.asked(key, 300.0).limit_s == 300.0
    book.held(key, "pod-1")
    assert [lease.remote_id for lease in book.open()] == ["pod-1"]
    assert book.gone(key, 1.25, "provider", "ended")
    assert book.get(key).cost_usd == 1.25 and not book.open()


def test_a_launch_is_asked_for_once(book: Leases) -> None:
    (key,) = planned(book.path, RUN)
    book.asked(key, 300.0)
    with pytest.raises(NotFound, match="asked for before"):
        book.asked(key, 300.0)


def test_the_higher_word_on_what_a_lease_cost_stands(book: Leases) -> None:
    (key,) = planned(book.path, RUN)
    book.asked(key, 300.0)
    assert book.gone(key, 2.0, "provider", "billed")
    assert not book.gone(key, 0.0, "seconds", "later")
    assert book.get(key).cost_usd == 2.0
    assert not book.gone(key, 3.0, "provider", "more came of it")
    assert book.get(key).cost_usd == 3.0


def test_a_launch_that_was_thought_never_to_have_come_opens_its_lease_again(book: Leases) -> None:
    (key,) = planned(book.path, RUN)
    book.asked(key, 300.0)
    book.gone(key, 0.0, "seconds", "never came")
    assert book.held(key, "pod-1")
    assert [lease.remote_id for lease in book.open()] == ["pod-1"]
    book.gone(key, 1.0, "provider", "ended")
    assert not book.held(key, "pod-2")  # it is known now


def test_a_lease_that_is_not_there_cannot_be_held_or_renewed(book: Leases) -> None:
    assert not book.held("caddie-x", "pod-1")
    assert not book.renew("caddie-x")


def test_what_was_never_asked_for_is_given_back_and_what_was_is_not(book: Leases) -> None:
    first, second = planned(book.path, RUN, (1, 2))
    book.asked(first, 300.0)
    assert book.give_back(RUN) == 1
    assert [book.get(key).state for key in (first, second)] == ["asked", "gone"]


def test_keys_of_two_workspaces_differ_and_fit_a_host_name(tmp_path: Path) -> None:
    (mine,), (theirs,) = planned(tmp_path / "a.db", RUN), planned(tmp_path / "b.db", RUN)
    assert mine != theirs
    assert all(len(key) <= 63 and key == key.lower() and key.replace("-", "").isalnum() for key in (mine, theirs))


def test_a_copy_of_a_workspace_leaves_the_original_s_launches_alone_until_it_is_told_that_they_are_its_own(
    book: Leases, tmp_path: Path
) -> None:
    first, second = planned(book.path, RUN, (1, 2))
    book.asked(first, 300.0)
    with contextlib.closing(database.connect(book.path, leases.TABLES)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    copied = Leases(tmp_path / "copy.db")
    shutil.copy(book.path, copied.path)
    assert not copied.open() and not copied.planned() and not copied.everything()
    assert [lease.key for lease in copied.foreign()] == [first]
    (third,) = planned(copied.path, "20261201-120000-abcdef")
    assert copied.get(third).owner != book.get(first).owner
    copied.adopt()
    assert [lease.key for lease in copied.open()] == [first] and not copied.foreign()
    assert {lease.key for lease in copied.planned()} == {second, third}


def test_a_workspace_that_is_moved_keeps_its_launches(book: Leases, tmp_path: Path) -> None:
    (key,) = planned(book.path, RUN)
    book.asked(key, 300.0)
    (tmp_path / "deeper").mkdir()
    for file in tmp_path.glob("golf.db*"):
        file.rename(tmp_path / "deeper" / file.name)
    moved = Leases(tmp_path / "deeper" / "golf.db")
    assert [lease.key for lease in moved.open()] == [key] and not moved.foreign()


def test_a_rolled_back_reservation_leaves_no_lease(book: Leases) -> None:
    with (
        contextlib.closing(database.connect(book.path, leases.TABLES)) as connection,
        pytest.raises(ZeroDivisionError),
        database.transaction(connection),
    ):
        leases.plan(
            connection, "run", [1], tier="t", backend="b", options="{}", usd_per_s=1.0, limit_s=1.0, lease_s=1.0
        )
        raise ZeroDivisionError
    assert not book.planned()


@given(asked=st.integers(0, 10**15), looked_after=st.integers(-(10**12), 10**12))
def test_a_clock_set_back_makes_a_lease_cost_its_limit_and_never_less_than_nothing(
    asked: int, looked_after: int
) -> None:
    lease = Lease(
        "k", "r", 1, "t", "b", "{}", "o", "held", "id", 0.01, 600.0, 180.0, asked, 1, 1, None, 0, "", ""
    )  # fmt: skip
    age = lease.age_s(asked + looked_after)
    assert age == (looked_after / 1e6 if looked_after >= 0 else 600.0)
