"""One run of an experiment: worktree, train, measure, evaluate, decide, record.

Called in the job's own process. Every seed trains in a checkout of the snapshot commit, its
artifact is copied to the experiment's folder, weighed and scored by Caddie itself; what the
trainer's log claims is only compared. Nothing is recorded that was not measured.
"""

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev

from golf.errors import FrozenFileChanged, GolfError, JobFailed
from golf.jobs import process, progress
from golf.measure import artifact, bpb, logs, references
from golf.play import experiments, gate, promotion, record, worktree
from golf.schema import Experiment, Result, SeedResult
from golf.workspace import TierSettings, Workspace

PASSED_ON = ("PATH", "HOME", "LANG", "TMPDIR", "USER", "SHELL", "TERM", "VIRTUAL_ENV", "LD_LIBRARY_PATH", "TZ")
PASSED_ON_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "NCCL_", "TORCH", "OMP_", "MKL_", "DYLD_", "XDG_", process.JOB_MARK)
"""What a trainer inherits of the environment: enough to run, no secrets, no stray hyper-parameters."""

DISAGREEMENT_BPB = 5e-4
"""Difference between logged and measured val_bpb above which the result carries a note."""


@dataclass(frozen=True)
class Setting:
    """All that one run needs to know."""

    workspace: Workspace
    folder: Path
    experiment: Experiment
    tier: TierSettings
    run_id: str
    commit: str
    status: progress.Status

    @property
    def env(self) -> dict[str, str]:
        """The trainer's settings: tier, then experiment, then where the data is."""
        chosen = {**self.tier.env, **self.experiment.env}
        for key, value in chosen.items():
            inside = self.workspace.root / value
            if key.endswith(("_PATH", "_DIR")) and not Path(value).is_absolute() and inside.exists():
                chosen[key] = str(inside)
        return {"DATA_PATH": str(self.workspace.data), "TOKENIZER_PATH": str(self.workspace.tokenizer), **chosen}

    @property
    def python(self) -> str:
        """The interpreter that has torch."""
        return self.workspace.config.train.python or sys.executable

    def log(self, seed: int) -> Path:
        """A seed's training log."""
        return self.folder / "logs" / f"train_seed{seed}.log"

    def metrics(self, seed: int) -> Path:
        """What a seed's trainer writes for whoever watches."""
        return self.folder / "logs" / f"seed{seed}.metrics.jsonl"


def play(workspace: Workspace, name: str, run_id: str, status: progress.Status) -> Result:
    """Run the experiment over its seeds and record the outcome; a failed trainer is recorded as a crash.

    Raises:
        GolfError: the run ended without a score; the ledger has it as a crash.
    """
    folder = experiments.find(workspace, name)
    experiment = experiments.load(folder)
    tier = workspace.tier(experiment.tier)
    try:
        status.phase("taking a snapshot")
        commit, left_out = worktree.snapshot(
            workspace.root, run_id, [folder / experiments.CONFIG, folder / experiment.script]
        )
        frozen = worktree.fingerprint(workspace.root, workspace.config.guard.frozen)
        setting = Setting(workspace, folder, experiment, tier, run_id, commit, status)
        seeds = _all_seeds(setting)
        _check_frozen(setting, frozen)
        status.phase("deciding")
        result = _conclude(setting, seeds, left_out)
    except GolfError as error:
        record.crash(workspace, run_id, folder.name, str(error))
        raise
    record.record(workspace, result, experiments.described(folder.name, experiment))
    return result


def _all_seeds(setting: Setting) -> list[SeedResult]:
    """Train and score every seed, at most `parallel_seeds` at once; the first failure ends the rest."""
    seeds = setting.experiment.seeds
    shutil.rmtree(setting.folder / "artifact", ignore_errors=True)
    for seed in seeds:
        setting.log(seed).parent.mkdir(exist_ok=True)
        setting.log(seed).unlink(missing_ok=True)
        setting.metrics(seed).unlink(missing_ok=True)
    setting.status.phase(
        f"training seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}",
        metrics=[setting.metrics(seed) for seed in seeds],
        logs=[setting.log(seed) for seed in seeds],
    )
    failed: list[str] = []
    with ThreadPoolExecutor(max_workers=setting.tier.parallel_seeds) as pool:
        futures = [pool.submit(_one_seed, setting, seed, failed) for seed in seeds]
    return [future.result() for future in futures]


