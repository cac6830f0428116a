import math
import statistics

import pytest
import scipy.stats
from hypothesis import assume, example, given
from hypothesis import strategies as st

from golf.errors import UnreadableInput
from golf.measure.significance import POWER, Spread, more_seeds, pool, seed_noise, t_cdf, t_quantile, welch

SCORES = st.lists(st.floats(min_value=0.5, max_value=10), min_size=2, max_size=8)


@given(
    t=st.floats(min_value=-1e3, max_value=1e3),
    df=st.floats(min_value=1, max_value=1e3) | st.integers(min_value=1, max_value=30).map(float),
)
@example(t=0.0, df=1.0)
@example(t=1e-9, df=2.0)
@example(t=-1e3, df=2.0)
def test_the_t_distribution_is_scipys(t, df):
    expected = scipy.stats.t.cdf(t, df)
    assert t_cdf(t, df) == pytest.approx(expected, rel=1e-9, abs=1e-300)


@given(probability=st.floats(min_value=0.01, max_value=0.999), df=st.integers(min_value=1, max_value=200))
@example(probability=0.95, df=1)
def test_the_t_quantile_is_scipys(probability, df):
    assert t_quantile(probability, df) == pytest.approx(scipy.stats.t.ppf(probability, df), rel=1e-8, abs=1e-10)


@pytest.mark.parametrize("df, quantile", [(1, 6.314), (2, 2.920), (4, 2.132), (10, 1.812), (120, 1.658)])
def test_the_one_sided_95_percent_quantiles_are_the_printed_tables(df, quantile):
    assert t_quantile(0.95, df) == pytest.approx(quantile, abs=5e-4)


@pytest.mark.filterwarnings("ignore:Precision loss")  # scipy's word on a side whose scores are all equal
@given(a=SCORES, b=SCORES)
def test_welch_is_scipys_one_sided_test(a, b):
    assume(max(statistics.stdev(a), statistics.stdev(b)) > 1e-6)
    ours = welch(a, b)
    theirs = scipy.stats.ttest_ind(a, b, equal_var=False, alternative="less")
    assert ours.t == pytest.approx(theirs.statistic, rel=1e-7, abs=1e-9)
    assert ours.df == pytest.approx(theirs.df, rel=1e-7)
    assert ours.p_one_sided == pytest.approx(theirs.pvalue, rel=1e-6, abs=1e-12)


@given(a=SCORES, b=SCORES)
def test_two_sides_of_a_comparison_share_one_probability(a, b):
    assume(max(statistics.stdev(a), statistics.stdev(b)) > 1e-6)
    assert welch(a, b).p_one_sided + welch(b, a).p_one_sided == pytest.approx(1)


def test_a_lower_score_is_the_better_one():
    better, worse = [1.10, 1.11, 1.12], [1.20, 1.21, 1.22]
    assert welch(better, worse).p_one_sided < 0.01 < 0.99 < welch(worse, better).p_one_sided


@pytest.mark.parametrize(
    "a, b, problem",
    [
        ([1.1], [1.2, 1.3], "at least 2 seeds"),
        ([1.1, 1.2], [], "at least 2 seeds"),
        ([1.1, 1.1], [1.2, 1.2], "no noise to test against"),
        ([1.1, math.nan], [1.2, 1.3], "no measurement"),
        ([1.1, 1.2], [math.inf, 1.3], "no measurement"),
    ],
)
def test_what_cannot_be_tested_is_an_error_and_no_probability(a, b, problem):
    with pytest.raises(UnreadableInput, match=problem):
        welch(a, b)


def test_the_noise_of_three_seeds_against_one_is_the_formulas():
    """t(0.95, 2) = 2.920, standard deviation 0.01, sqrt(1/3 + 1/1) = 1.1547."""
    noise = seed_noise([1.21, 1.22, 1.23], 1)
    assert (noise.num_seeds, noise.std_bpb) == (3, pytest.approx(0.01))
    assert noise.threshold_bpb == pytest.approx(2.920 * 0.01 * 1.1547, rel=1e-3)


def test_more_seeds_of_the_candidate_make_the_threshold_smaller():
    one, three = (seed_noise([1.21, 1.22, 1.23], seeds).threshold_bpb for seeds in (1, 3))
    assert one is not None and three is not None and three < one


