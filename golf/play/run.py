"""One run of an experiment: worktree, train, measure, evaluate, decide, record.

Called in the job's own process. Every seed trains in a checkout of the snapshot commit, its
artifact is copied to the experiment's folder, weighed and scored by Caddie itself; what the
trainer's log claims is only compared. Nothing is recorded that was not measured.
"""

import hashlib
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev

from golf import durable, rules
from golf.environment import inherited
from golf.errors import AmbiguousInput, FrozenFileChanged, GolfError, JobFailed, UnreadableInput
from golf.jobs import process, progress, remote, salvage
from golf.jobs.backend import open_backend
from golf.jobs.leases import Leases
from golf.measure import artifact, bpb, logs, references, shards
from golf.play import experiments, gate, promotion, record, transfer, worktree
from golf.play.budget import cost_usd
from golf.play.launch import launch
from golf.play.replay import Replay
from golf.play.watching import Watcher, why
from golf.schema import Experiment, Result, SeedResult
from golf.workspace import TierSettings, Workspace


@dataclass(frozen=True)
class Setting:
    """All that one run needs to know."""

    workspace: Workspace
    folder: Path
    source: Path
    """The experiment's folder in the checkout, relative to the workspace."""
    experiment: Experiment
    tier: TierSettings
    run_id: str
    commit: str
    data: str
    """Fingerprint of what it is scored on."""
    status: progress.Status
    started: float
    """Monotonic seconds."""
    salvaged: Path | None = None
    """What a lost run left, a folder per seed."""

    @property
    def env(self) -> dict[str, str]:
        """The trainer's settings."""
        return experiments.settings(self.workspace, self.experiment, self.tier)

    def log(self, seed: int) -> Path:
        """A seed's training log."""
        return self.folder / "logs" / f"train_seed{seed}.log"

    def stop_file(self, seed: int) -> Path:
        """Whoever makes this file ends a seed's training early; its result counts."""
        return self.log(seed).with_suffix(".stop")

    def metrics(self, seed: int) -> Path:
        """What a seed's trainer writes for whoever watches."""
        return self.folder / "logs" / f"seed{seed}.metrics.jsonl"


def play(
    workspace: Workspace,
    name: str,
    run_id: str,
    status: progress.Status,
    replay: Replay | None = None,
    salvaged: Path | None = None,
) -> Result:
    """Run the experiment over its seeds and record the outcome; a failed trainer is recorded as a crash.

    With `replay` nothing is taken from the working tree: it may have changed since somebody decided to pay. With
    `salvaged` nothing is trained: what a lost run's trainers left is scored (`golf.jobs.salvage`).

    Raises:
        GolfError: the run ended without a score; the ledger has it as a crash.
    """
    folder = experiments.find(workspace, name)
    experiment = replay.claim if replay else experiments.load(folder)
    tier = replay.tier if replay else workspace.tier(experiment.tier)
    source = experiments.relative(workspace, replay.experiment if replay else folder.name)
    started = time.monotonic()
    try:
        status.phase("taking a snapshot")
        script = folder / experiment.script
        if replay:
            commit, left_out = worktree.keep(workspace.root, run_id, replay.commit), []
        elif salvaged:
            commit, left_out = worktree.kept(workspace.root, run_id), []
        else:
            commit, left_out = worktree.snapshot(
                workspace.root,
                run_id,
                always={folder / experiments.CONFIG, script, experiments.model_script(script)},
                without=[f"experiments/*/{name}/**" for name in experiments.EVIDENCE],
            )
        frozen = worktree.fingerprint(workspace.root, workspace.config.guard.frozen)
        data = data_fingerprint(workspace)
        setting = Setting(workspace, folder, source, experiment, tier, run_id, commit, data, status, started, salvaged)
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
        setting.stop_file(seed).unlink(missing_ok=True)
    setting.status.phase(
        f"training seed{'s' * (len(seeds) > 1)} {', '.join(map(str, seeds))}",
        metrics=[setting.metrics(seed) for seed in seeds],
        logs=[setting.log(seed) for seed in seeds],
    )
    first: list[BaseException] = []
    with ThreadPoolExecutor(max_workers=setting.tier.parallel_seeds) as pool:
        futures = [pool.submit(_one_seed, setting, seed, first) for seed in seeds]
        wait(futures)  # a signal may interrupt this; one that interrupts the pool's own join leaves threads behind
    if first:  # the cause, and not what it stopped
        raise first[0]
    return [future.result() for future in futures]


