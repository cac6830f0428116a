"""A run leaves numbers that were measured, or a crash with its reason; never the user's tree changed."""

import json
from pathlib import Path

import pytest
from scene import TINY, course_settings, git

from golf.errors import AmbiguousInput, BadConfig, NotFound, UnreadableInput
from golf.jobs.local import LocalJobs
from golf.measure.artifact import measure_artifact
from golf.play import experiments, ledger, promotion, record, start, training
from golf.schema import Job
from golf.workspace import Workspace

BASELINE = Path(__file__).parents[2] / "baselines" / "naive" / "train_gpt.py"


def play(workspace: Workspace, name: str, **options: object) -> Job:
    jobs = LocalJobs(workspace)
    ended = jobs.wait(start.start_run(workspace, name, **options).id, 240)
    record.recover(workspace)
    return ended


def claim(workspace: Workspace, name: str, script: str, **options: object) -> Path:
    path = workspace.root / "scratch.py"
    path.write_text(script)
    return experiments.claim(workspace, name, hypothesis="h", script=path, tier="tiny", **options)


def test_a_real_run_is_measured_recorded_and_reported(played: Workspace) -> None:
    folder = experiments.find(played, "base")
    result = experiments.read_result(folder)
    assert result is not None
    assert (result.status, result.promoted, len(result.seeds)) == ("keep", "no", 2)
    for seed in result.seeds:
        assert seed.logged_val_bpb == pytest.approx(seed.val_bpb, abs=1e-4)
        weighed = measure_artifact(experiments.artifact_folder(folder, seed.seed))
        assert weighed.artifact_bytes == seed.artifact_bytes <= weighed.limit_bytes
    assert result.val_bpb == pytest.approx(sum(seed.val_bpb for seed in result.seeds) / 2)
    assert set(result.reference_bpb) == {"unigram", "gzip", "zstd", "lzma"}
    row = ledger.read(played.ledger)[0]
    assert (row.val_bpb, row.description) == (result.val_bpb, f"{folder.name}: h")
    assert git(played.root, "show", f"{row.commit}:experiments/{folder.name}/train_gpt.py") == BASELINE.read_text()
    assert f"{result.val_bpb:.4f}"[:5] in (folder / "report.md").read_text()
    assert (folder / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert list((played.state / "trackio").glob("*.db"))
    assert not list(played.worktrees.glob("*"))


def test_an_experiment_that_was_played_is_not_played_over(played: Workspace) -> None:
    with pytest.raises(AmbiguousInput, match="--again"):
        start.start_run(played, "base")


def test_the_mlx_tier_is_played_and_scored_with_its_torch_twin(course_workspace: Workspace) -> None:
    pytest.importorskip("mlx.core", reason="MLX is not installed")
    folder = experiments.claim(
        course_workspace, "apple", hypothesis="h", script=BASELINE.with_name("train_gpt_mlx.py"), tier="tiny"
    )
    ended = play(course_workspace, "apple")
    assert ended.state == "done", ended.message
    result = experiments.read_result(folder)
    assert result is not None
    assert result.seeds[0].logged_val_bpb == pytest.approx(result.seeds[0].val_bpb, abs=1e-4)


HOSTILE = {
    "stale weights": ("pass", "left no weights"),
    "rewrites the shard": (
        "import os, pathlib\n"
        "shard = next(pathlib.Path(os.environ['DATA_PATH']).glob('fineweb_val_*.bin'))\n"
        "data = bytearray(shard.read_bytes()); data[-2:] = b'\\x05\\x00'; shard.write_bytes(data)\n"
        "import shutil; shutil.copyfile(pathlib.Path(os.environ['GOLF_METRICS']).parents[3] / 'good.weights', 'm.ptz')",
        "the validation data or the tokenizer changed",
    ),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_a_score_cannot_come_from_what_was_not_trained_here(
    course_workspace: Workspace, played: Workspace, course: Path, case: str
) -> None:
    """Weights that were lying about, or a validation shard rewritten during the run, are no result."""
    import shutil

    good = experiments.artifact_folder(experiments.find(played, "base"))
    root = course_workspace.root
    shutil.copyfile(good / "final_model.int8.ptz", root / "final_model.int8.ptz")
    (root / "final_model.int8.ptz").rename(root / ("good.weights" if case == "rewrites the shard" else "left.ptz"))
    shutil.copytree(course, root / "data")  # its own, to be damaged
    settings = (root / "golf.toml").read_text().replace(str(course), "data")
    (root / "golf.toml").write_text(settings)
    script, reason = HOSTILE[case]
    model = (good / "train_gpt.py").read_text().split('if __name__ == "__main__":')[0]
    folder = claim(
        Workspace(root),
        "x",
        f"{model}\nif __name__ == '__main__':\n" + "".join(f"    {line}\n" for line in script.splitlines()),
    )
    assert play(Workspace(root), "x").state == "failed"
    result = experiments.read_result(folder)
    assert result is not None and result.val_bpb is None
    assert reason in (result.error or "")


def test_the_best_experiment_can_be_repeated_and_the_tier_stays_playable(course_workspace: Workspace) -> None:
    claim(course_workspace, "base", BASELINE.read_text(), seeds=[7])
    first = experiments.find(course_workspace, "base")
    assert play(course_workspace, "base").state == "done"
    one = experiments.read_result(first)
    assert play(course_workspace, "base", again=True).state == "done"
    two = experiments.read_result(first)
    assert one is not None and two is not None
    assert one.val_bpb == pytest.approx(two.val_bpb, abs=1e-6)  # the same seed, on the same data
    assert (two.status, two.promotion and two.promotion.baseline) == ("discard", first.name)  # it gains nothing
    assert any("identical" in note for note in two.notes)
    assert promotion.running_baseline(course_workspace, "tiny") == one


def test_the_plan_of_a_run_says_what_would_happen_and_runs_nothing(played: Workspace) -> None:
    before = len(LocalJobs(played).recent(100))
    claim(played, "planned", "pass", env={"MLP_MULT": "3"})
    plan = start.plan_run(played, "planned")
    assert (plan.tier, plan.cost_usd, plan.settings["MLP_MULT"]) == ("tiny", 0.0, "3")
    assert plan.baseline == experiments.find(played, "base").name
    assert len(LocalJobs(played).recent(100)) == before


def test_the_gates_of_a_played_experiment_can_be_asked_again(played: Workspace) -> None:
    checked = promotion.check_promotion(played, "base")
    assert not checked.promoted
    assert [gate.name for gate in checked.gates][-2:] == ["budget", "rate_limit"]
    with pytest.raises(NotFound):
        promotion.check_promotion(played, "never-heard-of")


CRASHES = {
    "raises": ("raise RuntimeError('loss is nan at step 3')", "loss is nan at step 3"),
    "killed": ("import os; os.kill(os.getpid(), 9)", "signal 9"),
    "no weights": ("print('trained, and saved nothing')", "no weights"),
    "two weights": ("open('a.ptz','wb').write(b'1'); open('b.ptz','wb').write(b'2')", "a.ptz"),
    "a script without a model": ("open('final_model.int8.ptz','wb').write(b'not zlib')", "no class GPT"),
    "garbage weights": (
        BASELINE.read_text().replace(
            'if __name__ == "__main__":\n',
            'if __name__ == "__main__":\n    Path("final_model.int8.ptz").write_bytes(b"not zlib"); raise SystemExit\n',
        ),
        "final_model.int8.ptz",
    ),
}


@pytest.mark.parametrize("case", CRASHES)
def test_a_run_without_a_score_is_a_crash_with_its_reason(course_workspace: Workspace, case: str) -> None:
    script, reason = CRASHES[case]
    folder = claim(course_workspace, "bad", script)
    ended = play(course_workspace, "bad")
    assert ended.state == "failed"
    result = experiments.read_result(folder)
    assert result is not None
    assert (result.status, result.val_bpb) == ("crash", None)
    assert reason in (result.error or "")
    rows = ledger.read(course_workspace.ledger)
    assert [(row.status, row.val_bpb) for row in rows] == [("crash", None)]
    assert promotion.running_baseline(course_workspace, "tiny") is None
    with pytest.raises(UnreadableInput, match="crashed"):
        promotion.check_promotion(course_workspace, "bad")
    assert not list(course_workspace.worktrees.glob("*"))


def test_a_changed_frozen_file_is_named_whatever_the_score(course_workspace: Workspace) -> None:
    (course_workspace.root / "eval.py").write_text("honest\n")
    vandal = BASELINE.read_text().replace(
        'if __name__ == "__main__":',
        'if __name__ == "__main__":\n    import pathlib as p\n'
        '    (p.Path(os.environ["GOLF_METRICS"]).parents[3] / "eval.py").write_text("generous")\n',
    )
    folder = claim(course_workspace, "vandal", vandal, env=TINY)
    assert play(course_workspace, "vandal").state == "failed"
    result = experiments.read_result(folder)
    assert result is not None and result.status == "crash"
    assert "eval.py changed while the run was on" in (result.error or "")


def test_a_trainer_sees_its_settings_and_none_of_our_secrets(
    course_workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("ITERATIONS", "999999")  # a stray variable of the shell must not become a hyper-parameter
    script = "import json, os; print('ENV ' + json.dumps(dict(os.environ))); raise SystemExit(7)"
    folder = claim(course_workspace, "env", script, env={"ITERATIONS": "3", "EXTRA": "yes"}, seeds=[42])
    play(course_workspace, "env")
    text = (folder / "logs" / "train_seed42.log").read_text()
    seen = json.loads(text[text.index("ENV ") + 4 :].splitlines()[0])
    assert (seen["SEED"], seen["ITERATIONS"], seen["EXTRA"]) == ("42", "3", "yes")
    assert Path(seen["DATA_PATH"]) == course_workspace.data
    assert "hf_secret" not in text


def test_a_repetition_keeps_the_earlier_run(course_workspace: Workspace) -> None:
    folder = claim(course_workspace, "flaky", "raise SystemExit(3)")
    first = play(course_workspace, "flaky")
    second = play(course_workspace, "flaky")  # a crash may be repeated without being asked twice
    assert first.id != second.id
    assert (folder / "earlier" / first.id / "result.json").exists()
    assert len(ledger.read(course_workspace.ledger)) == 2


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[tiers.tiny]\nhourly_rate_usd = 20", "never spends money"),
        ('[tiers.tiny]\nbackend = "runpod"', "never spends money"),
        ("[tiers.other]", "no tier 'tiny'"),
    ],
)
def test_a_paid_or_unknown_tier_is_never_run_locally(course_workspace: Workspace, toml: str, message: str) -> None:
    claim(course_workspace, "x", "pass")
    (course_workspace.root / "golf.toml").write_text(f"{course_settings(course_workspace)}{toml}\n")
    with pytest.raises(BadConfig, match=message):
        start.start_run(Workspace(course_workspace.root), "x")


def test_missing_shards_are_named_before_anything_starts(workspace: Workspace) -> None:
    (workspace.root / "golf.toml").write_text("[tiers.tiny]\n")
    fresh = Workspace(workspace.root)
    claim(fresh, "x", "pass")
    with pytest.raises(NotFound, match="golf data fineweb"):
        start.start_run(fresh, "x")
    assert LocalJobs(fresh).recent() == []


def test_the_seed_that_failed_first_is_the_reason_and_the_rest_are_not_trained(course_workspace: Workspace) -> None:
    script = "import os, time\nif os.environ['SEED'] == '2': raise SystemExit('the cause')\ntime.sleep(600)"
    folder = claim(course_workspace, "x", script, seeds=[1, 2, 3])
    assert play(course_workspace, "x").state == "failed"
    result = experiments.read_result(folder)
    assert result is not None
    assert "the cause" in (result.error or "") and "seed 2" in (result.error or "")
    assert not (folder / "logs" / "train_seed3.log").exists()


def test_seeds_that_train_at_once_share_the_cores() -> None:
    assert training.threads(1) == {}
    assert int(training.threads(64)["OMP_NUM_THREADS"]) == 1
