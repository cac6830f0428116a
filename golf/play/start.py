"""Starting long work: an experiment's run, or an evaluation, as a job of its own.

Checks everything that can be checked beforehand, so that a job that starts has what it needs.
"""

import contextlib
import json
import math
import sqlite3
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from golf import database, durable
from golf.errors import AmbiguousInput, NotFound
from golf.jobs import leases, watchdog
from golf.jobs.backend import ready_backend
from golf.jobs.local import LocalJobs
from golf.jobs.store import Record
from golf.measure import bpb, shards
from golf.play import experiments, promotion, record, settlement, worktree
from golf.play.budget import cost_usd
from golf.play.replay import Replay
from golf.schema import Job, Plan
from golf.workspace import TierSettings, Workspace

EVALUATION_LIMIT_S = 6 * 3600.0
AFTERWARDS_S = 6 * 3600.0
"""For fetching and scoring here what trained elsewhere; only the training costs, and has the tier's limit."""
AROUND_S = 600.0
"""For asking for a launch that trains elsewhere and seeing it gone, beside its own limit."""


def start_run(
    workspace: Workspace,
    name: str,
    *,
    again: bool = False,
    foreground: bool = False,
    pay: Callable[[str, Path], None] | None = None,
    replay: Replay | None = None,
) -> Job:
    """Play an experiment on its tier, which is free unless somebody pays; returns the job at once.

    Args:
        workspace: Where the experiment lies.
        name: Its folder's name, or its slug.
        again: Play it although it has a result; the earlier one moves to `earlier/`.
        foreground: The job ends with the calling process.
        pay: Given the run's id and its job's folder, sets its cost aside or refuses; called before anything is started.
        replay: Play this commit instead of the working tree, on these settings.

    Raises:
        NotFound: no such experiment, or its script, shards or tokenizer are missing.
        BadConfig: config.yaml or golf.toml is not usable, or the tier is paid.
        AmbiguousInput: it has been played, or is being played now.
        UnreadableInput: a shard is damaged, or the running baseline's evidence is gone.
    """
    record.recover(workspace)
    folder, tier = _playable(workspace, name, is_paid=pay is not None)
    result = experiments.read_result(folder)
    written = experiments.load(folder)
    if result is not None and not again and result.status != "crash":
        told = f"golf run {folder.name}" if pay is None else f"golf submit {written.parent} --tier {written.tier}"
        raise AmbiguousInput(
            f"{folder.name} was played already: val_bpb {result.val_bpb}, {result.status}. A changed idea is a new "
            f"experiment; to repeat this one: {told} --again"
        )
    claim = replay.claim if replay else written

    def request(row: Record, job_folder: Path) -> list[str]:
        if pay is not None:
            pay(row.id, job_folder)
        elif tier.backend != "local":
            with (
                contextlib.closing(database.connect(workspace.database, leases.TABLES)) as connection,
                database.transaction(connection),
            ):
                plan_launches(workspace, connection, row.id, claim.seeds, claim.tier, tier)
        if tier.backend != "local":
            watchdog.ensure(workspace)  # before there is anything to watch: who submits may be killed at any moment
        with record.lock(workspace):  # only now: the row that is won here keeps every other run of it away
            there = experiments.read_result(folder)
            if there is not None:
                experiments.set_aside(folder, there)
        orders = {} if replay is None else {"replay": replay.model_dump(mode="json")}
        return _worker(job_folder, {"experiment": folder.name, **orders})

    return LocalJobs(workspace).submit(
        "run",
        folder.name,
        request,
        time_limit_s=_limit_s(tier, len(claim.seeds)),
        foreground=foreground,
        backend=tier.backend,
    )


def plan_launches(
    workspace: Workspace,
    connection: sqlite3.Connection,
    run_id: str,
    seeds: Sequence[int],
    name: str,
    tier: TierSettings,
) -> None:
    """A lease for every seed that will train elsewhere; none on a tier that is here."""
    if tier.backend == "local":
        return
    leases.plan(
        connection,
        run_id,
        seeds,
        tier=name,
        backend=tier.backend,
        options=json.dumps(tier.options),
        usd_per_s=cost_usd(1.0, tier.gpus, tier.hourly_rate_usd),
        limit_s=tier.time_limit_s,
        lease_s=workspace.config.jobs.lease_s,
    )


