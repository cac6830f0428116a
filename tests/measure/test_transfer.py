"""What pairs of scores on two tiers say: laws, and the truth of simulated histories."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, stats

from golf.errors import UnreadableInput
from golf.measure import transfer
from golf.measure.transfer import PAIRS_MIN, Pair, check, kendall, pool, predict

FAMILIES = ("quantisation", "optimiser", "attention")


def pairs(values: list[tuple[float, float]], families: tuple[str, ...] = ("other",)) -> list[Pair]:
    cycle = itertools.cycle(families)
    return [
        Pair(name=str(index), family=next(cycle), local_bpb=local, paid_bpb=paid)
        for index, (local, paid) in enumerate(values)
    ]


def history(rng: np.random.Generator, count: int, *, slope=0.3, noise=0.004, between=0.0, families=FAMILIES):
    """Pairs of a known truth: paid = 1.15 + slope · (local - 1.8) + what the family adds + noise."""
    adds = {family: rng.normal(0, between) if between else 0.0 for family in families}
    made = []
    for index in range(count):
        family = families[rng.integers(len(families))]
        local = rng.normal(1.8, 0.03)
        paid = 1.15 + slope * (local - 1.8) + adds[family] + rng.normal(0, noise)
        made.append(Pair(name=str(index), family=family, local_bpb=local, paid_bpb=paid))
    return made, adds


BPB = st.floats(0.5, 3.0, allow_nan=False)
HISTORIES = st.lists(
    st.tuples(BPB, BPB, st.sampled_from(FAMILIES)), min_size=PAIRS_MIN, max_size=20,
    unique_by=(lambda one: round(one[0], 3), lambda one: round(one[1], 3)),
).map(lambda rows: [Pair(name=f"{a}", local_bpb=a, paid_bpb=b, family=f) for a, b, f in rows])  # fmt: skip


@pytest.mark.parametrize("count", range(PAIRS_MIN))
def test_too_few_pairs_are_no_number_and_how_many_more_is_said(count: int) -> None:
    few = pairs([(1.8 - index / 100, 1.15 - index / 1000) for index in range(count)])
    for ask in (check, kendall, lambda given: predict(given, 1.8, "other")):
        with pytest.raises(UnreadableInput, match=f"{count} experiments .* {PAIRS_MIN - count} more paid runs"):
            ask(few)


def test_local_scores_that_do_not_differ_say_nothing() -> None:
    with pytest.raises(UnreadableInput, match="the same but for one"):
        check(pairs([(1.8, 1.1 + index / 100) for index in range(6)]))


@pytest.mark.parametrize("score", [math.nan, math.inf, 0.0, -1.0])
def test_a_score_that_is_no_measurement_is_refused(score: float) -> None:
    good = pairs([(1.8 - index / 100, 1.15) for index in range(6)])
    with pytest.raises(UnreadableInput, match="no measurements"):
        check([*good, good[0].model_copy(update={"paid_bpb": score})])


@given(history=HISTORIES)
def test_tau_is_scipys_and_so_is_its_exact_chance(history: list[Pair]) -> None:
    ours = kendall(history)
    x, y = [one.local_bpb for one in history], [one.paid_bpb for one in history]
    theirs = stats.kendalltau(x, y, alternative="greater", method="exact")
    assert ours.tau == pytest.approx(theirs.statistic) and ours.p_none == pytest.approx(theirs.pvalue)
    assert -1 <= ours.low <= ours.tau <= ours.high <= 1


@given(values=st.lists(st.tuples(st.integers(1, 4), st.integers(1, 4)), min_size=6, max_size=12))
def test_ties_are_counted_as_in_tau_b(values: list[tuple[int, int]]) -> None:
    made = pairs([(float(a), float(b)) for a, b in values])
    if len({one.local_bpb for one in made}) < 3 or len({one.paid_bpb for one in made}) < 2:
        return
    theirs = stats.kendalltau([a for a, _ in values], [b for _, b in values]).statistic
    assert kendall(made).tau == pytest.approx(theirs)


@given(history=HISTORIES, data=st.data())
def test_the_order_of_pairs_does_not_matter(history: list[Pair], data: st.DataObject) -> None:
    other = data.draw(st.permutations(history))
    assert kendall(other) == kendall(history)
    one, two = predict(history, 1.5, FAMILIES[0]), predict(other, 1.5, FAMILIES[0])
    assert two.val_bpb == pytest.approx(one.val_bpb) and two.error == pytest.approx(one.error)
    assert pool((pair.family, pair.paid_bpb) for pair in other) == pool(
        (pair.family, pair.paid_bpb) for pair in history
    )


@given(values=st.lists(st.tuples(st.sampled_from(FAMILIES), st.floats(-1, 1)), min_size=1, max_size=30))
def test_a_family_is_drawn_to_between_its_own_mean_and_that_of_all(values: list[tuple[str, float]]) -> None:
    pooled = pool(values)
    for family, drawn in pooled.families.items():
        own = [value for name, value in values if name == family]
        low, high = sorted((sum(own) / len(own), pooled.whole))
        assert low - 1e-9 <= drawn <= high + 1e-9
        assert 0 <= pooled.weight(family) <= 1


def test_a_family_with_more_pairs_keeps_more_of_its_own_mean() -> None:
    rng = np.random.default_rng(0)
    values = [("many", rng.normal(0.1, 0.01)) for _ in range(20)] + [("few", 0.1), ("few", 0.11)]
    values += [("rest", rng.normal(-0.1, 0.01)) for _ in range(20)]
    pooled = pool(values)
    assert pooled.weight("many") > pooled.weight("few") > 0 == pooled.weight("unheard of")


def test_families_that_do_not_differ_count_as_one() -> None:
    pooled = pool([("a", 0.1), ("a", -0.1), ("b", 0.1), ("b", -0.1)])
    assert pooled.between == 0 and pooled.families == {"a": pooled.whole, "b": pooled.whole}


@pytest.mark.parametrize("count, rho", [(5, 0.0), (5, 0.8), (8, 0.5), (20, 0.0), (20, 0.8)])
def test_taus_interval_covers_the_truth_at_its_rate(count: int, rho: float) -> None:
    """600 histories of normal scores, whose tau is 2/π · asin ρ; the rate's standard error is 0.9 %."""
    rng = np.random.default_rng(count)
    truth = 2 / math.pi * math.asin(rho)
    hits = 0
    for _ in range(600):
        x = rng.normal(size=count)
        y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=count)
        tau = kendall(pairs(list(zip(x + 10, y + 10, strict=True))))
        hits += tau.low <= truth <= tau.high
    assert hits / 600 >= 0.93