def _one_seed(setting: Setting, seed: int, first: list[BaseException]) -> SeedResult:
    try:
        ended = _train(setting, seed, lambda: f"another seed failed: {first[0]}" if first else None)
        return _score(setting, seed, ended)
    except BaseException as error:
        first.append(error)
        raise


def _train(setting: Setting, seed: int, should_stop: Callable[[], str | None]) -> process.Ended:
    """One trainer in its own worktree; its weights and the model's script are copied to the experiment's folder."""
    if reason := should_stop():
        raise JobFailed(f"seed {seed} was not started: {reason}")
    experiment = setting.experiment
    place = setting.workspace.worktrees / f"{setting.status.folder.name}.seed{seed}"  # of the job: a lost run has two
    with worktree.checkout(setting.workspace.root, setting.commit, place) as root:
        script = root / setting.source / experiment.script
        code = experiments.model_script(script).read_bytes()  # as committed: the trainer may rewrite itself
        before = {path: path.stat().st_mtime_ns for path in root.iterdir() if path.is_file()}
        relative = str(script.relative_to(root))
        train = _salvaged if setting.salvaged else _here if setting.tier.backend == "local" else _elsewhere
        watcher = Watcher(
            setting.workspace,
            experiment.tier,
            setting.tier,
            data=setting.data,
            experiment=setting.folder.name,
            log=setting.log(seed),
            stop_file=setting.stop_file(seed),
            should_stop=should_stop,
        )
        ended = train(setting, seed, root, relative, watcher)
        if ended.reason is not None or ended.exit_code != 0:
            log = setting.log(seed)
            raise JobFailed(f"training seed {seed} {_how(ended)}. Log: {log}\n{_tail(log)}")
        weights = _trained_weights(root, before, seed)
        target = setting.folder / "artifact" / f"seed{seed}"
        target.mkdir(parents=True)
        shutil.copyfile(weights, target / weights.name)
        (target / artifact.SCRIPT).write_bytes(code)
    return ended


def _here(setting: Setting, seed: int, root: Path, script: str, should_stop: Callable[[], str | None]) -> process.Ended:
    """The trainer as a process of this machine."""
    python = setting.workspace.python
    words = setting.experiment.command or setting.tier.command
    command = [word.replace("{python}", python).replace("{script}", script) for word in words]
    env = {
        **inherited(),
        **threads(setting.tier.parallel_seeds),
        **setting.env,
        # torchrun lies beside the interpreter
        "PATH": f"{Path(python).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "SEED": str(seed),
        "RUN_ID": f"seed{seed}",
        "PYTHONDONTWRITEBYTECODE": "1",
        progress.METRICS: str(setting.metrics(seed)),
        progress.STOP: str(setting.stop_file(seed)),
    }
    try:
        return process.run(
            command, cwd=root, env=env, output=setting.log(seed), should_stop=should_stop, new_group=False
        )
    except (OSError, ValueError) as error:
        raise JobFailed(f"the trainer could not be started: {' '.join(command)}: {error}") from error


def _salvaged(
    setting: Setting, seed: int, root: Path, script: str, should_stop: Callable[[], str | None]
) -> process.Ended:
    """No trainer: what one left that ended well while nobody looked."""
    del script, should_stop
    assert setting.salvaged is not None
    place = setting.salvaged / f"seed{seed}"
    for file in place.iterdir():
        shutil.copyfile(file, setting.log(seed) if file.name == salvage.LOG else root / file.name)
    lease = next(one for one in Leases(setting.workspace.database).of_run(setting.run_id) if one.seed == seed)
    return process.Ended(0, None, 0, ((lease.gone_at or 0) - (lease.asked_at or 0)) / 1e6)


