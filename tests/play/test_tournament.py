"""Successive halving: who plays what, who advances, what it costs, and that a kill changes none of it."""

from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import BadConfig
from golf.measure.significance import Pooled
from golf.play import experiments, record, tournament
from golf.play.tournament import Plan, Round, Score, advancing, entry, schedule, standing
from golf.schema import Result, SeedResult
from golf.workspace import Workspace

FLOOR = Pooled(0.001, 100)


def planned(count: int, budget: int = 1_000) -> Plan:
    names = tuple(f"2026-01-01_c{index:02}" for index in range(count))
    return Plan(names, "local", "ITERATIONS", schedule(count, budget), 0.0, 0.0, 0, True)


def played(plan: Plan, truth: dict[str, float], upto: int):
    """Scores of all entries of the rounds before `upto`."""

    def score_of(one):
        return Score(truth[one.candidate], 1) if one.round < upto else None

    return score_of


def test_four_play_half_the_budget_then_two_the_whole():
    assert schedule(4, 500) == (Round(4, 250, 2), Round(2, 500, 1))


def test_players_per_round_may_be_given():
    assert schedule(8, 900, halvings=(8, 2)) == (Round(8, 450, 2), Round(2, 900, 1))


@pytest.mark.parametrize("count, halvings", [(1, None), (0, None), (4, (4, 4)), (4, (5, 2)), (4, (4, 1))])
def test_rounds_that_eliminate_nobody_are_refused(count, halvings):
    with pytest.raises(BadConfig, match="each round has fewer" if count > 1 else "at least 2 candidates"):
        schedule(count, 500, halvings=halvings)


def test_a_budget_too_small_to_halve_is_refused():
    with pytest.raises(BadConfig, match="cannot be halved"):
        schedule(16, 4)


@given(count=st.integers(2, 200), budget=st.integers(1_000, 10**6))
def test_every_round_has_fewer_players_and_a_larger_budget_and_the_last_has_one_place(count, budget):
    rounds = schedule(count, budget)
    assert rounds[0].players == count and rounds[-1] == Round(2, budget, 1)
    for one, after in pairwise(rounds):
        assert after.players == one.places < one.players and after.budget >= 2 * one.budget


SCORES = st.dictionaries(
    st.text("abcdefgh", min_size=1, max_size=6),
    st.builds(Score, st.floats(1.0, 1.5), st.integers(1, 4)),
    min_size=1,
    max_size=20,
)


@given(scores=SCORES, places=st.integers(1, 10), std=st.floats(1e-6, 0.1))
def test_nobody_advances_past_a_better_score_and_ties_at_most_double_the_places(scores, places, std):
    through = advancing(scores, places, Pooled(std, 20))
    assert min(places, len(scores)) <= len(through) <= 2 * places
    worst = max(scores[name].val_bpb for name in through)
    if len({score.num_seeds for score in scores.values()}) == 1 and len(through) < 2 * places:
        assert all(score.val_bpb >= worst for name, score in scores.items() if name not in through)


@given(scores=SCORES, places=st.integers(1, 10))
def test_more_noise_never_keeps_anybody_out(scores, places):
    without, little, much = (
        set(advancing(scores, places, floor)) for floor in (None, Pooled(1e-4, 50), Pooled(1e-2, 50))
    )
    assert without <= little <= much


def test_a_tie_with_the_last_place_advances_and_a_clear_loss_does_not():
    scores = {name: Score(bpb, 1) for name, bpb in (("a", 1.20), ("b", 1.21), ("c", 1.2105), ("d", 1.23))}
    assert advancing(scores, 2, FLOOR) == ["a", "b", "c"]
    assert advancing(scores, 2, None) == ["a", "b"]


@given(order=st.permutations(range(6)))
def test_the_best_of_distinct_candidates_wins_whatever_their_order(order):
    plan = planned(6)
    truth = {name: 1.2 + 0.01 * place for name, place in zip(plan.candidates, order, strict=True)}
    end = standing(plan, played(plan, truth, upto=99), FLOOR)
    assert end.winner == min(truth, key=lambda name: truth[name]) and not end.due


def test_only_what_is_missing_is_due_and_nobody_advances_before_a_round_is_over():
    plan = planned(4)
    truth = dict(zip(plan.candidates, (1.3, 1.2, 1.4, 1.1), strict=True))
    assert len(standing(plan, played(plan, truth, 0), None).due) == 4
    late = standing(plan, lambda one: None if one.candidate.endswith("c02") else Score(1.2, 1), None)
    assert [one.experiment for one in late.due] == ["2026-01-01_c02-r1"] and late.round == 0
    final = standing(plan, played(plan, truth, 1), None)
    assert [one.experiment for one in final.due] == ["2026-01-01_c03", "2026-01-01_c01"]


def test_what_crashed_or_is_too_large_does_not_advance_and_when_nobody_does_it_says_so():
    plan = planned(4)
    truth = dict(zip(plan.candidates, (None, 1.1, 1.2, 1.3), strict=True))
    end = standing(plan, lambda one: Score(truth[one.candidate], 1), None)
    assert end.winner == "2026-01-01_c01"
    assert "nobody came out of round 1" in standing(plan, lambda one: Score(None, 1), None).reason


