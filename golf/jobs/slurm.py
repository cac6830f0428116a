"""Back-end `slurm`: a batch job per launch, in a folder that the login node and the compute nodes share.

`sbatch`, `squeue`, `scontrol` and `scancel` are asked directly. submitit 1.5.4 was tried first, on the same cluster:
without an accounting database it calls every job UNKNOWN and warns at each look; the exit code is lost; its batch file
sends SIGUSR2 90 s before the limit, which ends a shell script; nodes need this very interpreter with submitit in it;
and `sbatch` gets our whole environment, so that API keys end up in the job and in the controller's state folder.

How a command ended stands in the launch's folder (`exit.json`) and is believed before the scheduler, which forgets jobs
some minutes after their end (MinJobAge) and need not answer. Its states come second. Job numbers start again when a
cluster is set up anew, so an id here is `NUMBER:KEY`, and nothing is looked at or ended unless both are right.

Folders stay when a launch has ended; they are the user's to remove.
"""

import contextlib
import errno
import math
import os
import re
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field

from golf import durable, environment
from golf.errors import MissingPackage
from golf.jobs import payload
from golf.jobs.backend import (
    CALL_S,
    KEY,
    BackendFailed,
    Launch,
    Refused,
    Remote,
    RemoteSettings,
    RemoteState,
    Uncertain,
)
from golf.jobs.heard import told

OWNER, JOB, SLURM_LOG = "owner", "job", "slurm.log"
"""Files in a launch's folder besides the payload's: our tag, the job's number, what Slurm itself says."""

SUBMIT_S = CALL_S / 2
LOOK_S = CALL_S / 4
"""For one question each; no act here asks more than one `sbatch` and two others."""
CHUNK_BYTES = 4 * 1024 * 1024
"""Read of a log at once."""
SEPARATOR = "\x1f"
"""Between the fields of `squeue`: no name or comment has it."""

PASSED_ON = {
    *("--constraint", "--exclude", "--exclusive", "--gpus", "--gpus-per-node", "--hint", "--licenses", "--mail-type"),
    *("--mail-user", "--mem-per-cpu", "--mem-per-gpu", "--cpus-per-gpu", "--nice", "--nodelist", "--oversubscribe"),
    *("--propagate", "--reservation", "--switches", "--tmp", "--wckey"),
}
"""What `arguments` may hold. Left out: what is stated here already (`sbatch` takes abbreviations, too), what makes more
than one job or one elsewhere (`--array`, `--clusters`), what lets it come late or again (`--begin`, `--requeue`)."""

STARTING = ("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED", "SPECIAL_EXIT", "RESV_DEL_HOLD")
ENDED = ("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL", "OUT_OF_MEMORY", "PREEMPTED",
         "REVOKED", "TIMEOUT")  # fmt: skip
"""Source: squeue(1), "JOB STATE CODES". All others (COMPLETING, SUSPENDED, …) hold a node."""

BY_ITSELF = ("COMPLETED", "FAILED")
"""How a job ends that Slurm has not ended."""

NEVER_SENT = "(connect failure)"
"""`sbatch` did not reach a controller: no question was sent."""
NO_ANSWER = re.compile(
    r"timed out|zero bytes|unexpected message|truncated|insane|reset by peer|broken pipe|"
    r"(send|receive|recv|shutdown|connection) failure|protocol (version|authentication)",
    re.IGNORECASE,
)
"""Words of a question that was sent and whose answer was not understood. Source: Slurm's slurm_errno.c."""


def _allowed(argument: str) -> str:
    name, _, value = argument.partition("=")
    if name not in PASSED_ON or not re.fullmatch(r"[!-~]*", value):
        raise ValueError(f"{argument!r} is not passed on to sbatch; one word each, of: {', '.join(sorted(PASSED_ON))}")
    return argument


class SlurmSettings(RemoteSettings):
    """`[tiers.NAME.options]` of a tier with this back-end."""

    folder: str = "~/.caddie/slurm"
    """Where launches' folders are made; login node and compute nodes must see it at the same path."""
    partition: str = Field(default="", pattern=r"^[\w.,@+-]*$")
    account: str = Field(default="", pattern=r"^[\w.@+-]*$")
    qos: str = Field(default="", pattern=r"^[\w.@+-]*$")
    gres: str = Field(default="gpu:{gpus}", pattern=r"^[\w.,:{}-]*$")
    """Asked for when the tier has GPUs, `{gpus}` being how many. Empty where `arguments` say it (--gpus-per-node=8)."""
    cpus: int = Field(default=0, ge=0)
    """Cores; 0: the site's default."""
    mem: str = Field(default="", pattern=r"^(\d+[KMGT]?)?$")
    """Memory per node, e.g. 64G; empty: the site's default."""
    arguments: list[Annotated[str, AfterValidator(_allowed)]] = []
    """Further arguments of `sbatch`, e.g. --constraint=h100."""


