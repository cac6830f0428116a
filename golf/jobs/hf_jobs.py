"""Hugging Face Jobs, through `huggingface_hub`'s own client: one job per launch, and one folder of a private bucket.

There is no H100 among the flavors (`hf jobs hardware`): the default is h200x8, and a wall-clock time measured on it
says nothing about 600 s on 8×H100.

A job has no working directory and its API tells no exit code, so the launch's tree and script go as `job.tar` into a
folder, named by the key, of the namespace's private `jobs-artifacts` bucket (where the client itself puts what it
sends), and that folder is mounted in the job: the only storage a job can write to without being handed a token. The
mount writes whole files, when they are closed, and shows changes made elsewhere up to 30 s late (hf-mount's README);
so the trainer runs on the job's own disk, its log is copied to the bucket every few seconds, its outputs at the end,
and `exit.json` last: when that is there everything else is. The stop file travels the other way. The folders stay in
the bucket until somebody deletes them (`hf buckets rm`).

The provider ends a job at its `timeout`, which is always stated. Two labels say whose it is. Billing is by the minute,
in use and while starting (huggingface.co/docs/hub/jobs-pricing); a job shows its seconds and not its bill, so the cost
here is all of its minutes, begun ones whole, at the flavor's listed price: never less than the bill. The token is the
client's own (`hf auth login`, or HF_TOKEN); it goes nowhere but to the Hub.
"""

import fnmatch
import io
import math
import os
import queue
import shlex
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from golf.jobs import payload
from golf.jobs.backend import (
    CALL_S,
    KEY_LABEL,
    OWNER_LABEL,
    BackendFailed,
    Launch,
    Refused,
    Remote,
    RemoteSettings,
    RemoteState,
    Uncertain,
    checked_endpoint,
)
from golf.jobs.heard import told

if TYPE_CHECKING:
    from huggingface_hub import HfApi, JobInfo
    from huggingface_hub._jobs_api import JobHardwareInfo

T = TypeVar("T")

BUCKET = "jobs-artifacts"
MOUNT = "/caddie"
"""Where a job sees its folder."""
TAR, KEPT = "job.tar", "out"
COPY_S = 5
"""Between two copies of a job's log into the bucket, and two looks for its stop file."""
LOOK_S = 15.0
"""For a look at a job, or a word to it; only sending and fetching files may take CALL_S. The client tries some calls
again by itself, for longer than that."""
ATTEMPTS = 3
MINUTES = {"minute": 1, "hour": 60}
"""Units of the Hub's prices."""
PRICE_SLACK_USD = 1e-4
"""Per hour, for prices that are listed in whole micro-dollars per minute."""
STATES: dict[str, RemoteState] = {"SCHEDULING": "starting", "RUNNING": "running"}
"""All other stages have ended: COMPLETED, CANCELED, ERROR, DELETED."""


class HfJobsSettings(RemoteSettings):
    """`[tiers.NAME.options]` of a tier on Hugging Face Jobs."""

    flavor: str = "h200x8"
    """Hardware, as `hf jobs hardware` names it."""
    image: str = "pytorch/pytorch:2.9.1-cuda12.8-cudnn9-runtime"
    """Docker image; needs coreutils, findutils and tar besides what the trainer needs."""
    namespace: str = ""
    """User or organization that pays; empty: the token's own."""
    endpoint: str = ""
    """The Hub; empty: HF_ENDPOINT or huggingface.co."""


class _Denied(Refused):
    """The Hub said no, with a status that asking again will not change."""

    def __init__(self, status: int, told: str) -> None:
        super().__init__(told)
        self.status = status


