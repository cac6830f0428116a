"""Jobs outlive whoever started them, end whole, and never leave an ended state."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from scene import eventually

from golf.errors import AmbiguousInput, NotFound
from golf.jobs import process, progress, reaper
from golf.jobs.local import LocalJobs
from golf.jobs.store import JobStore
from golf.schema import Job
from golf.workspace import Workspace

SLEEP = "import time; print('up', flush=True); time.sleep(600)"
TREE = (  # a worker whose own child leaves the process group and ignores SIGTERM, as torchrun's may
    "import subprocess, sys, time\n"
    "inner = 'import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True); time.sleep(600)'\n"
    "child = subprocess.Popen([sys.executable, '-c', inner], stdout=subprocess.PIPE, start_new_session=True)\n"
    "child.stdout.read(1); print('up', flush=True); time.sleep(600)\n"
)


def start(workspace: Workspace, code: str, *, time_limit_s: float = 300.0, foreground: bool = False) -> Job:
    command = [sys.executable, "-u", "-c", code]
    return LocalJobs(workspace).submit(
        "run", "some-experiment", lambda record, folder: command, time_limit_s=time_limit_s, foreground=foreground
    )


def is_up(job: Job) -> bool:
    output = Path(job.folder) / "output.log"
    return output.exists() and b"up" in output.read_bytes()


def processes_of(job: Job) -> list[psutil.Process]:
    return [one for one in process.marked(job.id) if one.status() != psutil.STATUS_ZOMBIE]


def test_a_job_that_ends_by_itself_is_done_and_says_what_it_said(workspace: Workspace) -> None:
    code = "import json, os, sys; json.dump({'message': 'fine', 'result': {'n': 1}}, open('outcome.json', 'w'))"
    jobs = LocalJobs(workspace)
    job = jobs.submit(
        "evaluate",
        "x",
        lambda record, folder: [sys.executable, "-c", f"import os; os.chdir({str(folder)!r}); {code}"],
        time_limit_s=60,
    )
    ended = jobs.wait(job.id, 60)
    assert (ended.state, ended.exit_code, ended.message, ended.result) == ("done", 0, "fine", {"n": 1})


def test_a_job_that_fails_says_the_last_line_it_wrote(workspace: Workspace) -> None:
    job = start(workspace, "import sys; print('half way'); sys.exit('no more memory')")
    ended = LocalJobs(workspace).wait(job.id, 60)
    assert (ended.state, ended.exit_code) == ("failed", 1)
    assert "no more memory" in ended.message


def test_cancelling_ends_the_whole_tree_even_what_left_the_group(workspace: Workspace) -> None:
    job = start(workspace, TREE)
    eventually(lambda: is_up(job))
    assert len(processes_of(job)) == 2
    assert LocalJobs(workspace).cancel(job.id).state == "cancelled"
    assert processes_of(job) == []


def test_cancelling_twice_changes_nothing(workspace: Workspace) -> None:
    job = start(workspace, SLEEP)
    first = LocalJobs(workspace).cancel(job.id)
    assert LocalJobs(workspace).cancel(job.id) == first


def test_a_job_is_ended_at_its_time_limit(workspace: Workspace) -> None:
    ended = LocalJobs(workspace).wait(start(workspace, SLEEP, time_limit_s=0.5).id, 60)
    assert ended.state == "timed_out"
    assert "time limit" in ended.message


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_to_the_supervisor_ends_the_job_and_then_the_supervisor(workspace: Workspace, number: int) -> None:
    job = start(workspace, SLEEP)
    eventually(lambda: is_up(job))
    supervisor = JobStore(workspace).get(job.id)
    assert supervisor.supervisor_pid is not None
    os.kill(supervisor.supervisor_pid, number)
    ended = LocalJobs(workspace).wait(job.id, 60)
    assert ended.state == "cancelled"
    assert signal.Signals(number).name in ended.message
    eventually(lambda: not process.is_alive(supervisor.supervisor_pid, supervisor.supervisor_started))
    assert processes_of(job) == []


def test_a_killed_supervisor_s_job_is_lost_and_swept_up_at_the_next_look(workspace: Workspace) -> None:
    job = start(workspace, TREE)
    eventually(lambda: is_up(job))
    pid = JobStore(workspace).get(job.id).supervisor_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not process.is_alive(pid, JobStore(workspace).get(job.id).supervisor_started))
    assert [record.id for record in reaper.reap(workspace)] == [job.id]
    assert LocalJobs(workspace).get(job.id).state == "lost"
    assert processes_of(job) == []


def test_a_supervisor_killed_after_the_result_was_written_loses_nothing(workspace: Workspace) -> None:
    job = start(workspace, SLEEP)
    eventually(lambda: is_up(job))
    progress.Status(Path(job.folder)).outcome("val_bpb 1.5", {"val_bpb": 1.5})
    pid = JobStore(workspace).get(job.id).supervisor_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: LocalJobs(workspace).get(job.id).state == "done")
    assert LocalJobs(workspace).get(job.id).result == {"val_bpb": 1.5}


SUBMITTER = """
import os, signal, sys
from pathlib import Path
from golf.jobs.local import LocalJobs
from golf.workspace import Workspace
job = LocalJobs(Workspace(Path.cwd())).submit(
    "run", "x", lambda record, folder: [sys.executable, "-u", "-c", sys.argv[1]],
    time_limit_s=300, foreground=sys.argv[2] == "foreground",
)
print(job.id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def submit_and_die(workspace: Workspace, code: str, how: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", SUBMITTER, code, how], cwd=workspace.root, stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    return done.stdout.strip()


def test_a_detached_job_survives_the_kill_of_whoever_started_it(workspace: Workspace) -> None:
    job_id = submit_and_die(workspace, "print('finished all the same')", "detached")
    assert LocalJobs(workspace).wait(job_id, 60).state == "done"


def test_a_foreground_job_ends_with_the_command_that_started_it(workspace: Workspace) -> None:
    job_id = submit_and_die(workspace, SLEEP, "foreground")
    ended = LocalJobs(workspace).wait(job_id, 60)
    assert ended.state == "cancelled"
    assert "has gone" in ended.message


def test_a_job_whose_submitter_died_before_starting_it_is_lost(workspace: Workspace) -> None:
    record = JobStore(workspace).add("run", "x", "local")
    JobStore(workspace).hand_over(record.id, 2**22 - 1)  # nobody
    reaper.reap(workspace)
    assert JobStore(workspace).get(record.id).state == "lost"


def in_a_container(workspace: Workspace, act: str) -> str:
    """What `act` prints where no pid of ours means anything; `jobs` is the workspace's jobs."""
    program = (
        "from golf.jobs import reaper; from golf.jobs.local import LocalJobs; from golf.workspace import Workspace; "
        f"workspace = Workspace.find(); jobs = LocalJobs(workspace); {act}"
    )
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", sys.executable, "-c", program], capture_output=True, text=True
    )
    if "unshare" in done.stderr:
        pytest.skip(f"no PID namespace can be made here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_a_job_is_not_lost_because_a_container_does_not_see_its_supervisor(workspace: Workspace) -> None:
    in_a_container(workspace, "pass")
    job = start(workspace, SLEEP)
    eventually(lambda: is_up(job))
    assert in_a_container(workspace, f"reaper.reap(workspace); print(jobs.get({job.id!r}).message)") == (
        progress.ELSEWHERE
    )
    assert JobStore(workspace).get(job.id).state == "running"
    assert in_a_container(workspace, f"print(jobs.cancel({job.id!r}).state)") == "cancelled"  # its supervisor heard
    assert processes_of(job) == []


def test_what_a_container_cannot_see_it_does_not_close_and_the_next_look_here_ends_it(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_a_container(workspace, "pass")
    job = start(workspace, TREE)
    eventually(lambda: is_up(job))
    record = JobStore(workspace).get(job.id)
    assert record.supervisor_pid is not None
    os.kill(record.supervisor_pid, signal.SIGKILL)
    asked = f"from golf.jobs import process; process.GRACE_S = -2; print(jobs.cancel({job.id!r}).state)"
    assert in_a_container(workspace, asked) == "running"
    assert processes_of(job) != []
    reaper.reap(workspace)
    assert JobStore(workspace).get(job.id).state == "lost" and processes_of(job) == []


def test_somebody_s_word_closes_a_job_whose_container_is_no_more(workspace: Workspace) -> None:
    begun = "record = jobs.store.add('run', 'x', 'local'); jobs.store.started(record.id); print(record.id)"
    job_id = in_a_container(workspace, begun)
    jobs = LocalJobs(workspace)
    jobs.store.folder(job_id).mkdir(parents=True)
    reaper.reap(workspace)
    assert jobs.get(job_id).state == "running" and jobs.get(job_id).message == progress.ELSEWHERE
    process.GRACE_S, grace = -2.0, process.GRACE_S
    try:
        assert jobs.cancel(job_id).state == "running"
        assert jobs.cancel(job_id, is_gone=True).state == "cancelled"
    finally:
        process.GRACE_S = grace


def test_a_copied_folder_judges_none_of_the_original_s_jobs(workspace: Workspace, tmp_path: Path) -> None:
    job = start(workspace, SLEEP)
    eventually(lambda: is_up(job))
    shutil.copytree(workspace.root, tmp_path / "copy")
    copied = Workspace(tmp_path / "copy")
    LocalJobs(workspace).cancel(job.id)
    assert reaper.reap(copied) == []
    assert JobStore(copied).get(job.id).state == "running"
    assert LocalJobs(copied).get(job.id).message == progress.ELSEWHERE


def test_what_still_runs_of_an_ended_job_is_swept_up_and_nobody_else_s(workspace: Workspace, tmp_path: Path) -> None:
    store = JobStore(workspace)
    ended, going = store.add("run", "x", "local"), store.add("run", "y", "local")
    store.ended(ended.id, "cancelled", None, "")
    shutil.copytree(workspace.root, tmp_path / "copy")
    left = [
        subprocess.Popen(["sleep", "600"], env={**os.environ, process.JOB_MARK: mark})
        for mark in (ended.id, going.id, "of-another-workspace")
    ]
    try:
        assert reaper.sweep(Workspace(tmp_path / "copy")) == 0
        assert reaper.sweep(workspace) == 1
        assert [child.poll() is None for child in left] == [False, True, True]
    finally:
        for child in left:
            child.kill()
            child.wait()


@pytest.mark.parametrize(
    ("where", "lives"),
    [
        (process.place(), True),
        ("elsewhere 1-2-3 pid:[4026531836]", None),
        (re.sub(" .* ", " an-earlier-boot ", process.place()), False),
        (re.sub(r"\d+", "7", process.place()), None),
    ],
)
def test_a_pid_means_something_where_it_was_seen_until_the_machine_is_started_anew(where: str, lives: object) -> None:
    assert process.lives(os.getpid(), process.start_time(os.getpid()), where, process.place()) is lives


def test_an_ended_job_stays_as_it_ended(workspace: Workspace) -> None:
    store = JobStore(workspace)
    record = store.add("run", "x", "local")
    assert store.ended(record.id, "cancelled", None, "first")
    assert not store.ended(record.id, "done", 0, "second")
    assert not store.started(record.id)
    assert (store.get(record.id).state, store.get(record.id).message) == ("cancelled", "first")


def test_one_experiment_is_run_once_at_a_time_however_many_ask(workspace: Workspace) -> None:
    from concurrent.futures import ThreadPoolExecutor

    def ask(number: int) -> str:
        try:
            return JobStore(workspace).add("run", "same", "local").id
        except AmbiguousInput:
            return "refused"

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert sorted(answers)[1:] == ["refused"] * 7
    JobStore(workspace).ended(sorted(answers)[0], "done", 0, "")
    assert JobStore(workspace).add("run", "same", "local").state == "queued"
    assert JobStore(workspace).add("evaluate", "same", "local").state == "queued"


def test_ids_are_found_by_beginning_or_ending_and_refused_when_ambiguous(workspace: Workspace) -> None:
    store = JobStore(workspace)
    one, two = store.add("run", "x", "local"), store.add("run", "y", "local")
    assert store.get(one.id[-6:]).id == one.id
    with pytest.raises(NotFound, match="several"):
        store.get(two.id[:8])
    with pytest.raises(NotFound, match="golf jobs"):
        store.get("no-such-job")


def test_progress_is_read_from_the_trainers_files(workspace: Workspace) -> None:
    store = JobStore(workspace)
    record = store.add("run", "x", "local")
    folder = store.folder(record.id)
    folder.mkdir(parents=True)
    files = [folder / "a.jsonl", folder / "b.jsonl"]
    files[0].write_text(
        '{"step": 8, "iterations": 20, "val_bpb": 2.5}\n{"step": 9, "iterations": 20, "train_loss": 3.5}\n'
    )
    files[1].write_text(
        '{"step": 7, "iterations": 20, "train_loss": 4.0}\n{"step": 8, "iter'
    )  # torn while being written
    progress.Status(folder).phase("training", metrics=files)
    job = progress.read_job(store, record)
    assert (job.phase, job.step, job.iterations, job.metrics) == ("training", 7, 20, {"train_loss": 4.0})
    assert progress.last_metrics(files[0]) == {"step": 9, "iterations": 20, "val_bpb": 2.5, "train_loss": 3.5}


def test_an_ended_job_does_not_show_the_numbers_of_the_next_run(workspace: Workspace) -> None:
    store = JobStore(workspace)
    record = store.add("run", "x", "local")
    folder = store.folder(record.id)
    folder.mkdir(parents=True)
    metrics = folder / "m.jsonl"
    progress.Status(folder).phase("training", metrics=[metrics])
    metrics.write_text('{"step": 9}\n')
    store.ended(record.id, "cancelled", None, "")
    assert progress.read_job(store, store.get(record.id)).step == 9
    later = metrics.stat().st_mtime + 60
    os.utime(metrics, (later, later))
    assert progress.read_job(store, store.get(record.id)).step is None


def test_a_trainer_that_knows_no_protocol_is_followed_by_its_log(workspace: Workspace) -> None:
    store = JobStore(workspace)
    record = store.add("run", "x", "local")
    folder = store.folder(record.id)
    folder.mkdir(parents=True)
    (folder / "train.log").write_text("step:200/20000 train_loss:3.1000 train_time:4000ms step_avg:20.00ms\n")
    progress.Status(folder).phase("training", metrics=[folder / "none"], logs=[folder / "train.log"])
    job = progress.read_job(store, record)
    assert job.step == 200
    assert job.metrics["train_loss"] == 3.1


def test_a_descendant_that_hides_its_mark_and_detaches_ends_with_the_job(workspace: Workspace) -> None:
    code = (
        "import subprocess, sys\n"
        "child = subprocess.Popen(['sleep', '600'], env={}, start_new_session=True)\n"
        "print('up', child.pid, flush=True)\n"
    )
    job = start(workspace, code)
    assert LocalJobs(workspace).wait(job.id, 60).state == "done"
    pid = int((Path(job.folder) / "output.log").read_text().split()[1])
    eventually(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)


def test_hostile_metrics_are_ignored(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    numbers = '{"step": NaN, "a": Infinity, "b": 1e999, "c": ' + "9" * 400 + ', "d": 1}'
    path.write_text("[" * 100_000 + "\n" + numbers + "\n")
    assert progress.last_metrics(path) == {"d": 1.0}
    path.write_text(
        '[]\nnull\n{"step": "x", "flag": true}\n{"nested": {"a": 1}}\n\x00\xff\n' + json.dumps({"step": 3}) + "\n"
    )
    assert progress.last_metrics(path) == {"step": 3.0}
    assert progress.read_metrics(path) == [{"step": 3.0}]
