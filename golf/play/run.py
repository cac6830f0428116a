"""One run of an experiment: worktree, train, measure, evaluate, decide, record.

Called in the job's own process. Every seed trains in a checkout of the snapshot commit, its
artifact is copied to the experiment's folder, weighed and scored by Caddie itself; what the
trainer's log claims is only compared. Nothing is recorded that was not measured.
"""

import hashlib
import shutil
import time
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, stdev

from golf import rules
from golf.errors import FrozenFileChanged, GolfError, JobFailed
from golf.jobs import process, progress, salvage
from golf.jobs.leases import Leases
from golf.measure import artifact, bpb, logs, references, shards
from golf.play import experiments, gate, promotion, record, settlement, transfer, worktree
from golf.play.replay import Replay
from golf.play.training import Setting, threads, train
from golf.play.watching import why
from golf.schema import Gate, Result, SeedResult
from golf.workspace import Workspace


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
    `salvaged` nothing is trained: what a lost run's trainers left is scored (`golf.jobs.salvage`), of the seeds that
    are there, and where a newer run of the experiment is recorded its evidence goes to `earlier/`.

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
        place = record.make_place(workspace, folder, run_id) if salvaged else folder
        setting = Setting(
            workspace, folder, source, experiment, tier, run_id, commit, data, status, started, place, salvaged
        )
        if not setting.seeds:
            raise JobFailed(f"of run {run_id} no seed was kept that {folder.name} claims ({experiment.seeds})")
        seeds = _all_seeds(setting)
        _check_frozen(setting, frozen)
        status.phase("deciding")
        result = _conclude(setting, seeds, left_out)
    except GolfError as error:
        record.crash(workspace, run_id, folder.name, str(error))
        raise
    record.record(workspace, result, experiments.described(folder.name, experiment))
    salvage.drop(workspace, run_id)
    return result


def _all_seeds(setting: Setting) -> list[SeedResult]:
    """Train and score every seed, at most `parallel_seeds` at once; the first failure ends the rest."""
    seeds = setting.seeds
    shutil.rmtree(setting.place / "artifact", ignore_errors=True)
    for seed in seeds:
        setting.log(seed).parent.mkdir(parents=True, exist_ok=True)
        setting.log(seed).unlink(missing_ok=True)
        setting.metrics(seed).unlink(missing_ok=True)
        if setting.salvaged is None:  # of a lost run it says that its training was stopped early
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
        ended = train(setting, seed, lambda: f"another seed failed: {first[0]}" if first else None)
        return _score(setting, seed, ended)
    except BaseException as error:
        first.append(error)
        raise


def _score(setting: Setting, seed: int, ended: process.Ended) -> SeedResult:
    """Weigh and evaluate one seed's artifact; the log is only asked for what cannot be measured afterwards."""
    target = setting.place / "artifact" / f"seed{seed}"
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
        log=setting.log(seed).relative_to(setting.place).as_posix(),
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
    missing = _missing(setting)
    if missing:
        decided = gate.with_gate(decided, Gate(name="evidence", verdict="fail", reason="; ".join(missing)))
    notes = missing + [
        f"seed {seed.seed}: the log says {seed.logged_val_bpb:.6f}, Caddie measured {seed.val_bpb:.6f}"
        for seed in seeds
        if seed.logged_val_bpb is not None and abs(seed.logged_val_bpb - seed.val_bpb) > rules.DISAGREEMENT_BPB
    ]
    if workspace.config.gate.mode == "adaptive":
        notes.append(f"promotion threshold {threshold.promotion:.2%}, {threshold.reason}")
    notes += _warnings(setting, seeds, baseline)
    if still := [one for one in Leases(workspace.database).of_run(setting.run_id) if one.state in ("asked", "held")]:
        notes.append(
            f"cost_usd is until now: {len(still)} of its launches not known to be gone yet (golf check-budget)"
        )
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
        cost_usd=round(settlement.spent_usd(setting.workspace, setting.run_id), 4),
        seeds=seeds,
        promotion=decided,
        data=setting.data,
        reference_bpb=lines,
        settings={key: value for key, value in setting.env.items() if not key.endswith(("_PATH", "_DIR"))},
        notes=notes,
        finished_at=datetime.now(UTC),
    )


def _missing(setting: Setting) -> list[str]:
    """Of a lost run's claimed seeds, those that are not there to be scored, each with why."""
    leases = {lease.seed: lease for lease in Leases(setting.workspace.database).of_run(setting.run_id)}
    found = []
    for seed in setting.experiment.seeds:
        if seed in setting.seeds:
            continue
        lease = leases.get(seed)
        if lease is None or not lease.may_have_started:
            why = f"it was never started ({'no lease' if lease is None else lease.message or lease.state})"
        else:
            why = f"its launch left no result ({lease.message})"
        found.append(f"seed {seed} of the claim is missing, because this run was lost: {why}")
    return found


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