class HfJobs:
    """Jobs of one namespace."""

    beyond_s = 60.0  # begun minutes are billed

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.settings = HfJobsSettings.model_validate(options)
        self._keys: dict[str, str] = {}
        self._namespace_name = self.settings.namespace
        self._hardware: dict[str, JobHardwareInfo] | None = None
        self._endpoint = _endpoint(self.settings.endpoint)

    def lacks(self) -> str:
        """A login."""
        from huggingface_hub import get_token

        return "" if get_token() else "not logged in to Hugging Face. Log in: hf auth login, or set HF_TOKEN"

    def submit(self, launch: Launch) -> str:
        """Send the tree, then start the job.

        Raises:
            Refused: there is no login, the flavor has other GPUs or a higher price than the tier, the tree could not be
                sent, or the Hub said no.
            Uncertain: the job was asked for, and there was no answer or none that can be read.
        """
        deadline = time.monotonic() + CALL_S
        try:
            self._check_flavor(launch, deadline)
            wanted = self._wanted(launch, deadline)
            self._send(launch, deadline)
        except BackendFailed as error:
            raise Refused(f"nothing was started: {error}") from error
        info = self._call(lambda: self._api.run_job(**wanted), deadline, creates=True)
        self._keys[info.id] = launch.key
        return info.id

    def poll(self, remote_id: str) -> Remote | None:
        """The job, with its exit code once it has ended; None where the Hub has no such job."""
        deadline = time.monotonic() + LOOK_S
        try:
            info = self._inspect(remote_id, deadline)
        except _Denied as error:
            if error.status == 404:
                return None
            raise
        remote = self._remote(info, deadline)
        if remote.state != "ended" or not remote.key:
            return remote
        code = payload.exit_code((self._read(remote.key, payload.EXIT, deadline) or b"").decode(errors="replace"))
        return replace(remote, exit_code=0 if code is None and info.status.stage == "COMPLETED" else code)

    def log(self, remote_id: str, offset: int) -> bytes:
        """The log as it was last copied into the bucket, from `offset` on."""
        deadline = time.monotonic() + LOOK_S
        return (self._read(self._key(remote_id, deadline), payload.OUTPUT, deadline, offset) or b"")[offset:]

    def fetch(self, remote_id: str, to: Path, outputs: Sequence[str]) -> None:
        """Copy from the bucket what the job kept of `outputs`."""
        deadline = time.monotonic() + CALL_S
        prefix = f"{self._key(remote_id, deadline)}/{KEPT}/"
        api, bucket = self._api, self._bucket(deadline)
        try:
            listed = self._call(
                lambda: list(api.list_bucket_tree(bucket, prefix=prefix.rstrip("/"), recursive=True)), deadline
            )
        except _Denied as error:
            if error.status == 404:  # it kept nothing
                return
            raise
        names = {item.path.removeprefix(prefix): item for item in listed if item.type == "file"}
        wanted = {
            name: item
            for name, item in names.items()
            if ".." not in PurePosixPath(name).parts
            and not name.startswith("/")
            and any(fnmatch.fnmatchcase(name, pattern) for pattern in _patterns(outputs))
        }
        to.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".fetching-", dir=to) as place:
            files: list[tuple[Any, str | Path]] = [(item, Path(place, name)) for name, item in wanted.items()]
            self._call(lambda: api.download_bucket_files(bucket, files), deadline)
            for name in wanted:
                (to / name).parent.mkdir(parents=True, exist_ok=True)
                os.replace(Path(place, name), to / name)

    def ask_to_stop(self, remote_id: str) -> bool:
        """Put the stop file into the bucket; the job sees it within the mount's delay, some 40 s at most."""
        deadline = time.monotonic() + LOOK_S
        self._put(f"{self._key(remote_id, deadline)}/{payload.STOP}", b"stop\n", deadline)
        return True

    def end(self, remote_id: str) -> None:
        """Cancel the job."""
        deadline = time.monotonic() + LOOK_S
        namespace = self._namespace(deadline)
        try:
            self._call(lambda: self._api.cancel_job(job_id=remote_id, namespace=namespace), deadline)
        except _Denied as error:
            if error.status not in (400, 404, 409):  # what has ended cannot be cancelled; poll tells
                raise

    def mine(self, owner: str) -> list[Remote]:
        """The namespace's jobs under this owner's label, ended ones included, without exit codes."""
        deadline = time.monotonic() + LOOK_S
        asked = {"labels": {OWNER_LABEL: owner}, "namespace": self._namespace(deadline), "timeout": int(LOOK_S)}
        listed = self._call(lambda: list(self._api.list_jobs(**asked)), deadline)
        tagged = [(info, info.labels or {}) for info in listed]
        ours = [info for info, labels in tagged if labels.get(OWNER_LABEL) == owner and labels.get(KEY_LABEL)]
        return [self._remote(info, deadline) for info in ours]

    def plan(self, launch: Launch) -> dict[str, Any]:
        """What the Hub would be asked for."""
        return {
            "endpoint": self._endpoint,
            "namespace": self.settings.namespace or "the token's own",
            "image": self.settings.image,
            "flavor": self.settings.flavor,
            "timeout_s": _timeout_s(launch),
            "labels": {OWNER_LABEL: launch.owner, KEY_LABEL: launch.key},
            "volume": f"{BUCKET}/{launch.key} at {MOUNT}",
            "command": list(launch.command),
            "env": dict(payload.environment(launch, self.settings)),
            "outputs": list(launch.outputs),
        }

    def _wanted(self, launch: Launch, deadline: float) -> dict[str, Any]:
        from huggingface_hub import Volume

        volume = Volume(type="bucket", source=self._bucket(deadline), mount_path=MOUNT, path=launch.key)
        return {
            "image": self.settings.image,
            "command": ["sh", "-c", _around(launch.outputs)],
            "env": {"CADDIE_VOLUME": MOUNT},
            "flavor": self.settings.flavor,
            "timeout": _timeout_s(launch),
            "attempts": 1,  # a second one would be billed, and is not ours to ask for
            "name": launch.key,
            "labels": {OWNER_LABEL: launch.owner, KEY_LABEL: launch.key},
            "volumes": [volume],
            "namespace": self._namespace(deadline),
        }

    def _check_flavor(self, launch: Launch, deadline: float) -> None:
        """The Hub's own list decides what will be billed, and money was set aside for what golf.toml says."""
        flavor = self.settings.flavor
        listed = self._listed(deadline).get(flavor)
        if listed is None or listed.unit_label not in MINUTES:
            raise Refused(f"flavor {flavor} is not on the Hub's list, or has no price there. See: hf jobs hardware")
        gpus = 0 if listed.accelerator is None else int(listed.accelerator.quantity)
        if gpus != launch.gpus:
            raise Refused(f"flavor {flavor} has {gpus} GPUs, and the tier states gpus = {launch.gpus}. Make them agree")
        hourly_usd = 60 * _minute_usd(listed)
        if hourly_usd > launch.hourly_usd + PRICE_SLACK_USD:
            raise Refused(
                f"flavor {flavor} costs ${hourly_usd:.2f} an hour, and the tier's price comes to "
                f"${launch.hourly_usd:.2f} for {gpus} GPUs. Raise its hourly_rate_usd (of 8 GPUs) to what the Hub bills"
            )

    def _send(self, launch: Launch, deadline: float) -> None:
        bucket = self._bucket(deadline)
        self._call(lambda: self._api.create_bucket(bucket, private=True, exist_ok=True), deadline)
        if not self._call(lambda: self._api.bucket_info(bucket), deadline).private:
            raise Refused(f"bucket {bucket} is public, and code would be sent to it. Make it private on the Hub first")
        script = payload.script(launch, self.settings)
        self._put(f"{launch.key}/{TAR}", _packed(launch.tree, script), deadline)

    def _put(self, path: str, content: bytes, deadline: float) -> None:
        bucket = self._bucket(deadline)
        self._call(lambda: self._api.batch_bucket_files(bucket, add=[(content, path)]), deadline)

    def _read(self, key: str, name: str, deadline: float, offset: int = -1) -> bytes | None:
        """A file of a launch's folder; None where it is not there, or not longer than `offset`."""
        bucket = self._bucket(deadline)
        found = self._call(lambda: list(self._api.get_bucket_paths_info(bucket, [f"{key}/{name}"])), deadline)
        if not found or found[0].size <= offset:
            return None
        with tempfile.TemporaryDirectory() as place:
            copy = Path(place, name)
            self._call(lambda: self._api.download_bucket_files(bucket, [(found[0], copy)]), deadline)
            return copy.read_bytes()

    def _inspect(self, remote_id: str, deadline: float) -> "JobInfo":
        namespace = self._namespace(deadline)
        return self._call(lambda: self._api.inspect_job(job_id=remote_id, namespace=namespace), deadline)

    def _key(self, remote_id: str, deadline: float) -> str:
        """The key a job was started under.

        Raises:
            BackendFailed: the Hub does not show it (yet).
        """
        if remote_id not in self._keys:
            labels = self._inspect(remote_id, deadline).labels or {}
            if KEY_LABEL not in labels:
                raise BackendFailed(f"job {remote_id} has no label {KEY_LABEL}")
            self._keys[remote_id] = labels[KEY_LABEL]
        return self._keys[remote_id]

    def _remote(self, info: "JobInfo", deadline: float) -> Remote:
        key = (info.labels or {}).get(KEY_LABEL) or self._keys.get(info.id, "")
        state = STATES.get(info.status.stage, "ended")
        cost = self._cost_usd(info, deadline) if state == "ended" else None
        return Remote(info.id, key, state, cost_usd=cost, started_at=info.started_at, message=info.status.message or "")

    def _cost_usd(self, info: "JobInfo", deadline: float) -> float | None:
        seconds = None if info.durations is None else info.durations.total_secs
        try:
            listed = self._listed(deadline).get(str(info.flavor))
        except _Denied:
            listed = None
        if seconds is None or listed is None or listed.unit_label not in MINUTES:
            return None
        return math.ceil(seconds / 60) * _minute_usd(listed)

    def _listed(self, deadline: float) -> "dict[str, JobHardwareInfo]":
        """The Hub's hardware, by flavor."""
        if self._hardware is None:
            self._hardware = {one.name: one for one in self._call(lambda: self._api.list_jobs_hardware(), deadline)}
        return self._hardware

    def _bucket(self, deadline: float) -> str:
        return f"{self._namespace(deadline)}/{BUCKET}"

    def _namespace(self, deadline: float) -> str:
        if not self._namespace_name:
            self._namespace_name = self._call(lambda: self._api.whoami()["name"], deadline)
        return self._namespace_name

    @cached_property
    def _api(self) -> "HfApi":
        from huggingface_hub import HfApi, get_token
        from huggingface_hub.utils import disable_progress_bars

        if lacking := self.lacks():
            raise Refused(lacking)
        disable_progress_bars()
        return HfApi(endpoint=self._endpoint, token=get_token())

    def _call(self, act: Callable[[], T], deadline: float, *, creates: bool = False) -> T:
        """What `act` returns; asked again only where it cannot have had an effect that must not be had twice.

        The client itself sets no time limit, so that each call has a thread that can be left behind.

        Raises:
            Refused: a definite no.
            Uncertain: no answer to what `creates`.
            BackendFailed: no answer.
        """
        pause, attempt = 0.5, 1
        while True:
            try:
                return _within(act, deadline - time.monotonic())
            except BackendFailed:
                raise
            except Exception as error:  # the client's, its HTTP library's, its storage library's
                told, status = _told(error), getattr(getattr(error, "response", None), "status_code", None)
                if status is not None and 400 <= status < 500 and status not in (408, 429):
                    raise _Denied(status, f"the Hub said no: {told}") from None
                is_certain = status == 429 or type(error).__name__ in ("ConnectError", "ConnectTimeout")
                if creates and not is_certain:
                    raise Uncertain(f"the Hub has not answered whether it started the job: {told}") from None
                wait = _retry_after_s(error) or pause
                if attempt == ATTEMPTS or time.monotonic() + wait >= deadline:
                    failed = Refused if creates else BackendFailed
                    raise failed(f"the Hub has not done what it was asked: {told}") from None
            time.sleep(wait)
            pause, attempt = 2 * pause, attempt + 1


