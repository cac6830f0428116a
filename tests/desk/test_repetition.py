"""The same run several times: bits that agree, and the step at which they no longer do (S72)."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import git

from golf.cli import main
from golf.desk.repro import repetition
from golf.desk.repro.repetition import Curves, compare
from golf.errors import BadConfig, JobFailed, NotFound, UnreadableInput
from golf.play import experiments
from golf.workspace import Workspace

TRAINER = """\
import json, os, random, time

random.seed(int(os.environ["SEED"]))
loss, steps = 4.0, int(os.environ.get("STEPS", "8"))
for step in range(1, steps + 1):
    loss -= random.random() / 10
    {break_it}
    print(f"step:{{step}}/{{steps}} train_loss:{{loss:.4f}} train_time:{{time.perf_counter():.0f}}ms")
    {metrics}
{weights}
"""
METRICS = (
    'open(os.environ["GOLF_METRICS"], "a").write(json.dumps({"step": step, "train_loss": loss, '
    '"train_time_s": time.perf_counter()}) + "\\n")'
)
TINY_NOISE = 'loss += int.from_bytes(os.urandom(2), "little") * 1e-12 if step >= 5 else 0'


def trainer(workspace: Workspace, break_it: str = "pass", metrics: str = METRICS, weights: str = "pass") -> Path:
    script = workspace.root / "train.py"
    script.write_text(TRAINER.format(break_it=break_it, metrics=metrics, weights=weights))
    return script


def repeated(workspace: Workspace, runs: int = 3, **options: Any) -> repetition.Repetition:
    subject = repetition.find_subject(workspace, str(workspace.root / "train.py"))
    return repetition.repeat(workspace, subject, runs=runs, **{"time_limit_s": 60.0, **options})


def test_s72_a_deterministic_trainer_repeats_bit_for_bit(workspace: Workspace) -> None:
    trainer(workspace, weights='open("model.ptz", "w").write(str(loss))')
    done = repeated(workspace)
    assert (done.verdict, done.precision, done.agree_to_step, done.first_difference) == ("identical", "full", 8, None)
    assert done.last_steps == [8, 8, 8] and done.same_weights is True and len(done.train_times_s) == 3
    logs = sorted(path.name for path in (workspace.root / done.folder).rglob("*.*"))
    assert logs == ["metrics.jsonl"] * 3 + ["train.log"] * 3
    assert not list(workspace.worktrees.iterdir()) and git(workspace.root, "status", "--short", "train.py").startswith(
        "??"
    )


def test_s72_noise_below_what_is_printed_is_seen_in_the_metrics_at_its_step(workspace: Workspace) -> None:
    trainer(workspace, TINY_NOISE)
    done = repeated(workspace)
    assert (done.verdict, done.precision, done.agree_to_step) == ("differs", "full", 4)
    assert done.first_difference is not None
    assert (done.first_difference.step, done.first_difference.quantity) == (5, "train_loss")
    assert len(set(done.first_difference.values)) > 1


def test_s72_a_log_alone_says_no_more_than_its_digits(workspace: Workspace) -> None:
    trainer(workspace, TINY_NOISE, metrics="pass")
    done = repeated(workspace, runs=2)
    assert (done.verdict, done.precision, done.agree_to_step) == ("identical", "as printed", 8)
    assert "every printed digit" in done.reason
    trainer(workspace, "loss += int.from_bytes(os.urandom(4), 'little') if step >= 5 else 0", metrics="pass")
    done = repeated(workspace, runs=2)
    assert (done.verdict, done.precision, done.agree_to_step) == ("differs", "as printed", 4)


def test_s72_the_seed_and_settings_reach_the_trainer(workspace: Workspace) -> None:
    trainer(workspace)
    assert repeated(workspace, runs=2, env={"STEPS": "3"}).last_steps == [3, 3]
    one, other = (repeated(workspace, runs=2, seed=seed) for seed in (1, 2))
    read = [(workspace.root / done.folder / "1" / "metrics.jsonl").read_text() for done in (one, other)]
    assert [json.loads(text.splitlines()[0])["train_loss"] for text in read] == [
        pytest.approx(3.98656, abs=1e-4), pytest.approx(3.90440, abs=1e-4)
    ]  # fmt: skip


def test_data_that_git_ignores_is_linked_where_it_is_named(workspace: Workspace, tmp_path: Path) -> None:
    trainer(workspace, 'loss += len(open("data/words.txt").read())')
    (workspace.root / ".gitignore").write_text("*.txt\n")
    (workspace.root / "data").mkdir()
    (workspace.root / "data" / "words.txt").write_text("four")
    with pytest.raises(JobFailed, match="--with PATH"):
        repeated(workspace)
    assert repeated(workspace, beside=[workspace.root / "data"]).verdict == "identical"
    with pytest.raises(BadConfig, match="leads out"):
        repeated(workspace, beside=[tmp_path])
    with pytest.raises(NotFound, match="nothing at"):
        repeated(workspace, beside=[workspace.root / "missing"])


def test_weights_that_differ_behind_equal_losses_are_told(workspace: Workspace) -> None:
    trainer(workspace, weights='open("model.ptz", "wb").write(os.urandom(8))')
    done = repeated(workspace, runs=2)
    assert (done.verdict, done.agree_to_step, done.same_weights) == ("identical", 8, False)
    assert "weights files differ" in done.reason


def test_a_run_that_fails_or_says_nothing_or_takes_too_long_is_an_error(workspace: Workspace) -> None:
    trainer(workspace, "print(1 / 0)")
    with pytest.raises(JobFailed, match="division by zero"):
        repeated(workspace)
    (workspace.root / "train.py").write_text("print('hello')\n")
    with pytest.raises(UnreadableInput, match="logged no loss"):
        repeated(workspace)
    (workspace.root / "train.py").write_text("while True:\n    pass\n")
    with pytest.raises(JobFailed, match="--time-limit"):
        repeated(workspace, time_limit_s=0.3)
    assert not list(workspace.worktrees.iterdir())
    with pytest.raises(BadConfig, match="at least 2"):
        repeated(workspace, runs=1)


def test_what_is_no_script_of_the_workspace_is_not_run(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "stranger.py").write_text("")
    with pytest.raises(BadConfig, match="leads out"):
        repetition.find_subject(workspace, str(tmp_path / "stranger.py"))
    with pytest.raises(NotFound):
        repetition.find_subject(workspace, "nothing")


def test_a_tier_that_costs_money_or_runs_elsewhere_is_refused(workspace: Workspace) -> None:
    trainer(workspace)
    (workspace.root / "golf.toml").write_text("[tiers.smoke]\nhourly_rate_usd = 20\n")
    with pytest.raises(BadConfig, match="does not run here for free"):
        repeated(Workspace(workspace.root))


def test_s72_the_verb_audits_and_repeats_an_experiment(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    script = trainer(workspace)
    experiments.claim(workspace, "toy", hypothesis="it repeats", script=script, seeds=[7])
    assert main(["audit", "--repro", "toy", "--rerun", "2", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert (printed["repetition"]["verdict"], printed["repetition"]["seed"]) == ("identical", 7)
    assert printed["repetition"]["target"].endswith("_toy") and printed["errors"] == 0
    trainer(workspace, TINY_NOISE)
    assert main(["audit", "--repro", "train.py", "--rerun", "3"]) == 1
    shown = capsys.readouterr().out
    assert "repetition: differs" in shown and "agree_to_step: 4" in shown


numbers = st.floats(width=32).map(float.hex)
curves = st.dictionaries(st.tuples(st.integers(1, 9), st.sampled_from(["train_loss", "val_loss"])), numbers, min_size=1)


@given(curves, st.integers(2, 4))
def test_a_run_agrees_with_itself_to_its_last_step_not_a_number_included(run: Curves, times: int) -> None:
    steps, first, agree = compare([run] * times)
    assert first is None and agree == max(step for step, _ in run) == steps[0]


@given(curves, st.data())
def test_one_number_that_differs_is_found_at_its_step(run: Curves, data: st.DataObject) -> None:
    key = data.draw(st.sampled_from(sorted(run)))
    value = float.fromhex(run[key])
    other = {**run, key: (0.5 if math.isnan(value) else math.nan).hex()}
    _, first, agree = compare([run, other])
    assert first is not None and (first.step, first.quantity) == key
    assert agree == max((step for step, _ in run if step < key[0]), default=None)


def test_a_heartbeat_that_only_one_run_logged_is_no_difference() -> None:
    one: Curves = {(1, "train_loss"): "a", (5, "train_loss"): "b"}
    assert compare([one, {**one, (3, "train_loss"): "c"}]) == ([5, 5], None, 5)
    assert compare([one, {**one, (9, "train_loss"): "c"}]) == ([5, 9], None, 5)
