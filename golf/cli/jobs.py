"""`golf jobs`, `golf job`, `golf wait`, `golf cancel`, `golf reap`."""

import argparse
import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence

from golf.cli import verb
from golf.jobs.local import LocalJobs
from golf.jobs.store import Record
from golf.schema import Job
from golf.workspace import Workspace


def register(verbs: verb.Verbs) -> None:
    """Declare the verbs about long work."""
    many = verb.add(verbs, "jobs", jobs, "list the newest jobs", "golf jobs --json")
    many.add_argument("-n", "--limit", type=verb.whole, default=20, help="how many (default: 20)")
    one = verb.add(verbs, "job", job, "show one job: state, progress, last metrics", "golf job 3f2a1c")
    wait_for = verb.add(verbs, "wait", wait, "wait for a job's end", "golf wait 3f2a1c --timeout 600")
    wait_for.add_argument("--timeout", type=float, default=None, metavar="S", help="seconds (default: until it ends)")
    stop = verb.add(verbs, "cancel", cancel, "ask a job to stop, then make sure", "golf cancel 3f2a1c")
    for parser in (one, wait_for, stop):
        parser.add_argument("id", help="the job's id, or an unambiguous beginning or ending of it")
    stop.add_argument(
        "--gone", action="store_true", help="close it unseen: the machine or container that it ran on is no more"
    )
    end = verb.add(verbs, "reap", reap, "end what killed commands left running, here and elsewhere", "golf reap")
    end.add_argument(
        "--adopt",
        action="store_true",
        help="also what a copied or restored folder brought along: the workspace it came from is no more",
    )


def jobs(arguments: argparse.Namespace) -> int:
    """The newest first."""
    from golf.report import render

    render.show(LocalJobs(verb.opened()).recent(arguments.limit), json=arguments.json)
    return 0


def job(arguments: argparse.Namespace) -> int:
    """Reads files only; the running trainer is not touched."""
    from golf.report import render

    render.show(LocalJobs(verb.opened()).get(arguments.id), json=arguments.json)
    return 0


def wait(arguments: argparse.Namespace) -> int:
    """Exit 0 when it ended well, 1 when it did not, or not yet."""
    from golf.report import render

    workspace = verb.opened()
    local = LocalJobs(workspace)
    ended = follow(local, local.get(arguments.id), f"job {arguments.id}", arguments.timeout)
    render.show(ended, json=arguments.json)
    if ended.ended_at is None:
        print(f"golf wait: still {ended.state} after {arguments.timeout:g} s", file=sys.stderr)
    return 0 if ended.state == "done" else 1


def cancel(arguments: argparse.Namespace) -> int:
    """Cancelling an ended job changes nothing. Exit 1 when it is asked to stop and has not been seen to."""
    from golf.report import render

    cancelled = LocalJobs(verb.opened()).cancel(arguments.id, arguments.gone)
    verb.opened()  # what the run had set aside comes back
    render.show(cancelled, json=arguments.json)
    return 0 if cancelled.ended_at is not None else 1


def reap(arguments: argparse.Namespace) -> int:
    """Every command reaps at its start; this one asks providers, and says what it found. Exit 1: not all is gone."""
    from golf.jobs import ending, reaper
    from golf.jobs.leases import Leases
    from golf.jobs.progress import read_job
    from golf.jobs.store import JobStore
    from golf.report import render

    workspace = Workspace.find()
    lost = reaper.reap(workspace)
    if swept := reaper.sweep(workspace):
        print(f"golf reap: {swept} processes of jobs that have ended were still there, and were ended", file=sys.stderr)
    leases = Leases(workspace.database)
    if arguments.adopt:
        for one in leases.foreign():
            print(f"golf reap: {one.key} is this workspace's now", file=sys.stderr)
        leases.adopt()
        lost += reaper.adopt(workspace)
    foreign, unseen = leases.foreign(), reaper.unseen(workspace)
    all_gone = ending.due(workspace)
    verb.opened()
    render.show([read_job(JobStore(workspace), record) for record in [*lost, *unseen]], json=arguments.json)
    if not all_gone:
        print("golf reap: not all of it is known to be gone; its money stays set aside. Try again", file=sys.stderr)
    if foreign:
        print(
            f"golf reap: left to the workspace that this one was copied from: {', '.join(one.key for one in foreign)}. "
            "If it is no more: golf reap --adopt",
            file=sys.stderr,
        )
    if unseen:
        print(f"golf reap: {_told(unseen)}", file=sys.stderr)
    return 0 if all_gone and not foreign and not unseen else 1


def _told(unseen: Sequence[Record]) -> str:
    """Which open jobs cannot be judged from here, why, and what closes them."""
    brought, elsewhere = ([one for one in unseen if one.is_copied is of_copy] for of_copy in (True, False))
    many = "1 open job" if len(unseen) == 1 else f"{len(unseen)} open jobs"
    told = f"{many} cannot be judged from here, as what runs there is not seen."
    if brought:
        told += f" Came along with a copied or restored folder: {_ids(brought)}. If the original is no more: "
        told += "golf reap --adopt."
    if elsewhere:
        told += f" Started on another machine or in another container: {_ids(elsewhere)}. If that is no more: "
        told += "golf cancel ID --gone"
    return told


def _ids(jobs: Sequence[Record]) -> str:
    return ", ".join(one.id for one in jobs)


def finished(workspace: Workspace, job: Job, title: str) -> Job:
    """Follow a foreground job to its good end.

    Raises:
        JobFailed: it ended otherwise; `exit_code` is the job's where it gave one.
    """
    from golf.errors import JobFailed
    from golf.play import record

    local = LocalJobs(workspace)
    try:
        ended = follow(local, job, title)
    except KeyboardInterrupt:
        print(f"stopping {title} …", file=sys.stderr)
        local.cancel(job.id)
        record.recover(workspace)
        raise
    record.recover(workspace)
    if ended.state != "done":
        failure = JobFailed(f"{ended.state}: {ended.message} (output: {ended.folder})")
        failure.exit_code = 1 if ended.exit_code == 1 else 2
        raise failure
    return ended


@contextlib.contextmanager
def telling_what_goes_on(going: Callable[[], Mapping[str, str]]) -> Iterator[None]:
    """Ctrl-C leaves several runs, which are jobs of their own: say which go on, and how to end each (name → job id)."""
    try:
        yield
    except KeyboardInterrupt:
        for name, job in going().items():
            print(f"golf: {name} goes on and will be kept; to end it: golf cancel {job}", file=sys.stderr)
        raise


def follow(local: LocalJobs, job: Job, title: str, timeout_s: float | None = None) -> Job:
    """Wait with a progress bar (plain lines in a pipe); a KeyboardInterrupt cancels a foreground job."""
    from golf.report import render

    with render.progress(title) as bar:

        def poll(now: Job) -> None:
            if now.phase is None:  # not begun, or over
                return
            shown = " ".join(f"{key} {now.metrics[key]:.4f}" for key in ("train_loss", "val_bpb") if key in now.metrics)
            bar.update(now.phase, now.step or 0, now.iterations, shown)

        return local.wait(job.id, timeout_s, poll)