@dataclass(frozen=True)
class _Row:
    """A job as `squeue` shows it."""

    job: str
    state: str
    start: str
    reason: str
    name: str
    comment: str

    @property
    def remote_id(self) -> str:
        return f"{self.job}:{self.name}"


class Slurm:
    """The cluster whose login node this is."""

    beyond_s = 0.0

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._settings = SlurmSettings.model_validate(dict(options))
        self._base = Path(self._settings.folder).expanduser().absolute()
        if shutil.which("sbatch") is None:
            raise MissingPackage("sbatch is not on the PATH: back-end slurm works on a login node of a Slurm cluster")

    def lacks(self) -> str:
        """Slurm's other programs; a partition or an account need not be named, as the site may have defaults."""
        lacking = [program for program in ("squeue", "scontrol", "scancel") if shutil.which(program) is None]
        return f"{', '.join(lacking)} on the PATH, beside sbatch: the package slurm-client" if lacking else ""

    def submit(self, launch: Launch) -> str:
        """See `Backend`. A key whose folder is already there is not asked for again: its job is looked up."""
        folder = self._folder(launch.key)
        try:
            is_new = self._place(launch, folder)
        except OSError as error:
            raise Refused(f"{launch.key} could not be put into {self._base}: {error.strerror or error}") from error
        if not is_new:
            return self._asked_before(launch)
        try:
            answer = _ask(self._sbatch(launch), SUBMIT_S)
        except BackendFailed as error:
            raise Uncertain(f"{launch.key}: {error}") from error
        number = answer.stdout.strip().partition(";")[0]  # NUMBER;CLUSTER
        if answer.returncode == 0 and number.isdecimal():
            return f"{number}:{launch.key}"
        told = _words(answer.stderr) or f"exit code {answer.returncode}, answer {answer.stdout[:80]!r}"
        if answer.returncode == 0 or (NEVER_SENT not in told and (NO_ANSWER.search(told) or self._is_listed(launch))):
            raise Uncertain(f"sbatch has no answer about {launch.key}: {told}")
        shutil.rmtree(folder, ignore_errors=True)
        raise Refused(f"sbatch refused {launch.key}: {told}")

    def poll(self, remote_id: str) -> Remote | None:
        """See `Backend`."""
        job, key = _parted(remote_id)
        try:
            row = next((row for row in _queue(f"--name={key}") if row.job == job), None)
        except BackendFailed:
            if (code := self._exit_code(key)) is None:
                raise
            return Remote(remote_id, key, "running", code, message="the command has ended, and Slurm does not answer")
        if row is None:  # older than MinJobAge, or of a cluster that was set up anew
            return None if (code := self._exit_code(key)) is None else Remote(remote_id, key, "ended", code)
        remote = self._shown(row)
        if remote.exit_code is None and row.state in BY_ITSELF:
            return replace(remote, exit_code=_scheduled_exit_code(row))
        return remote

    def log(self, remote_id: str, offset: int) -> bytes:
        """See `Backend`."""
        _, key = _parted(remote_id)
        try:
            with open(self._folder(key) / payload.OUTPUT, "rb") as file:
                file.seek(offset)
                return file.read(CHUNK_BYTES)
        except FileNotFoundError:
            return b""
        except OSError as error:
            raise _unreadable(error) from error

    def fetch(self, remote_id: str, to: Path, outputs: Sequence[str]) -> None:
        """See `Backend`. Links, and what links lead to, are left there."""
        _, key = _parted(remote_id)
        tree = self._folder(key) / payload.TREE
        try:
            tree = tree.resolve(strict=True)
            for path in sorted({path for pattern in outputs for path in tree.glob(pattern)}):
                if path.is_file() and path.resolve() == path:
                    with open(path, "rb") as source, durable.replacement(to / path.relative_to(tree)) as target:
                        shutil.copyfileobj(source, target)
        except OSError as error:
            raise _unreadable(error) from error

    def ask_to_stop(self, remote_id: str) -> bool:
        """See `Backend`."""
        _, key = _parted(remote_id)
        try:
            (self._folder(key) / payload.STOP).touch()
        except OSError as error:
            raise _unreadable(error) from error
        return True

    def end(self, remote_id: str) -> None:
        """See `Backend`. Slurm ends what ignores SIGTERM after its KillWait, 30 s where nobody changed it."""
        job, key = _parted(remote_id)
        answer = _ask(["scancel", f"--user={os.getuid()}", f"--name={key}", job], LOOK_S)
        if answer.returncode and not re.search(r"invalid job id|already complet", answer.stderr, re.IGNORECASE):
            raise BackendFailed(f"scancel did not end {remote_id}: {_words(answer.stderr)}")

    def mine(self, owner: str) -> list[Remote]:
        """See `Backend`. What the scheduler has forgotten is listed from its folder, once it has written its end."""
        rows = [row for row in _queue() if row.comment == _tag(owner) and re.fullmatch(KEY, row.name)]
        rows.sort(key=lambda row: row.state in ENDED)  # of one key, a job that runs goes before one that was refused
        listed, keys = [self._shown(row) for row in rows], {row.name for row in rows}
        forgotten = []
        for note in sorted(self._base.glob(f"*/{OWNER}")):
            key = note.parent.name
            with contextlib.suppress(OSError):
                if key in keys or not re.fullmatch(KEY, key) or note.read_text().strip() != owner:
                    continue
                code, job = self._exit_code(key), (note.parent / JOB).read_text().strip()
                if code is not None and job.isdecimal():
                    forgotten.append(Remote(f"{job}:{key}", key, "ended", code))
        return listed + forgotten

    def plan(self, launch: Launch) -> dict[str, Any]:
        """See `Backend`."""
        return {
            "folder": str(self._folder(launch.key)),
            "command": self._sbatch(launch),
            "script": payload.script(launch, self._settings),
        }

    def _folder(self, key: str) -> Path:
        return self._base / key

    def _place(self, launch: Launch, folder: Path) -> bool:
        """Make the launch's folder, whole or not at all; False when it is there already: asked for once before."""
        if folder.exists():
            return False
        self._base.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{launch.key}.", dir=self._base))  # only we may look into it
        try:
            shutil.copytree(launch.tree, made / payload.TREE, symlinks=True)
            (made / payload.SCRIPT).write_text(payload.script(launch, self._settings))
            (made / OWNER).write_text(launch.owner)
            made.rename(folder)
        except OSError as error:
            if isinstance(error, shutil.Error):  # one of copytree's, with a line per file
                raise OSError(errno.EIO, str(error.args[0][0][2])) from error
            if error.errno in (errno.EEXIST, errno.ENOTEMPTY):
                return False
            raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
        return True

    def _sbatch(self, launch: Launch) -> list[str]:
        """The one question: an allocation for the limit, and a deadline for what waits so long that it is pointless.

        `--time` counts from the start, in whole minutes; the limit counts from asking, which is what `--deadline` is
        for: waiting too long ends the job, waiting for a while shortens it. The minute on top makes up for Slurm
        rounding down what is left.
        """
        settings, minutes = self._settings, math.ceil(launch.time_limit_s / 60)
        gres = settings.gres.replace("{gpus}", str(launch.gpus)) if launch.gpus else ""
        asked = {
            "job-name": launch.key,
            "comment": _tag(launch.owner),
            "chdir": str(self._folder(launch.key)),
            "output": SLURM_LOG,
            "time": minutes,
            "time-min": 1,
            "deadline": f"now+{60 * (minutes + 1)}",
            "nodes": 1,
            "ntasks": 1,
            "export": "ALL",
            "partition": settings.partition,
            "account": settings.account,
            "qos": settings.qos,
            "gres": gres,
            "cpus-per-task": settings.cpus,
            "mem": settings.mem,
        }
        script = shlex.quote(str(self._folder(launch.key) / payload.SCRIPT))
        return [
            "sbatch",
            "--parsable",
            "--no-requeue",  # a launch runs once, also when its node fails
            *(f"--{name}={value}" for name, value in asked.items() if value),
            *settings.arguments,
            f"--wrap=echo $SLURM_JOB_ID >{JOB}; exec sh {script}",
        ]

    def _asked_before(self, launch: Launch) -> str:
        """The job of a key that has a folder.

        Raises:
            Uncertain: there is none, or none yet.
        """
        try:
            found = [remote.id for remote in self.mine(launch.owner) if remote.key == launch.key]
        except BackendFailed as error:
            raise Uncertain(f"{launch.key} was asked for before, and its job cannot be looked up: {error}") from error
        if not found:
            raise Uncertain(f"{launch.key} was asked for before ({self._folder(launch.key)} is there), and has no job")
        return found[0]

    def _is_listed(self, launch: Launch) -> bool:
        """Whether a refused launch is there all the same, or cannot be looked up. Some refusals leave a FAILED job."""
        try:
            return any(row.state not in ENDED for row in _queue(f"--name={launch.key}"))
        except BackendFailed:
            return True

    def _exit_code(self, key: str) -> int | None:
        try:
            return payload.exit_code((self._folder(key) / payload.EXIT).read_text())
        except OSError:
            return None

    def _shown(self, row: _Row) -> Remote:
        state: RemoteState = "starting" if row.state in STARTING else "ended" if row.state in ENDED else "running"
        code = None if state == "starting" else self._exit_code(row.name)
        message = ""
        if state == "starting" or (state == "ended" and (code is None or row.state not in BY_ITSELF)):
            last = durable.tail(self._folder(row.name) / SLURM_LOG).splitlines()[-1:]
            message = ": ".join([f"Slurm says {row.state} ({row.reason})", *map(_words, last)])
        started_at = None if state == "starting" else _when(row.start)  # before, it is the scheduler's guess
        return Remote(row.remote_id, row.name, state, code, started_at=started_at, message=message)


