"""Pairs of local and paid runs in a workspace, and what follows from them: gate, threshold, questions."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.cli import main
from golf.errors import BadConfig, UnreadableInput
from golf.measure.logs import folder_logs
from golf.measure.significance import Pooled
from golf.measure.transfer import PAIRS_MIN, Pair, kendall, predict
from golf.play import experiments, notes, record, transfer
from golf.play.pairs import best_paid, family_of, paired, pairs_between, read_history
from golf.schema import Result, SeedResult
from golf.workspace import Workspace, read_config

DATA = Path(__file__).parents[2].parent / "shared" / "data"
FLOOR = Pooled(0.002, 20)


def history(count: int = 20, *, slope: float = 0.3, noise: float = 0.002, seed: int = 0) -> list[Pair]:
    """A night whose local scores improve step by step, and what they came to on the paid tier."""
    rng = np.random.default_rng(seed)
    locals_ = 1.9 - 0.005 * np.arange(count) + rng.normal(0, 0.004, count)
    return [
        Pair(
            name=str(index),
            local_bpb=local,
            paid_bpb=1.15 + slope * (local - 1.9) + rng.normal(0, noise),
            cost_usd=3.5,
        )
        for index, local in enumerate(locals_)
    ]


def best_of(pairs: list[Pair]) -> float:
    return min(pair.paid_bpb for pair in pairs)


def test_the_gate_knows_nothing_while_there_are_too_few_pairs() -> None:
    gate = transfer.transfer_gate(history(PAIRS_MIN - 1), 1.8, "other", 1.1, 3.5)
    assert gate.verdict == "unknown" and gate.value is None and "1 more paid runs" in gate.reason


def test_the_gate_knows_nothing_before_a_paid_run() -> None:
    assert transfer.transfer_gate(history(), 1.8, "other", None, 3.5).verdict == "unknown"


def test_an_idea_that_is_foretold_to_gain_passes_with_its_worth_per_dollar() -> None:
    pairs = history()
    gate = transfer.transfer_gate(pairs, 1.78, "other", best_of(pairs), 3.5)
    assert gate.name == "transfer" and gate.verdict == "pass" and gate.value is not None and gate.value > 0.5
    assert "per dollar" in gate.reason and "expected gain" in gate.reason


def test_an_idea_that_is_confidently_worse_than_the_best_fails() -> None:
    pairs = history()
    gate = transfer.transfer_gate(pairs, 1.9, "other", best_of(pairs), 3.5)
    assert gate.verdict == "fail" and gate.value is not None and gate.limit is not None and gate.value < gate.limit


def test_a_family_whose_local_gains_are_lost_fails_where_another_passes() -> None:
    pairs = [
        pair.model_copy(update={"family": "objective", "paid_bpb": pair.paid_bpb + 0.05}) if index % 4 == 0 else pair
        for index, pair in enumerate(history(24))
    ]
    local = min(pair.local_bpb for pair in pairs) - 0.01
    assert transfer.transfer_gate(pairs, local, "objective", best_of(pairs), 3.5).verdict == "fail"
    assert transfer.transfer_gate(pairs, local, "other", best_of(pairs), 3.5).verdict == "pass"


@given(local=st.floats(1.6, 2.0), better=st.floats(0.001, 0.1))
def test_where_order_survives_a_better_local_score_never_has_a_smaller_chance_of_the_mean(
    local: float, better: float
) -> None:
    pairs = history()
    assert predict(pairs, local - better, "other").val_bpb <= predict(pairs, local, "other").val_bpb


def test_a_replayed_history_refuses_regressions_and_no_gain() -> None:
    """Half of the paid runs here are of ideas that lost locally; the gate sees only what came before."""
    rng = np.random.default_rng(2)
    good = history(40)
    mixed = [
        pair if index % 2 == 0 else pair.model_copy(
            update={"local_bpb": pair.local_bpb + 0.06, "paid_bpb": pair.paid_bpb + 0.02 + rng.normal(0, 0.002)}
        )
        for index, pair in enumerate(good)
    ]  # fmt: skip
    replayed = transfer.replay(mixed)
    refused = [one for one in replayed if one.gate.verdict == "fail"]
    gains = [one for one in replayed if one.is_gain]
    assert [one.gate.verdict for one in replayed[:PAIRS_MIN]] == ["unknown"] * PAIRS_MIN
    assert len(refused) >= 10 and not any(one.is_gain for one in refused)
    assert len(gains) >= 10 and sum(one.pair.cost_usd for one in refused) >= 35.0


def test_a_local_tier_that_says_nothing_is_shown_to_say_nothing() -> None:
    """Fifty histories without a relation: the interval leaves out 0 in about one of twenty."""
    rng = np.random.default_rng(0)
    found = []
    for _ in range(50):
        scores = zip(rng.normal(1.8, 0.02, 20), rng.normal(1.15, 0.01, 20), strict=True)
        tau = transfer.report([Pair(name="", local_bpb=local, paid_bpb=paid) for local, paid in scores]).tau
        found.append(tau.low < 0 < tau.high)
    assert np.mean(found) >= 0.88


def test_the_report_has_the_seeds_mean_difference() -> None:
    pairs = history()
    report = transfer.report(pairs)
    assert report.mean_delta_bpb == pytest.approx(np.mean([pair.local_bpb - pair.paid_bpb for pair in pairs]))
    assert report.pairs == 20 and report.tau.p_none < 1e-6 and report.family_delta_bpb.keys() == {"other"}
    with pytest.raises(UnreadableInput, match="not enough pairs"):
        transfer.report(pairs[:2])


# --- questions


def test_a_paid_run_worse_than_foretold_by_more_than_the_noise_raises_a_question(workspace: Workspace) -> None:
    pairs = history()
    bad = Pair(name="focal", family="objective", local_bpb=1.79, paid_bpb=1.2)
    text = transfer.investigation(pairs, bad)
    assert text is not None and "translation" in text and "scale" in text and "1.2000" in text
    assert notes.add(workspace, by="implementer", kind="question", text=text).text == text  # short enough to be kept
    translated = transfer.investigation(pairs, bad, is_translated=True)
    assert translated is not None and "layer by layer" in translated


def test_a_result_within_the_noise_or_without_pairs_raises_none() -> None:
    pairs = history()
    fair = predict(pairs, 1.79, "other")
    assert transfer.investigation(pairs, Pair(name="x", local_bpb=1.79, paid_bpb=fair.val_bpb + fair.error)) is None
    assert transfer.investigation(pairs, Pair(name="x", local_bpb=1.79, paid_bpb=1.0)) is None
    assert transfer.investigation(pairs[:3], Pair(name="x", local_bpb=1.79, paid_bpb=9.0)) is None


def test_the_pair_itself_does_not_foretell_its_own_score() -> None:
    bad = Pair(name="focal", local_bpb=1.79, paid_bpb=1.2)
    assert transfer.investigation([*history(), bad], bad) == transfer.investigation(history(), bad)


# --- the adaptive threshold


def test_where_gains_transfer_the_threshold_falls_below_3_percent_and_not_into_the_noise() -> None:
    pairs = history(noise=0.0005)
    baseline = [min(pair.local_bpb for pair in pairs)] * 4
    found = transfer.adaptive_threshold(pairs, best_of(pairs), baseline, 1, FLOOR, 0.03)
    assert 0.0015 < found.promotion < 0.03 and "adaptive" in found.reason
    loud = transfer.adaptive_threshold(pairs, best_of(pairs), baseline, 1, Pooled(0.02, 20), 0.03)
    assert loud.promotion >= 1.72 * 0.02 * (1 + 1 / 4) ** 0.5 / baseline[0] > found.promotion


def test_at_the_threshold_the_expected_paid_gain_is_positive_and_just_below_it_is_not_sure() -> None:
    pairs = history()
    best, base = best_of(pairs), 1.84
    found = transfer.adaptive_threshold(pairs, best, [base] * 4, 4, Pooled(1e-4, 50), 0.03)
    from golf.measure.significance import t_quantile

    def at_most(gain: float) -> float:
        told = predict(pairs, base * (1 - gain), "")
        return told.val_bpb + t_quantile(transfer.THRESHOLD_CONFIDENCE, told.df) * told.expected_error

    assert at_most(found.promotion) < best <= at_most(found.promotion - 0.0001)


@pytest.mark.parametrize(
    "pairs, best, said", [(3, 1.1, "not enough pairs"), (20, None, "no paid run"), (20, 0.5, "no local gain")]
)
def test_what_is_not_known_leaves_the_fixed_threshold_with_the_reason(
    pairs: int, best: float | None, said: str
) -> None:
    found = transfer.adaptive_threshold(history(pairs), best, [1.8], 1, FLOOR, 0.03)
    assert found.promotion == 0.03 and said in found.reason and "fixed threshold holds" in found.reason


def test_fixed_is_the_default_and_adaptive_a_word_in_golf_toml(workspace: Workspace) -> None:
    assert transfer.promotion_threshold(workspace, "local", "d", [1.8], 1, FLOOR).promotion == 0.03
    (workspace.root / "golf.toml").write_text('[gate]\nmode = "adaptive"\npromotion = 0.02\n')
    adaptive = Workspace(workspace.root)
    for scores, floor, said in (
        ([], FLOOR, "no local baseline"),
        ([1.8], None, "noise floor"),
        ([1.8], FLOOR, "pairs"),
    ):
        found = transfer.promotion_threshold(adaptive, "local", "d", scores, 1, floor)
        assert found.promotion == 0.02 and said in found.reason
    (workspace.root / "golf.toml").write_text('[gate]\nmode = "sometimes"\n')
    with pytest.raises(BadConfig, match=r"gate\.mode"):
        read_config(workspace.root / "golf.toml")


# --- pairs of a workspace


def played(workspace: Workspace, folder: Path, score: float, minute: int, *, commit: str, headroom: int = 1) -> Result:
    claim = experiments.load(folder)
    seed = SeedResult(
        seed=1, val_bpb=score, val_loss=score, artifact_bytes=1, eval_time_s=1, memory_bytes=1, log="logs/x.log"
    )
    result = Result(
        experiment=folder.name, run_id=f"run-{folder.name}-{minute}", commit=commit, tier=claim.tier, status="discard",
        promoted="no", hypothesis="h", val_bpb=score, headroom_bytes=headroom, seeds=[seed], data=f"{claim.tier} data",
        cost_usd=3.5, finished_at=datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute),
    )  # fmt: skip
    record.record(workspace, result, f"{folder.name}: h")
    return result


@pytest.fixture
def laddered(workspace: Workspace) -> Workspace:
    (workspace.root / "golf.toml").write_text(
        '[gate]\nmode = "adaptive"\n[tiers.local]\n[tiers.h100]\ngpus = 8\nhourly_rate_usd = 20\n'
    )
    return Workspace(workspace.root)


def idea(workspace: Workspace, name: str, local: float, paid: float | None, minute: int, **claim) -> Path:
    source = workspace.state / "train_gpt.py"
    source.write_text(claim.pop("script", "x = 1\n"))
    folder = experiments.claim(workspace, name, hypothesis="h", script=source, tier="local", **claim)
    played(workspace, folder, local, minute, commit=f"{minute:04x}")
    if paid is not None:
        wanted = experiments.load(folder).model_copy(update={"tier": "h100", "parent": folder.name})
        twin = experiments.create(workspace, f"{folder.name}-h100", wanted, folder / "train_gpt.py")
        played(workspace, twin, paid, minute + 1, commit=f"{minute:04x}")
    return folder


def test_a_paid_run_and_the_local_one_it_replayed_are_a_pair(laddered: Workspace) -> None:
    first = idea(laddered, "a", 1.8, 1.15, 10)
    idea(laddered, "b", 1.7, None, 20)
    experiments.set_aside(first, played_result(first))
    played(laddered, first, 1.6, 30, commit="ffff")  # repeated since: the paid run did not replay that
    (found,) = paired(laddered)
    assert found.pair == Pair(name=first.name, local_bpb=1.8, paid_bpb=1.15, cost_usd=3.5)


def played_result(folder: Path) -> Result:
    result = experiments.read_result(folder)
    assert result is not None
    return result


def test_too_few_pairs_say_of_which_tiers_and_where_there_are_some(laddered: Workspace) -> None:
    idea(laddered, "a", 1.8, 1.15, 10)
    with pytest.raises(BadConfig, match="no tier 'nosuch'"):
        transfer.between(laddered, "local", "nosuch")
    with pytest.raises(UnreadableInput, match=r"^h100 and local: not enough pairs: 0 .*there are: local and h100: 1"):
        transfer.between(laddered, "h100", "local")


def test_a_changed_experiment_on_another_tier_is_no_pair(laddered: Workspace) -> None:
    first = idea(laddered, "a", 1.8, None, 10)
    child = experiments.claim(laddered, "b", hypothesis="other", parent=first.name, tier="h100", env={"MODEL_DIM": "9"})
    played(laddered, child, 1.1, 20, commit="aa")
    assert paired(laddered) == []


def test_damage_to_one_experiment_takes_no_other_pair_away(laddered: Workspace) -> None:
    idea(laddered, "a", 1.8, 1.15, 10)
    second = idea(laddered, "b", 1.7, 1.14, 20)
    (second / experiments.CONFIG).write_text("- not a claim\n")
    assert [one.pair.name[-1] for one in paired(laddered)] == ["a"]


def test_the_best_paid_score_is_the_lowest_whose_artifact_fits(laddered: Workspace) -> None:
    assert best_paid(laddered, "h100") is None
    idea(laddered, "a", 1.8, 1.15, 10)
    second = idea(laddered, "b", 1.7, 1.14, 20)
    over = experiments.claim(laddered, "c", hypothesis="h", parent=second.name, tier="h100")
    played(laddered, over, 1.0, 30, commit="bb", headroom=-1)
    assert best_paid(laddered, "h100") == 1.14


def test_a_workspace_with_pairs_judges_its_next_idea_and_sets_its_threshold(laddered: Workspace) -> None:
    for index, pair in enumerate(history(8, noise=0.0005)):
        idea(laddered, f"i{index}", pair.local_bpb, pair.paid_bpb, 10 * (index + 1))
    worse, better = idea(laddered, "worse", 1.95, None, 500), idea(laddered, "better", 1.84, None, 510)
    assert len(pairs_between(paired(laddered), played_result(worse), "h100")) == 8
    assert transfer.gate_of(laddered, worse, played_result(worse), "h100", 3.5).verdict == "fail"
    assert transfer.gate_of(laddered, better, played_result(better), "h100", 3.5).verdict == "pass"
    found = transfer.promotion_threshold(laddered, "local", "local data", [1.86] * 4, 1, FLOOR)
    assert found.promotion < 0.03 and "by 8 pairs" in found.reason
    elsewhere = transfer.promotion_threshold(laddered, "local", "other data", [1.86] * 4, 1, FLOOR)
    assert elsewhere.promotion == 0.03 and "not enough pairs: 0" in elsewhere.reason


def test_an_ideas_family_is_what_it_claims_or_what_its_change_names(laddered: Workspace) -> None:
    base = idea(laddered, "base", 1.8, None, 10, script="int8 = 1\n")
    assert family_of(laddered, base) == "other"  # the naive baseline has int8 as well
    six = idea(laddered, "six", 1.8, None, 20, parent=base.name, script="int8 = 1\nint6 = 1\n")
    assert family_of(laddered, six) == "quantisation"
    said = idea(laddered, "said", 1.8, None, 30, parent=base.name, techniques=["muon", "int6", "int5"])
    assert family_of(laddered, said) in ("quantisation", "optimiser")
    same = idea(laddered, "same", 1.8, None, 40, parent=six.name, script="int8 = 1\nint6 = 2\n")
    assert family_of(laddered, same) == "other"


def test_a_recorded_history_is_read_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    pairs = history(6)
    path.write_text("\n".join(pair.model_dump_json() for pair in pairs) + "\n\n")
    assert read_history(path) == pairs
    for line, said in (("{", "no JSON"), (json.dumps({"name": "x"}), "no pair")):
        path.write_text(pairs[0].model_dump_json() + "\n" + line + "\n")
        with pytest.raises(UnreadableInput, match=f"history.jsonl:2 is {said}"):
            read_history(path)
    with pytest.raises(UnreadableInput, match="could not be read"):
        read_history(tmp_path / "gone.jsonl")


@pytest.mark.skipif(not DATA.is_dir(), reason="the labelled submissions are not at hand (../shared/data)")
def test_on_public_runs_a_score_at_step_4000_foretells_the_end_at_the_stated_rate() -> None:
    """They hold no pairs of tiers; a cheap score of a run and its end, one run a submission, stand in for them."""
    pairs = []
    for folder in sorted((DATA / "submissions").iterdir(), key=lambda path: (len(path.name), path.name)):
        for log in folder_logs(folder)[:1]:
            early = [point.val_bpb for point in log.points if point.step == 4_000 and point.val_bpb]
            if early and log.last_step_bpb and log.steps and 4_500 < log.steps < 8_000:
                pairs.append(Pair(name=folder.name, local_bpb=early[0], paid_bpb=log.last_step_bpb))
    assert len(pairs) > 40 and kendall(pairs).low > 0.5
    hits = [
        told.low <= pair.paid_bpb <= told.high
        for index, pair in enumerate(pairs)
        if index >= PAIRS_MIN and (told := predict(pairs[:index] + pairs[index + 1 :], pair.local_bpb, "other"))
    ]
    assert np.mean(hits) >= 0.9


def test_the_command_reports_a_recorded_history_and_makes_no_number_of_too_few(
    workspace: Workspace, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs = [(1.30, 1.20), (1.29, 1.19), (1.28, 1.195), (1.27, 1.18), (1.26, 1.17)]
    lines = [
        json.dumps({"name": f"n{number}", "family": "quant", "local_bpb": local, "paid_bpb": paid, "cost_usd": 3.5})
        for number, (local, paid) in enumerate(pairs)
    ]
    history = tmp_path / "pairs.jsonl"
    history.write_text("\n".join(lines))
    assert main(["transfer", "--tier", "far", "--history", str(history), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["pairs"] == 5 and told["total_usd"] == 17.5
    assert told["mean_delta_bpb"] == pytest.approx(0.093)
    history.write_text("\n".join(lines[:4]))
    assert main(["transfer", "--tier", "far", "--history", str(history)]) == 2
    assert "not enough pairs" in capsys.readouterr().err