def plan_run(workspace: Workspace, name: str) -> Plan:
    """What `start_run` would do, after the same checks.

    Raises:
        GolfError: as `start_run`.
    """
    folder, tier = _playable(workspace, name)
    experiment = experiments.load(folder)
    baseline = promotion.running_baseline(workspace, experiment.tier)
    return Plan(
        experiment=folder.name,
        tier=experiment.tier,
        command=experiment.command or tier.command,
        seeds=experiment.seeds,
        parallel_seeds=tier.parallel_seeds,
        settings=experiments.settings(workspace, experiment),
        time_limit_s=tier.time_limit_s,
        cost_usd=0.0,
        baseline=None if baseline is None else baseline.experiment,
    )


def start_evaluation(
    workspace: Workspace,
    path: str,
    *,
    script: str | None = None,
    data: str | None = None,
    tokenizer: str | None = None,
    env: dict[str, str] | None = None,
    seq_len: int | None = None,
    stride: int | None = None,
    max_tokens: int | None = None,
    dtype: str = "float32",
    foreground: bool = False,
) -> Job:
    """Score a checkpoint, an artifact folder or an experiment on the validation split; returns the job at once.

    Raises:
        NotFound: the path, its script, the shards or the tokenizer are missing.
        AmbiguousInput: several checkpoints could be meant.
        BadConfig: golf.toml or config.yaml is not usable.
        UnreadableInput: there are no weights, or a shard is damaged.
    """
    settings = {"DATA_PATH": str(workspace.data), "TOKENIZER_PATH": str(workspace.tokenizer), **(env or {})}
    target = Path(path)
    try:
        folder = experiments.find(workspace, path)
    except NotFound:
        target = target if target.exists() else workspace.root / path
        around = experiments.around(workspace, target)
        if around is not None:
            settings = {**experiments.settings(workspace, experiments.load(around)), **(env or {})}
    else:
        settings = {**experiments.settings(workspace, experiments.load(folder)), **(env or {})}
        target = experiments.artifact_folder(folder)
    checkpoint, chosen = bpb.find_checkpoint(target.resolve(), Path(script).resolve() if script else None)
    asked: dict[str, Any] = {
        "checkpoint": str(checkpoint),
        "script": str(chosen),
        "data": str(Path(data or settings["DATA_PATH"]).resolve()),
        "tokenizer": str(Path(tokenizer or settings["TOKENIZER_PATH"]).resolve()),
        "env": settings,
        "seq_len": seq_len,
        "stride": stride,
        "max_tokens": max_tokens,
        "dtype": dtype,
        "python": workspace.python,
    }
    _check_course(asked["data"], asked["tokenizer"])

    def request(row: Record, job_folder: Path) -> list[str]:
        return _worker(job_folder, asked)

    return LocalJobs(workspace).submit(
        "evaluate", path, request, time_limit_s=EVALUATION_LIMIT_S, foreground=foreground
    )


def _playable(workspace: Workspace, name: str, is_paid: bool = False) -> tuple[Path, TierSettings]:
    folder = experiments.find(workspace, name)
    experiment = experiments.load(folder)
    worktree.toplevel(workspace.root)  # a run that cannot start is no crash
    tier = workspace.tier(experiment.tier)
    if not is_paid:
        settlement.check_free(workspace, experiment.tier, folder.name)
    if tier.backend != "local":
        ready_backend(tier.backend, tier.options)
    if not (folder / experiment.script).is_file():
        raise NotFound(f"{folder / experiment.script} is missing; {folder.name}/config.yaml names it as its script")
    settings = experiments.settings(workspace, experiment)
    _check_course(settings["DATA_PATH"], settings["TOKENIZER_PATH"])
    promotion.running_baseline(workspace, experiment.tier)  # readable, before hours are spent
    return folder, tier


def _limit_s(tier: TierSettings, num_seeds: int) -> float:
    """Of the job here: the run's limit; elsewhere that of every launch, one round of launches after the other."""
    if tier.backend == "local":
        return tier.time_limit_s
    rounds = math.ceil(num_seeds / tier.parallel_seeds)
    return rounds * (tier.time_limit_s + AROUND_S) + AFTERWARDS_S


def _worker(job_folder: Path, request: dict[str, Any]) -> list[str]:
    durable.replace_json(job_folder / "request.json", request)
    return [sys.executable, "-m", "golf.cli.worker", str(job_folder)]


def _check_course(data: str, tokenizer: str) -> None:
    for shard in shards.find_shards(Path(data), "val"):
        shards.read_header(shard)
    if not Path(tokenizer).is_file():
        raise NotFound(
            f"no tokenizer at {tokenizer}. Fetch the challenge's: golf data fineweb; or set data.tokenizer in golf.toml"
        )