def test_a_final_that_noise_explains_has_no_winner():
    plan = planned(2)
    truth = dict(zip(plan.candidates, (1.2, 1.2005), strict=True))
    end = standing(plan, played(plan, truth, 1), FLOOR)
    assert end.winner is None and set(end.tied) == set(plan.candidates) and "more seeds" in end.reason


def test_names_stay_names_however_long_the_candidate_is():
    plan = planned(4)
    long = "2026-01-01_" + "x" * 69
    names = {entry(replace_candidates(plan, long), long, round).experiment for round in (0, 1)}
    assert all(len(name) <= 80 for name in names) and len(names) == 2


def replace_candidates(plan: Plan, name: str) -> Plan:
    return plan._replace(candidates=(name, *plan.candidates[1:]))


@pytest.fixture
def field(workspace: Workspace) -> Workspace:
    """Four candidates on the local tier."""
    script = workspace.root / "train_gpt.py"
    script.write_text("x = 1\n")
    for name in "abcd":
        experiments.claim(workspace, name, hypothesis=f"{name} helps", script=script, tier="local")
    return workspace


def finish(workspace: Workspace, one: tournament.Entry, score: float) -> None:
    if not experiments.exists(workspace, one.experiment):
        script = workspace.experiments / one.candidate / "train_gpt.py"
        experiments.create(workspace, one.experiment, tournament.claim_of(workspace, one), script)
    seed = SeedResult(
        seed=1, val_bpb=score, val_loss=score, artifact_bytes=1, eval_time_s=1, memory_bytes=1, log="logs/x.log"
    )
    result = Result(
        experiment=one.experiment, run_id=f"run-{one.experiment}", commit="ab12", tier="local", status="discard",
        promoted="no", hypothesis="h", val_bpb=score, headroom_bytes=1, seeds=[seed],
        settings={"ITERATIONS": one.env["ITERATIONS"]}, finished_at=datetime.now(UTC),
    )  # fmt: skip
    record.record(workspace, result, f"{one.experiment}: h")


def test_a_tournament_of_the_workspace_goes_on_where_its_results_end(field: Workspace):
    scores = {"a": 1.3, "b": 1.1, "c": 1.2, "d": 1.4}
    rounds = 0
    while True:
        plan = tournament.plan(field, ["a", "b", "c", "d"], "local")  # as after a kill: nothing is remembered
        now = standing(plan, tournament.score_on_disk(field, plan), None)
        if not now.due:
            break
        finish(field, now.due[0], scores[now.due[0].candidate[-1]] - 0.05 * now.due[0].round)
        rounds += 1
    assert rounds == 6 and now.winner is not None and now.winner.endswith("_b")
    first = experiments.load(experiments.find(field, "b-r1"))
    assert first.env == {"ITERATIONS": "250"} and first.parent is not None and first.parent.endswith("_b")


def test_a_score_on_another_budget_is_no_score_of_the_round(field: Workspace):
    plan = tournament.plan(field, ["a", "b"], "local", budget=800)
    assert [one.experiment[-5:] for one in standing(plan, tournament.score_on_disk(field, plan), None).due] == [
        "_a-r1", "_b-r1",
    ]  # fmt: skip
    own = entry(plan._replace(is_whole=True), plan.candidates[0], 0)
    finish(field, own._replace(env={"ITERATIONS": "500"}), 1.2)
    whole = plan._replace(is_whole=True)
    assert len(standing(whole, tournament.score_on_disk(field, whole), None).due) == 2


def test_what_it_costs_at_most_is_known_in_advance(field: Workspace):
    text = (field.root / "golf.toml").read_text()
    (field.root / "golf.toml").write_text(
        f"{text}\n[tiers.rented]\ngpus = 8\nhourly_rate_usd = 20\ntime_limit_s = 360\n[tiers.rented.env]\n"
        'ITERATIONS = "500"\n'
    )
    paid = Workspace(field.root)
    for name in "efgh":
        script = paid.root / "train_gpt.py"
        experiments.claim(paid, name, hypothesis=f"{name} helps", script=script, tier="rented")
    plan = tournament.plan(paid, list("efgh"), "rented")
    assert plan.expected_usd == pytest.approx(2.0 * (4 / 2 + 2))
    assert plan.at_most_usd == pytest.approx(2.0 * 8) and plan.at_most_runs == 8


@pytest.mark.parametrize("names, said", [(["a", "a"], "named 2 times"), (["a", "z"], "no experiment")])
def test_a_candidate_that_cannot_play_is_named(field: Workspace, names: list[str], said: str):
    with pytest.raises(Exception, match=said):
        tournament.plan(field, names, "local")


def test_a_candidate_that_sets_its_own_budget_is_refused(field: Workspace):
    script = field.root / "train_gpt.py"
    experiments.claim(field, "own", hypothesis="h", script=script, tier="local", env={"ITERATIONS": "9"})
    with pytest.raises(BadConfig, match="sets ITERATIONS itself"):
        tournament.plan(field, ["a", "own"], "local")