def _elsewhere(
    setting: Setting, seed: int, root: Path, script: str, should_stop: Callable[[], str | None]
) -> process.Ended:
    """The trainer on the tier's back-end, for what is left of the run's time; its weights come back into `root`."""
    tier = setting.tier
    lease = next(one for one in Leases(setting.workspace.database).of_run(setting.run_id) if one.seed == seed)
    left_s = tier.time_limit_s - (time.monotonic() - setting.started)
    if left_s <= 0:
        raise JobFailed(f"seed {seed} was not started: the run is over its time limit of {tier.time_limit_s:g} s")
    asked = launch(
        setting.experiment,
        tier,
        setting.env,
        key=lease.key,
        owner=lease.owner,
        tree=root,
        script=script,
        seed=seed,
        time_limit_s=left_s,
    )
    return remote.run(
        setting.workspace,
        open_backend(tier.backend, tier.options),
        asked,
        output=setting.log(seed),
        stop_file=setting.stop_file(seed),
        should_stop=should_stop,
    )


def _trained_weights(root: Path, before: dict[Path, int], seed: int) -> Path:
    """The one weights file the trainer wrote; files that came with the snapshot were trained by something else."""
    for path, changed in before.items():
        is_weights = path.name.lower().endswith(artifact.COMPRESSED + artifact.RAW)
        if is_weights and path.exists() and path.stat().st_mtime_ns == changed:
            path.unlink()
    try:
        return artifact.find_weights(root)
    except AmbiguousInput as error:
        raise JobFailed(f"seed {seed} left more than one artifact: {str(error).split('. ')[0]}") from error
    except UnreadableInput as error:
        raise JobFailed(
            f"training seed {seed} ended well and left no weights (such as final_model.int8.ptz) in its working folder"
        ) from error


def _score(setting: Setting, seed: int, ended: process.Ended) -> SeedResult:
    """Weigh and evaluate one seed's artifact; the log is only asked for what cannot be measured afterwards."""
    target = setting.folder / "artifact" / f"seed{seed}"
    measured = artifact.measure_artifact(target, challenge=setting.workspace.challenge)
    evaluation = bpb.evaluate_bpb(
        artifact.find_weights(target),
        script=target / artifact.SCRIPT,
        data=setting.workspace.data,
        tokenizer=setting.workspace.tokenizer,
        env=setting.env,
        python=setting.workspace.python,
        threads=int(threads(setting.tier.parallel_seeds).get("OMP_NUM_THREADS", 0)) or None,
    )
    logged = logs.read_log(setting.log(seed))
    claimed = logged.train_time_s
    return SeedResult(
        seed=seed,
        val_bpb=evaluation.val_bpb,
        val_loss=evaluation.val_loss,
        logged_val_bpb=logged.final_bpb,
        artifact_bytes=measured.artifact_bytes,
        train_time_s=claimed if claimed is not None and claimed <= ended.wall_time_s else None,
        wall_time_s=round(ended.wall_time_s, 3),
        eval_time_s=evaluation.eval_time_s,
        steps=logged.steps,
        memory_bytes=(setting.tier.gpus > 0 and logged.memory_bytes) or ended.peak_memory_bytes,
        log=setting.log(seed).relative_to(setting.folder).as_posix(),
        scored_on=(
            f"{evaluation.device} in {evaluation.dtype}, "
            f"{evaluation.scored_tokens:,} of {evaluation.total_tokens:,} target tokens"
        ),
    )