@pytest.mark.parametrize("count, between", [(5, 0.0), (10, 0.0), (12, 0.01), (40, 0.01)])
def test_predictions_cover_a_paid_run_at_their_rate(count: int, between: float) -> None:
    """1,500 histories, a further idea of one of their families each; nominal 95 %."""
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(1_500):
        made, adds = history(rng, count, between=between)
        family, local = FAMILIES[0], rng.normal(1.8, 0.03)
        paid = 1.15 + 0.3 * (local - 1.8) + adds[family] + rng.normal(0, 0.004)
        told = predict(made, local, family)
        hits += told.low <= paid <= told.high
    assert 0.93 <= hits / 1_500 <= 0.99


def test_families_that_transfer_differently_are_predicted_better_than_by_the_whole() -> None:
    rng = np.random.default_rng(3)
    pooled, whole = [], []
    for _ in range(200):
        made, adds = history(rng, 30, between=0.015)
        paid = 1.15 + adds[FAMILIES[1]]
        pooled.append(abs(predict(made, 1.8, FAMILIES[1]).val_bpb - paid))
        alone = [one.model_copy(update={"family": "other"}) for one in made]
        whole.append(abs(predict(alone, 1.8, "other").val_bpb - paid))
    assert np.mean(pooled) < 0.5 * np.mean(whole)


def test_expected_gain_is_the_integral_it_stands_for() -> None:
    made, _ = history(np.random.default_rng(1), 12)
    told = predict(made, 1.75, FAMILIES[0])
    for best in (told.val_bpb - 0.01, told.val_bpb, told.val_bpb + 0.01):
        law = stats.t(told.df, told.val_bpb, told.error)
        integral, _ = integrate.quad(
            lambda at, law=law, best=best: (best - at) * law.pdf(at), best - 1, best, limit=200
        )
        assert told.expected_gain(best) == pytest.approx(integral, rel=2e-2)
        assert told.chance_below(best) == pytest.approx(law.cdf(best))


@given(best=st.floats(1.0, 1.3))
def test_a_better_best_is_harder_to_beat(best: float) -> None:
    made, _ = history(np.random.default_rng(1), 12)
    told = predict(made, 1.75, FAMILIES[0])
    assert 0 <= told.expected_gain(best) <= told.expected_gain(best + 0.01)
    assert told.chance_below(best) <= told.chance_below(best + 0.01)


@given(st.lists(st.tuples(st.sampled_from([1.0, 1.1, 1.2, 1.3]), st.sampled_from([0.9, 1.0, 1.25])), min_size=5))
def test_tau_counts_agreements_as_comparing_every_two_pairs_does(scores):
    pairs = [Pair(name=str(at), local_bpb=local, paid_bpb=paid) for at, (local, paid) in enumerate(scores)]
    if len({local for local, _ in scores}) < 3:
        return
    agreed = ((a - c) * (b - d) for (a, b), (c, d) in itertools.combinations(scores, 2))
    agreement = sum((product > 0) - (product < 0) for product in agreed)
    comparable = [sum(one[tier] != other[tier] for one, other in itertools.combinations(scores, 2)) for tier in (0, 1)]
    expected = agreement / math.sqrt(comparable[0] * comparable[1]) if all(comparable) else 0.0
    assert kendall(pairs).tau == pytest.approx(expected)


def test_the_chance_of_many_pairs_goes_on_from_that_of_few():
    for agree in (0, 200, 400):  # chances down to 0.006
        exact = transfer._chance_of(agree, transfer.EXACT_MAX)
        scaled = agree * math.sqrt((2 * 61 + 5) * 61 * 60 / ((2 * 60 + 5) * 60 * 59))
        assert transfer._chance_of(round(scaled), 61) == pytest.approx(exact, rel=0.1)