def _one_seed(setting: Setting, seed: int, failed: list[str]) -> SeedResult:
    try:
        ended = _train(setting, seed, lambda: failed[0] if failed else None)
        return _score(setting, seed, ended)
    except BaseException:
        failed.append(f"seed {seed} failed")
        raise


def _train(setting: Setting, seed: int, should_stop: Callable[[], str | None]) -> process.Ended:
    """One trainer in its own worktree; its weights are copied to the experiment's folder."""
    experiment, log = setting.experiment, setting.log(seed)
    place = setting.workspace.worktrees / f"{setting.run_id}.seed{seed}"
    with worktree.checkout(setting.workspace.root, setting.commit, place) as root:
        script = root / setting.folder.relative_to(setting.workspace.root) / experiment.script
        words = {"python": setting.python, "script": str(script.relative_to(root))}
        command = [word.format_map(_Words(words)) for word in experiment.command or setting.tier.command]
        env = {
            **inherited(os.environ),
            **threads(setting.tier.parallel_seeds),
            **setting.env,
            "PATH": f"{Path(setting.python).parent}{os.pathsep}{os.environ.get('PATH', '')}",  # torchrun lives there
            "SEED": str(seed),
            "RUN_ID": f"seed{seed}",
            "PYTHONDONTWRITEBYTECODE": "1",
            progress.METRICS: str(setting.metrics(seed)),
            progress.STOP: str(log.with_suffix(".stop")),
        }
        try:
            ended = process.run(command, cwd=root, env=env, output=log, should_stop=should_stop, new_group=False)
        except OSError as error:
            raise JobFailed(f"the trainer could not be started: {' '.join(command)}: {error}") from error
        if ended.reason is not None or ended.exit_code != 0:
            raise JobFailed(f"training seed {seed} {_how(ended)}. Log: {log}\n{_tail(log)}")
        weights = artifact.find_weights(root)
        target = setting.folder / "artifact" / f"seed{seed}"
        target.mkdir(parents=True)
        shutil.copyfile(weights, target / weights.name)
        shutil.copyfile(script, target / script.name)
    return ended


def _score(setting: Setting, seed: int, ended: process.Ended) -> SeedResult:
    """Weigh and evaluate one seed's artifact; the log is only asked for what cannot be measured afterwards."""
    target = setting.folder / "artifact" / f"seed{seed}"
    script = target / Path(setting.experiment.script).name
    measured = artifact.measure_artifact(target, challenge=setting.workspace.challenge, script=script.name)
    evaluation = bpb.evaluate_bpb(
        artifact.find_weights(target),
        script=script,
        data=Path(setting.env["DATA_PATH"]),
        tokenizer=Path(setting.env["TOKENIZER_PATH"]),
        env=setting.env,
        python=setting.python,
        threads=int(threads(setting.tier.parallel_seeds).get("OMP_NUM_THREADS", 0)) or None,
    )
    logged = logs.read_log(setting.log(seed))
    return SeedResult(
        seed=seed,
        val_bpb=evaluation.val_bpb,
        val_loss=evaluation.val_loss,
        logged_val_bpb=logged.final_bpb,
        artifact_bytes=measured.artifact_bytes,
        train_time_s=logged.train_time_s,
        eval_time_s=evaluation.eval_time_s,
        steps=logged.steps,
        memory_bytes=max(ended.peak_memory_bytes, logged.memory_bytes or 0),
        log=setting.log(seed).relative_to(setting.folder).as_posix(),
        scored_on=(
            f"{evaluation.device} in {evaluation.dtype}, "
            f"{evaluation.scored_tokens:,} of {evaluation.total_tokens:,} target tokens"
        ),
    )


