"""Starting long work: an experiment's run, or an evaluation, as a job of its own.

Checks everything that can be checked beforehand, so that a job that starts has what it needs.
"""

import sys
from pathlib import Path
from typing import Any

from golf import durable
from golf.errors import AmbiguousInput, BadConfig, NotFound
from golf.jobs.local import LocalJobs
from golf.jobs.store import Record
from golf.measure import bpb, shards
from golf.play import experiments, promotion
from golf.schema import Job, Plan
from golf.workspace import TierSettings, Workspace

EVALUATION_LIMIT_S = 6 * 3600.0


def start_run(workspace: Workspace, name: str, *, again: bool = False, foreground: bool = False) -> Job:
    """Play an experiment on its (free) tier; returns the job at once.

    Args:
        workspace: Where the experiment lies.
        name: Its folder's name, or its slug.
        again: Play it although it has a result; the earlier one moves to `earlier/`.
        foreground: The job ends with the calling process.

    Raises:
        NotFound: no such experiment, or its script, shards or tokenizer are missing.
        BadConfig: config.yaml or golf.toml is not usable, or the tier is paid.
        AmbiguousInput: it has been played, or is being played now.
    """
    folder, tier = _playable(workspace, name)
    jobs = LocalJobs(workspace)
    for job in jobs.recent(100):
        if job.kind == "run" and job.subject == folder.name and job.ended_at is None:
            raise AmbiguousInput(f"{folder.name} is being played by job {job.id}. Watch it: golf wait {job.id}")
    result = experiments.read_result(folder)
    if result is not None:
        if not again and result.status != "crash":
            raise AmbiguousInput(
                f"{folder.name} was played already: val_bpb {result.val_bpb}, {result.status}. A changed idea is a new "
                f"experiment; to repeat this one: golf run {folder.name} --again"
            )
        experiments.set_aside(folder, result)

    def request(record: Record, job_folder: Path) -> list[str]:
        return _worker(job_folder, {"experiment": folder.name})

    return jobs.submit("run", folder.name, request, time_limit_s=tier.time_limit_s, foreground=foreground)


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
        settings={**tier.env, **experiment.env},
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
    """
    settings = dict(env or {})
    target = Path(path)
    try:
        folder = experiments.find(workspace, path)
    except NotFound:
        target = target if target.exists() else workspace.root / path
    else:
        experiment = experiments.load(folder)
        settings = {**workspace.tier(experiment.tier).env, **experiment.env, **settings}
        target = experiments.artifact_folder(folder)
    checkpoint, chosen = bpb.find_checkpoint(target.resolve(), Path(script).resolve() if script else None)
    asked: dict[str, Any] = {
        "checkpoint": str(checkpoint),
        "script": str(chosen),
        "data": str(Path(data).resolve() if data else workspace.data),
        "tokenizer": str(Path(tokenizer).resolve() if tokenizer else workspace.tokenizer),
        "env": settings,
        "seq_len": seq_len,
        "stride": stride,
        "max_tokens": max_tokens,
        "dtype": dtype,
        "python": workspace.config.train.python or sys.executable,
    }
    _check_course(workspace, {"DATA_PATH": asked["data"], "TOKENIZER_PATH": asked["tokenizer"]})

    def request(record: Record, job_folder: Path) -> list[str]:
        return _worker(job_folder, asked)

    return LocalJobs(workspace).submit(
        "evaluate", path, request, time_limit_s=EVALUATION_LIMIT_S, foreground=foreground
    )


def _playable(workspace: Workspace, name: str) -> tuple[Path, TierSettings]:
    folder = experiments.find(workspace, name)
    experiment = experiments.load(folder)
    tier = workspace.tier(experiment.tier)
    if tier.backend != "local" or tier.hourly_rate_usd > 0:
        raise BadConfig(f"tier {experiment.tier!r} is not the free local one; `golf run` never spends money")
    if not (folder / experiment.script).is_file():
        raise NotFound(f"{folder / experiment.script} is missing; {folder.name}/config.yaml names it as its script")
    _check_course(workspace, {**tier.env, **experiment.env})
    return folder, tier


def _worker(job_folder: Path, request: dict[str, Any]) -> list[str]:
    durable.replace_json(job_folder / "request.json", request)
    return [sys.executable, "-m", "golf.cli.worker", str(job_folder)]


def _check_course(workspace: Workspace, env: dict[str, str]) -> None:
    data = workspace.root / env.get("DATA_PATH", str(workspace.data))
    tokenizer = workspace.root / env.get("TOKENIZER_PATH", str(workspace.tokenizer))
    for shard in shards.find_shards(data, "val"):
        shards.read_header(shard)
    if not tokenizer.is_file():
        raise NotFound(f"no tokenizer at {tokenizer}. Fetch the challenge's: golf data fineweb; or set data.tokenizer")