def _tag(owner: str) -> str:
    """The job's comment."""
    return f"caddie:{owner}"


def _parted(remote_id: str) -> tuple[str, str]:
    """Number and key."""
    job, _, key = remote_id.partition(":")
    if not job.isdecimal() or not re.fullmatch(KEY, key):
        raise BackendFailed(f"{remote_id!r} is not an id of back-end slurm (NUMBER:KEY)")
    return job, key


def _queue(*filters: str) -> list[_Row]:
    """This user's jobs, those that have ended included as long as the scheduler keeps them.

    Raises:
        BackendFailed: the scheduler did not answer.
    """
    form = SEPARATOR.join(("%A", "%T", "%S", "%r", "%j", "%k"))
    asked = ["squeue", "--noheader", "--states=all", f"--user={os.getuid()}", f"--format={form}", *filters]
    answer = _ask(asked, LOOK_S)
    if answer.returncode:
        raise BackendFailed(f"squeue did not answer: {_words(answer.stderr)}")
    rows = [line.split(SEPARATOR) for line in answer.stdout.split("\n")]
    return [_Row(*row) for row in rows if len(row) == 6]


def _scheduled_exit_code(row: _Row) -> int | None:
    """The batch script's exit code, for a command that could not write its own."""
    answer = _ask(["scontrol", "show", "job", "--oneliner", row.job], LOOK_S)
    found = re.search(rf"JobId={row.job} JobName={re.escape(row.name)} .*? ExitCode=(\d+):0 ", answer.stdout)
    return int(found[1]) if found else None