@pytest.mark.parametrize("scores", [[], [1.2244]])
def test_noise_of_fewer_than_two_seeds_is_unknown_not_zero(scores):
    noise = seed_noise(scores, 3)
    assert (noise.num_seeds, noise.std_bpb, noise.threshold_bpb) == (len(scores), None, None)


def test_a_gain_by_luck_alone_passes_the_threshold_one_time_in_twenty():
    """10,000 pairs of equal experiments; the standard error of the share is 0.0022."""
    import numpy as np

    draws = np.random.default_rng(20240520).normal(1.2, 0.01, size=(10_000, 5))
    baselines, candidates = draws[:, :3], draws[:, 3:]
    factor = seed_noise([0.0, 1.0, 2.0], 2).threshold_bpb  # a standard deviation of 1
    lucky = baselines.mean(1) - candidates.mean(1) > factor * baselines.std(1, ddof=1)
    assert lucky.mean() == pytest.approx(0.05, abs=0.007)


@pytest.mark.parametrize("scores, seeds", [([1.2, math.nan], 1), ([1.2, 1.3], 0)])
def test_noise_of_no_measurement_or_for_no_seed_is_an_error(scores, seeds):
    with pytest.raises(UnreadableInput):
        seed_noise(scores, seeds)


@given(a=SCORES, b=SCORES, margin=st.floats(min_value=0, max_value=5))
def test_a_margin_asks_for_more_than_being_better(a, b, margin):
    assume(max(statistics.stdev(a), statistics.stdev(b)) > 1e-6)
    beyond = welch(a, b, margin)
    assert beyond.p_one_sided >= welch(a, b).p_one_sided - 1e-9  # the last digits are the arithmetic's
    assert beyond.t == pytest.approx(welch(a, [score - margin for score in b]).t, abs=1e-6)


@given(groups=st.lists(st.lists(st.floats(min_value=0.5, max_value=10), max_size=6), max_size=6))
def test_pooled_noise_weighs_each_experiments_variance_by_its_degrees_of_freedom(groups):
    several = [group for group in groups if len(group) > 1]
    pooled = pool(groups)
    if not several:
        assert pooled is None
        return
    assert pooled.df == sum(len(group) - 1 for group in several)
    squares = sum(statistics.variance(group) * (len(group) - 1) for group in several)
    assert pooled.std**2 * pooled.df == pytest.approx(squares, rel=1e-6, abs=1e-12)


def test_pooling_leaves_the_distance_between_experiments_out():
    assert pool([[1.0, 1.1], [5.0, 5.1]]).std == pytest.approx(pool([[1.0, 1.1]]).std)


def test_a_score_that_is_no_measurement_is_not_pooled():
    with pytest.raises(UnreadableInput):
        pool([[1.2, math.inf]])


@pytest.mark.parametrize("level", [0.01, 0.25])
@pytest.mark.parametrize("gain, std", [(0.003, 0.002), (0.001, 0.001), (0.0005, 0.001)])
def test_so_many_seeds_show_the_gain_with_the_power_that_is_promised(gain, std, level):
    """4,000 repetitions with the seeds that are asked for, and with half of them; standard error 0.007."""
    import numpy as np

    seeds = 3 + more_seeds(gain, Spread(std, 3), Spread(std, 3), level)
    assert _power(np.random.default_rng(1), gain, std, seeds, level) >= POWER - 0.03
    if seeds > 6:
        assert _power(np.random.default_rng(1), gain, std, seeds // 2, level) < POWER - 0.1


def _power(rng, gain, std, seeds, level):
    a, b = rng.normal(0, std, (4000, seeds)), rng.normal(gain, std, (4000, seeds))
    t = (a.mean(1) - b.mean(1)) / ((a.var(1, ddof=1) + b.var(1, ddof=1)) / seeds) ** 0.5
    return (t < -t_quantile(1 - level, 2 * seeds - 2)).mean()


def test_no_number_of_seeds_shows_a_gain_that_is_none():
    assert more_seeds(0.0, Spread(0.001, 3), Spread(0.001, 3), 0.01) is None
    assert more_seeds(-0.1, Spread(0.001, 3), Spread(0.001, 3), 0.01) is None
    assert more_seeds(1e-6, Spread(0.1, 3), Spread(0.1, 3), 0.01) is None
