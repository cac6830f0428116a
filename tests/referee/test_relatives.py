"""The search for relatives finds what comparing every two finds, down to a stated floor."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.referee.duplicates import PERMUTATIONS, Sketch
from golf.referee.kinship import COPY, FAMILY, LINKED, Kinship
from golf.referee.relatives import FIRST, Pool, Relatives


@st.composite
def corpora(draw: st.DrawFn) -> list[Sketch]:
    """Sketches that descend from one another: copies, close and distant ones, strangers, and ties among them."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    values = draw(st.sampled_from([2, 30, 2**32]))  # few values: strangers agree too, and often equally
    changed = draw(st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.3, 0.5, 0.7, 1.0]), min_size=1, max_size=40))
    made: list[Sketch] = []
    for share in changed:
        fresh = chance.integers(0, values, PERMUTATIONS, dtype=np.uint32)
        parent = made[chance.integers(len(made))] if made else fresh
        made.append(np.where(chance.random(PERMUTATIONS) < share, fresh, parent))
    return made


def _every_two(sketches: list[Sketch]) -> np.ndarray:
    table = np.stack(sketches)
    return (table[:, None, :] == table[None, :, :]).sum(axis=2)


@given(sketches=corpora(), least=st.integers(1, PERMUTATIONS), data=st.data())
def test_the_nearest_of_a_pool_is_the_first_of_those_that_share_most(
    sketches: list[Sketch], least: int, data: st.DataObject
) -> None:
    """Whatever the pool and the floor, and nothing is found where nobody shares so much."""
    shared = _every_two(sketches)
    rows = data.draw(st.lists(st.integers(0, len(sketches) - 1), unique=True).map(sorted))
    relatives = Relatives(sketches)
    pool = Pool(relatives, rows)
    for row in range(len(sketches)):
        best = max(rows, key=lambda other: (shared[row, other], -other), default=None)
        expected = None if best is None or shared[row, best] < least else (best, shared[row, best])
        assert relatives.nearest(row, pool, least) == expected


@given(sketches=corpora(), data=st.data())
def test_kinship_is_that_of_comparing_every_two(sketches: list[Sketch], data: st.DataObject) -> None:
    """Nearest earlier ones, blocked near-duplicates, families and a group's mean alike."""
    share = _every_two(sketches) / PERMUTATIONS
    count = len(sketches)
    names = [f"program {row}" for row in range(count)]
    blocked = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    kin = Kinship(names, sketches, blocked)

    def first_best(row: int, others: list[int], floor: float) -> int | None:
        best = max(others, key=lambda other: (share[row, other], -other), default=None)
        return None if best is None or share[row, best] < floor else best

    earlier = {names[row]: first_best(row, [*range(row)], LINKED) for row in range(count)}
    assert {name: near.name for name, near in kin.nearest().items()} == {
        name: names[near] for name, near in earlier.items() if near is not None
    }
    bad = [row for row in range(count) if blocked[row]]
    copied = {names[row]: first_best(row, bad, COPY) for row in range(count) if not blocked[row]}
    assert {name: near.name for name, near in kin.nearest_blocked().items()} == {
        name: names[near] for name, near in copied.items() if near is not None
    }
    founders: list[int] = []
    for row in range(count):
        near = first_best(row, founders, FAMILY)
        if near is None:
            founders.append(row)
        assert kin.founders[names[row]] == names[row if near is None else near]
    pairs = [share[one, two] for two in range(count) for one in range(two)]
    assert kin.similarity(names) == (round(float(np.mean(pairs)), 4) if pairs else None)


def test_below_a_quarter_a_program_has_no_nearest_one() -> None:
    """The floor is one entry wide: 32 of 128 link two programs, 31 do not."""
    one = np.arange(PERMUTATIONS, dtype=np.uint32)
    for agreeing, linked in ((31, False), (32, True)):
        other = np.where(np.arange(PERMUTATIONS) < agreeing, one, one + 1_000).astype(np.uint32)
        assert bool(Kinship(["one", "other"], [one, other], [False, False]).nearest()) is linked


@pytest.mark.parametrize("rare_comes", [0, 1])
def test_of_two_that_share_as_much_the_first_is_nearest_whichever_is_found_first(rare_comes: int) -> None:
    """One shares the program's 56 rarest entries, which are looked up in the first three looks and are all of these,
    the other 56 of the rest, which are looked up after them."""
    program = np.arange(PERMUTATIONS, dtype=np.uint32)
    entries = np.arange(PERMUTATIONS)
    is_rare, is_other = entries < 7 * FIRST, (entries >= 7 * FIRST) & (entries < 14 * FIRST)
    strange = np.arange(1_000, 1_000 + PERMUTATIONS, dtype=np.uint32)
    sketches = [np.where(is_other, program, strange)]
    sketches.insert(rare_comes, np.where(is_rare, program, strange + 1_000))
    for entry in entries[~is_rare]:
        filler = strange + 1_000 * (entry + 2)
        filler[entry] = entry
        sketches.append(filler.astype(np.uint32))
    relatives = Relatives([*sketches, program])
    pool = Pool(relatives, range(len(sketches)))
    assert relatives.nearest(len(sketches), pool, 1) == (0, 7 * FIRST)


def test_no_entry_is_left_out_of_the_looks() -> None:
    """Everyone shares one entry with the program, each another one, and the first program any of them."""
    program = np.arange(PERMUTATIONS, dtype=np.uint32)
    for entry in range(PERMUTATIONS):
        strangers = [program + 1_000 * (row + 1) for row in range(3 * PERMUTATIONS)]
        for shared, stranger in enumerate(strangers[:PERMUTATIONS]):
            place = (entry + shared) % PERMUTATIONS
            stranger[place] = place
        relatives = Relatives([*strangers, program])
        pool = Pool(relatives, range(len(strangers)))
        assert relatives.nearest(len(strangers), pool, 1) == (0, 1), entry