def _minute_usd(listed: "JobHardwareInfo") -> float:
    return listed.unit_cost_micro_usd / 1e6 / MINUTES[listed.unit_label]


def _within(act: Callable[[], T], seconds: float) -> T:
    answers: queue.SimpleQueue[tuple[T | None, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put((act(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=work, daemon=True).start()
    try:
        value, error = answers.get(timeout=max(0.01, seconds))
    except queue.Empty:
        raise TimeoutError(f"no answer within {seconds:.1f} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value] # what `act` returned, through a queue of anything


def _told(error: Exception) -> str:
    return told(getattr(error, "server_message", None) or error) or type(error).__name__


def _retry_after_s(error: Exception) -> float | None:
    told = getattr(getattr(error, "response", None), "headers", {}).get("retry-after", "")
    return float(told) if told.isdigit() else None


def _endpoint(wanted: str) -> str:
    from huggingface_hub import constants

    return checked_endpoint(wanted or constants.ENDPOINT)


def _timeout_s(launch: Launch) -> int:
    return max(1, math.ceil(launch.time_limit_s))


def _packed(tree: Path, script: str) -> bytes:
    """A tar of what a launch's folder holds at its start."""

    def nobodys(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        return entry

    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        tar.add(tree, payload.TREE, filter=nobodys)
        head = tarfile.TarInfo(payload.SCRIPT)
        head.size, head.mode = len(script.encode()), 0o755
        tar.addfile(head, io.BytesIO(script.encode()))
    return packed.getvalue()


def _patterns(outputs: Iterable[str]) -> list[str]:
    """The same patterns for `fnmatch` and `find -path`, to whom `*` is any text and `**/` has to be something."""
    return sorted({form for pattern in outputs for form in (pattern, pattern.replace("**/", ""))})


def _around(outputs: Sequence[str]) -> str:
    """What a job runs around the launch's script: a copy to its own disk, and the way back into the mounted folder."""
    paths = " -o ".join(f"-path {shlex.quote(f'./{pattern}')}" for pattern in _patterns(outputs)) or "-false"
    return f"""volume=$CADDIE_VOLUME
here=$(mktemp -d) && tar -xf "$volume/{TAR}" -C "$here" || exit 70
give() {{ [ ! -e "$here/$1" ] || cp "$here/$1" "$volume/$1"; }}
(
  given=
  while sleep {COPY_S}; do
    size=$(wc -c 2>/dev/null <"$here/{payload.OUTPUT}")
    [ "$size" = "$given" ] || {{ give {payload.OUTPUT}; given=$size; }}
    [ ! -e "$volume/{payload.STOP}" ] || : >"$here/{payload.STOP}"
  done
) &
copying=$!
sh "$here/{payload.SCRIPT}"
code=$?
kill "$copying"
wait "$copying" 2>/dev/null
cd "$here/{payload.TREE}" && find . -type f \\( {paths} \\) | while IFS= read -r file; do
  mkdir -p "$volume/{KEPT}/$(dirname "$file")" && cp "$file" "$volume/{KEPT}/$file" || exit 74
done && give {payload.OUTPUT} && give {payload.EXIT} || exit 74
exit "$code"
"""