def _conclude(setting: Setting, seeds: list[SeedResult], left_out: list[str]) -> Result:
    workspace, experiment = setting.workspace, setting.experiment
    baseline = promotion.running_baseline(workspace, experiment.tier)
    limit = workspace.challenge.artifact_bytes_max
    largest = max(seed.artifact_bytes for seed in seeds)
    scores = [seed.val_bpb for seed in seeds]
    decided = gate.decide(
        experiment=setting.folder.name,
        tier=experiment.tier,
        scores=scores,
        baseline=None if baseline is None else baseline.experiment,
        baseline_scores=[] if baseline is None else [seed.val_bpb for seed in baseline.seeds],
        artifact_bytes=largest,
        limit_bytes=limit,
        line_delta=experiments.line_delta(workspace, setting.folder, experiment),
        has_hypothesis=bool(experiment.hypothesis.strip()),
        threshold=workspace.config.gate.promotion,
    )
    notes = [
        f"seed {seed.seed}: the log says {seed.logged_val_bpb:.6f}, Caddie measured {seed.val_bpb:.6f}"
        for seed in seeds
        if seed.logged_val_bpb is not None and abs(seed.logged_val_bpb - seed.val_bpb) > DISAGREEMENT_BPB
    ]
    notes += sorted({f"scored on {seed.scored_on}" for seed in seeds})
    if left_out:
        notes.append(f"not in the snapshot for their size: {', '.join(left_out[:5])}")
    try:
        lines = references.reference_bpb(
            Path(setting.env["DATA_PATH"]), Path(setting.env["TOKENIZER_PATH"]), workspace.state / "cache"
        )
    except GolfError as error:
        lines = {}
        notes.append(f"no reference compressors: {error}")
    times = [seed.train_time_s for seed in seeds if seed.train_time_s is not None]
    return Result(
        experiment=setting.folder.name,
        run_id=setting.run_id,
        commit=setting.commit,
        tier=experiment.tier,
        status=decided.decision,
        promoted="pending" if decided.promoted else "no",
        hypothesis=experiment.hypothesis,
        val_bpb=fmean(scores),
        val_bpb_std=stdev(scores) if len(scores) > 1 else None,
        artifact_bytes=largest,
        headroom_bytes=limit - largest,
        memory_gb=round(max(seed.memory_bytes for seed in seeds) / 1e9, 3),
        train_time_s=max(times) if len(times) == len(seeds) else None,
        eval_time_s=max(seed.eval_time_s for seed in seeds),
        seeds=seeds,
        promotion=decided,
        reference_bpb=lines,
        settings={key: value for key, value in setting.env.items() if not key.endswith(("_PATH", "_DIR"))},
        notes=notes,
        finished_at=datetime.now(UTC),
    )


def _check_frozen(setting: Setting, before: dict[str, str]) -> None:
    after = worktree.fingerprint(setting.workspace.root, setting.workspace.config.guard.frozen)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        raise FrozenFileChanged(
            f"{', '.join(changed[:5])} changed while the run was on; experiments are scored with these files, so "
            "its numbers do not count. Restore them (git checkout), then run again."
        )


def inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that trainers and scorers get to see."""
    return {key: value for key, value in environment.items() if key in PASSED_ON or key.startswith(PASSED_ON_PREFIXES)}


def threads(parallel: int) -> dict[str, str]:
    """Seeds that share the cores get a fair part each: two trainers on all cores are slower than one."""
    if parallel == 1:
        return {}
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // parallel))}


def _how(ended: process.Ended) -> str:
    if ended.reason is not None:
        return f"was stopped: {ended.reason}"
    if ended.exit_code < 0:
        return f"was ended by signal {-ended.exit_code}"
    return f"ended with exit code {ended.exit_code}"


def _tail(log: Path, lines: int = 5) -> str:
    text = log.read_bytes()[-4000:].decode(errors="replace").splitlines() if log.exists() else []
    return "\n".join(f"  {line[:300]}" for line in text[-lines:])


class _Words(dict[str, str]):
    """Braces that are not ours stay as they are."""

    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"