def _ask(command: Sequence[str], limit_s: float) -> subprocess.CompletedProcess[str]:
    """One of Slurm's programs, with the part of our environment that a job may have: `sbatch` hands it on.

    Raises:
        BackendFailed: it is not there, or had not answered after `limit_s`.
    """
    ours = {name: value for name, value in environment.inherited().items() if not name.startswith(NOT_THERE)}
    if "SLURM_CONF" in os.environ:
        ours["SLURM_CONF"] = os.environ["SLURM_CONF"]
    try:
        return subprocess.run(
            command, env=ours, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=limit_s, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise BackendFailed(f"{command[0]} had not answered after {limit_s:g} s") from None
    except OSError as error:
        raise BackendFailed(f"{command[0]} could not be run: {error.strerror or error}") from error


NOT_THERE = ("GOLF_", "CUDA_VISIBLE_DEVICES", "TMPDIR", "XDG_", "TERM")
"""Of what children inherit here, what means nothing on a node, or another thing."""


def _words(text: str) -> str:
    """What a program said, in one line."""
    return told(re.sub(r"\b(sbatch|squeue|scancel|slurm\w*): (error: )?", "", text))


def _when(text: str) -> datetime | None:
    """A time of the scheduler's, which is in this machine's time zone."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except ValueError:  # N/A
        return None


def _unreadable(error: OSError) -> BackendFailed:
    place = f" ({error.filename})" if error.filename else ""
    return BackendFailed(f"a file of the launch could not be used: {error.strerror or error}{place}")