def _conclude(setting: Setting, seeds: list[SeedResult], left_out: list[str]) -> Result:
    workspace, experiment = setting.workspace, setting.experiment
    baseline = promotion.running_baseline(workspace, experiment.tier, setting.data)
    limit = workspace.challenge.artifact_bytes_max
    largest = max(seed.artifact_bytes for seed in seeds)
    scores = [seed.val_bpb for seed in seeds]
    baseline_scores = [] if baseline is None else [seed.val_bpb for seed in baseline.seeds]
    floor = promotion.noise_floor(workspace, experiment.tier, setting.data, scores)
    threshold = transfer.promotion_threshold(
        workspace, experiment.tier, setting.data, baseline_scores, len(scores), floor
    )
    decided = gate.decide(
        experiment=setting.folder.name,
        tier=experiment.tier,
        scores=scores,
        baseline=None if baseline is None else baseline.experiment,
        baseline_scores=baseline_scores,
        artifact_bytes=largest,
        limit_bytes=limit,
        line_delta=experiments.line_delta(workspace, setting.folder, experiment),
        has_hypothesis=bool(experiment.hypothesis.strip()),
        threshold=threshold.promotion,
        floor=floor,
    )
    notes = [
        f"seed {seed.seed}: the log says {seed.logged_val_bpb:.6f}, Caddie measured {seed.val_bpb:.6f}"
        for seed in seeds
        if seed.logged_val_bpb is not None and abs(seed.logged_val_bpb - seed.val_bpb) > rules.DISAGREEMENT_BPB
    ]
    if workspace.config.gate.mode == "adaptive":
        notes.append(f"promotion threshold {threshold.promotion:.2%}, {threshold.reason}")
    notes += _warnings(setting, seeds, baseline)
    notes += sorted({f"scored on {seed.scored_on}" for seed in seeds})
    if left_out:
        notes.append(f"not in the snapshot: {', '.join(left_out[:5])}{' …' if len(left_out) > 5 else ''}")
    try:
        lines = references.reference_bpb(setting.workspace.data, setting.workspace.tokenizer, workspace.state / "cache")
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
        cost_usd=round(_cost_usd(setting), 4),
        seeds=seeds,
        promotion=decided,
        data=setting.data,
        reference_bpb=lines,
        settings={key: value for key, value in setting.env.items() if not key.endswith(("_PATH", "_DIR"))},
        notes=notes,
        finished_at=datetime.now(UTC),
    )


def _cost_usd(setting: Setting) -> float:
    """Of this machine by the second, of others as their leases say."""
    if setting.tier.backend != "local":
        return sum(lease.cost_usd for lease in Leases(setting.workspace.database).of_run(setting.run_id))
    return cost_usd(time.monotonic() - setting.started, setting.tier.gpus, setting.tier.hourly_rate_usd)


def _warnings(setting: Setting, seeds: list[SeedResult], baseline: Result | None) -> list[str]:
    """What makes a comparison with the baseline say less than its numbers do."""
    found = [
        f"seed {seed.seed} was stopped early by its stop file{f': {told}' if (told := why(stop)) else ''}"
        for seed in seeds
        if (stop := setting.stop_file(seed.seed)).exists()
    ]
    if baseline is None:
        return found
    steps = [seed.steps for seed in seeds if seed.steps]
    theirs = [seed.steps for seed in baseline.seeds if seed.steps]
    if steps and theirs and not 0.9 <= fmean(steps) / fmean(theirs) <= 1.1:
        found.append(
            f"{fmean(steps):.0f} steps against the baseline's {fmean(theirs):.0f}: unless the idea meant that, "
            "this machine's load decided, and the run should be repeated"
        )
    if {seed.val_bpb for seed in seeds} & {seed.val_bpb for seed in baseline.seeds}:
        found.append("a score is identical to the baseline's: did the change reach the script?")
    return found


def _check_frozen(setting: Setting, before: dict[str, str]) -> None:
    after = worktree.fingerprint(setting.workspace.root, setting.workspace.config.guard.frozen)
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if data_fingerprint(setting.workspace) != setting.data:
        changed.append("the validation data or the tokenizer")
    if changed:
        raise FrozenFileChanged(
            f"{', '.join(changed[:5])} changed while the run was on; experiments are scored with these files, so "
            "its numbers do not count. Restore them (git checkout), then run again."
        )


def data_fingerprint(workspace: Workspace) -> str:
    """What scores mean here: the data folder's name, and a hash over validation shards, side-cars and tokenizer."""
    files = [*shards.find_shards(workspace.data, "val"), *shards.find_sidecars(workspace.data), workspace.tokenizer]
    digest = hashlib.sha256()
    for path in files:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"{workspace.data.name} {digest.hexdigest()[:16]}"


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
    return "\n".join(f"  {line[:300]}" for line in durable.tail(log, 4000).splitlines()[-lines:])
