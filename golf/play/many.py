"""Many experiments on free tiers, a few at a time: what has a result is left alone, what is being played is followed.

So a sweep that was killed goes on by being asked for again: nothing is played twice, and the ledger gets a row each.
"""

import time
from collections.abc import Callable, Sequence

from golf.errors import AmbiguousInput, GolfError
from golf.jobs.local import LocalJobs
from golf.jobs.store import JobStore
from golf.play import experiments, record, start
from golf.schema import Job, Played
from golf.workspace import Workspace

POLL_S = 0.5


def play_all(
    workspace: Workspace,
    names: Sequence[str],
    *,
    at_once: int = 1,
    on_change: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> list[Played]:
    """Play experiments to their ends, at most `at_once` at the same time; in the order of `names`.

    `on_change` is told how many have ended, of how many, and what happened last. One that fails costs no other one.

    Raises:
        NotFound: there is no experiment of a name.
    """
    folders = [experiments.find(workspace, name) for name in dict.fromkeys(names)]
    record.recover(workspace)
    ended: dict[str, Played] = {}
    waiting = []
    for folder in folders:
        result = experiments.read_result(folder)
        if result is None or result.status == "crash":
            waiting.append(folder.name)
        else:
            ended[folder.name] = _played(workspace, folder.name, "", was_there=True)
    on_change(len(ended), len(folders), f"{len(ended)} were played before")
    jobs, playing = LocalJobs(workspace), going(workspace, waiting)
    waiting = [name for name in waiting if name not in playing]
    while waiting or playing:
        while waiting and len(playing) < at_once:
            name = waiting.pop(0)
            try:
                playing[name] = start.start_run(workspace, name).id
            except AmbiguousInput:  # somebody else has begun it, or finished it
                playing |= going(workspace, [name])
                if name not in playing:
                    ended[name] = _played(workspace, name, "played by another")
            except GolfError as error:
                ended[name] = Played(experiment=name, val_bpb=None, status=str(error), was_there=False)
                on_change(len(ended), len(folders), f"{name}: {error}")
        for name, job in [(name, jobs.get(job_id)) for name, job_id in playing.items()]:
            if job.ended_at is not None:
                del playing[name]
                record.recover(workspace)
                ended[name] = _played(workspace, name, _why(job))
                on_change(len(ended), len(folders), f"{name}: {ended[name].status}")
        if waiting or playing:
            time.sleep(POLL_S)
    return [ended[folder.name] for folder in folders]


def going(workspace: Workspace, names: Sequence[str]) -> dict[str, str]:
    """Which of them are being played, with their jobs' ids."""
    rows = JobStore(workspace).recent(1000, ("queued", "running"))
    return {row.subject: row.id for row in rows if row.kind == "run" and row.subject in names}


def _played(workspace: Workspace, name: str, otherwise: str, was_there: bool = False) -> Played:
    result = experiments.read_result(workspace.experiments / name)
    val_bpb, status = (None, otherwise) if result is None else (result.val_bpb, result.status)
    return Played(experiment=name, val_bpb=val_bpb, status=status, was_there=was_there)


def _why(job: Job) -> str:
    return f"{job.state}: {job.message}"
