"""The challenge's own FineWeb shards and tokenizers, from the Hub dataset that its organisers publish.

The dataset's manifest says which variants exist and how many shards each has; nothing is guessed. Files land where
the challenge puts them, so that its scripts and ours find them:

    manifest.json   datasets/fineweb10B_sp1024/fineweb_{val,train}_*.bin   tokenizers/fineweb_1024_bpe.model

Every file is fetched beside its place, checked (size, checksum where the Hub has one, a shard's header) and only then
moved there, so what is in place is whole, and a second call fetches what is missing. The unit of resuming is a file:
huggingface_hub 2 resumes a broken connection, but keeps no partial file between calls. Its HF_ENDPOINT, HF_TOKEN and
HF_HUB_OFFLINE are honoured; MATCHED_FINEWEB_REPO_ID and MATCHED_FINEWEB_REMOTE_ROOT_PREFIX name another export, as
they do for the challenge's script. Links and tokens never reach a message: what the Hub redirects to is signed.
"""

import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from pydantic import computed_field

from golf import durable
from golf.data import Progress
from golf.errors import BadConfig, GolfError, NotFound, UnreadableInput
from golf.schema import Noun

REPO_ID = "willdepueoai/parameter-golf"
REMOTE_ROOT = "datasets"
"""Folder of the export in the repository. Source: the challenge's data/README.md."""
TRAIN_SHARDS = 80
"""8 billion tokens, what the challenge's own script fetches; 1 is enough to start."""
ATTEMPTS = 3
"""Tries per request when the server fails (5xx, 408, 429) or cuts a file short."""
FIRST_WAIT_S = 1.0
"""Between the first two tries; doubled for each further one."""
FREE_BYTES_MIN = 64_000_000
"""Left free on the disk after the last file."""

T = TypeVar("T")


class RemoteFile(Noun):
    """One file of the export."""

    remote: str
    """Path in the repository."""
    path: str
    """Path it gets in the folder."""
    bytes: int
    sha256: str | None
    """As the Hub states it; None for the small files it does not keep in large-file storage."""
    is_present: bool
    """Already in place, whole."""


class FinewebPlan(Noun):
    """What a fetch would bring, before anything is fetched."""

    repo_id: str
    endpoint: str
    variant: str
    train_shards_offered: int
    files: list[RemoteFile]

    @computed_field
    @property
    def total_bytes(self) -> int:
        return sum(file.bytes for file in self.files)

    @computed_field
    @property
    def missing_bytes(self) -> int:
        """What will be downloaded."""
        return sum(file.bytes for file in self.files if not file.is_present)


def plan_fineweb(
    folder: Path, *, variant: str = "sp1024", train_shards: int = TRAIN_SHARDS, with_tokenizer: bool = True
) -> FinewebPlan:
    """What `fetch_fineweb` would download and how large it is; writes nothing into `folder`.

    Raises:
        BadConfig: the export has no such variant, or fewer training shards than asked for.
        NotFound: the repository or one of its files does not exist.
        UnreadableInput: the Hub cannot be reached, refuses, or answers with something unusable.
    """
    return _Export.read().plan(folder, variant, train_shards, with_tokenizer)


def fetch_fineweb(
    folder: Path,
    *,
    variant: str = "sp1024",
    train_shards: int = TRAIN_SHARDS,
    with_tokenizer: bool = True,
    progress: Progress | None = None,
) -> list[Path]:
    """Fetch what is missing and return all files, validation shards first, tokenizer last.

    `progress` is called with the file's name, and bytes done and to do over all files.

    Raises:
        BadConfig, NotFound, UnreadableInput: as `plan_fineweb`; also when the disk is too small, another fetch is at
            work in `folder`, or a file arrives damaged (it is not kept; the ones before it are).
    """
    export = _Export.read()
    plan = export.plan(folder, variant, train_shards, with_tokenizer)
    folder.mkdir(parents=True, exist_ok=True)
    with _alone_in(folder), _quiet():
        _check_room(folder, plan)
        durable.replace(folder / "manifest.json", export.manifest)
        staging = folder / ".fineweb"
        shutil.rmtree(staging, ignore_errors=True)  # of a fetch that was killed
        meter = _Meter(plan.missing_bytes, progress)
        try:
            for file in plan.files:
                if not file.is_present:
                    with meter.file(file.path):
                        _fetch(export, file, staging, folder / file.path, meter)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
    return [folder / file.path for file in plan.files]


class _Export:
    """A published export: where it is, and its manifest."""

    def __init__(self, repo_id: str, root: str, manifest: bytes):
        self.repo_id = repo_id
        self.root = root
        self.manifest = manifest
        self.endpoint = _endpoint()

    @classmethod
    def read(cls) -> "_Export":
        repo_id = os.environ.get("MATCHED_FINEWEB_REPO_ID", REPO_ID)
        root = os.environ.get("MATCHED_FINEWEB_REMOTE_ROOT_PREFIX", REMOTE_ROOT).strip("/")
        remote = f"{root}/manifest.json".lstrip("/")
        with tempfile.TemporaryDirectory() as scratch, _quiet():
            _sizes(repo_id, [remote])  # the quickest way to learn that there is no network or no such repository
            manifest = _download(repo_id, remote, Path(scratch), bar=None).read_bytes()
        return cls(repo_id, root, manifest)

    def plan(self, folder: Path, variant: str, train_shards: int, with_tokenizer: bool) -> FinewebPlan:
        if train_shards < 0:
            raise BadConfig(f"train_shards is {train_shards}; ask for 0 or more")
        try:
            offered, names = self._names(variant, train_shards, with_tokenizer)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UnreadableInput(
                f"the manifest of {self.repo_id} on {self.endpoint} is not one that can be read: {error!r}. "
                "Check MATCHED_FINEWEB_REPO_ID and MATCHED_FINEWEB_REMOTE_ROOT_PREFIX"
            ) from error
        remotes = {f"{self.root}/{name}".lstrip("/"): name for name in names}
        with _quiet():
            sizes = _sizes(self.repo_id, list(remotes))
        files = [
            RemoteFile(
                remote=remote,
                path=name,
                bytes=sizes[remote][0],
                sha256=sizes[remote][1],
                is_present=_is_whole(folder / name, sizes[remote][0]),
            )
            for remote, name in remotes.items()
        ]
        return FinewebPlan(
            repo_id=self.repo_id, endpoint=self.endpoint, variant=variant, train_shards_offered=offered, files=files
        )

    def _names(self, variant: str, train_shards: int, with_tokenizer: bool) -> tuple[int, list[str]]:
        """Training shards offered, and the paths (relative to the root) of what was asked for."""
        manifest = json.loads(self.manifest)
        datasets: dict[str, dict[str, Any]] = {entry["name"]: entry for entry in manifest["datasets"]}
        variants = {name.rpartition("_")[2]: name for name in datasets}
        dataset = datasets.get(variants.get(variant, variant))
        if dataset is None:
            raise BadConfig(f"no variant {variant!r} in {self.repo_id}; it has: {', '.join(sorted(variants))}")
        offered, validation = int(dataset["stats"]["files_train"]), int(dataset["stats"]["files_val"])
        if train_shards > offered:
            raise BadConfig(
                f"{train_shards} training shards of {variant} were asked for and {self.repo_id} has {offered}. "
                f"Ask for fewer: golf data fineweb --variant {variant} --train-shards {offered}"
            )
        shards = f"datasets/{dataset['name']}/fineweb"
        names = [f"{shards}_val_{index:06d}.bin" for index in range(validation)]
        names += [f"{shards}_train_{index:06d}.bin" for index in range(train_shards)]
        if with_tokenizer:
            entry = next(entry for entry in manifest["tokenizers"] if entry["name"] == dataset["tokenizer_name"])
            names += [entry[key] for key in ("model_path", "vocab_path", "path") if entry.get(key)]
        for name in names:
            if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
                raise ValueError(f"{name!r} leads out of the folder")
        return offered, names


def _fetch(export: _Export, file: RemoteFile, staging: Path, destination: Path, meter: "_Meter") -> None:
    """One file: downloaded beside its place, checked, moved."""
    staged = _download(export.repo_id, file.remote, staging, bar=meter.bar)
    try:
        _check(staged, file)
        destination.parent.mkdir(parents=True, exist_ok=True)
        with open(staged, "rb") as handle:
            os.fsync(handle.fileno())
        os.replace(staged, destination)
        durable.sync_folder(destination.parent)
    finally:
        staged.unlink(missing_ok=True)


def _check(path: Path, file: RemoteFile) -> None:
    """Refuse a damaged file.

    Raises:
        UnreadableInput: size, checksum or shard header is not what it must be.
    """
    from golf.measure.shards import read_header

    damage = None
    size = path.stat().st_size
    if size != file.bytes:
        damage = f"it has {size} bytes, not {file.bytes}"
    elif file.sha256 is not None and (found := _sha256(path)) != file.sha256:
        damage = f"its SHA-256 is {found[:12]}…, not {file.sha256[:12]}…"
    elif path.suffix == ".bin":
        try:
            read_header(path)
        except GolfError as error:
            damage = str(error).partition(". ")[0].replace(str(path), "it", 1)
    if damage is not None:
        raise UnreadableInput(
            f"{file.remote} arrived damaged: {damage}. It was not kept. Fetch it again: golf data fineweb"
        )


def _is_whole(path: Path, size: int) -> bool:
    """Is `path` in place? It was checked in full before it was moved there."""
    from golf.measure.shards import read_header

    try:
        if path.suffix == ".bin":
            read_header(path)
        return path.stat().st_size == size
    except (OSError, GolfError):
        return False


def _check_room(folder: Path, plan: FinewebPlan) -> None:
    free = shutil.disk_usage(folder).free
    if plan.missing_bytes + FREE_BYTES_MIN > free:
        raise UnreadableInput(
            f"{plan.missing_bytes:_} bytes are to be downloaded and {folder} has {free:_} free. "
            "Free some room, or fetch fewer shards: golf data fineweb --train-shards 1"
        )


@contextlib.contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, so that two fetches do not clear each other's staging away."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UnreadableInput(
                f"another golf data fineweb is at work in {folder}. Wait for it, then: golf data fineweb"
            ) from None
        yield
    finally:
        os.close(handle)


class _Meter:
    """Bytes over all files; a file that is started again takes its bytes back."""

    def __init__(self, total: int, progress: Progress | None):
        self.total = total
        self.progress = progress
        self.done_before = 0
        self.done_in_file = 0
        self.name = ""

    @contextlib.contextmanager
    def file(self, name: str) -> Iterator[None]:
        self.name = name
        self.add(0)
        yield
        self.done_before += self.done_in_file
        self.done_in_file = 0

    def add(self, count: int) -> None:
        self.done_in_file += count
        if self.progress is not None:
            self.progress(self.name, self.done_before + self.done_in_file, self.total)

    def bar(self, *_: Any, initial: int = 0, **__: Any) -> "_Bar":
        """What huggingface_hub calls in place of the tqdm class, once per try."""
        self.done_in_file = initial
        return _Bar(self)


class _Bar:
    """The part of a tqdm bar that huggingface_hub uses while it downloads."""

    def __init__(self, meter: _Meter):
        self.meter = meter

    def __enter__(self) -> "_Bar":
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def update(self, count: float | None = 1) -> None:
        self.meter.add(int(count or 0))


def _download(repo_id: str, remote: str, staging: Path, bar: Callable[..., _Bar] | None) -> Path:
    """Download one file under `staging`, trying again when the server fails."""
    from huggingface_hub import hf_hub_download

    meter: Any = bar or _Meter(0, None).bar

    def once() -> Path:
        return Path(hf_hub_download(repo_id, remote, repo_type="dataset", local_dir=staging, tqdm_class=meter))

    return _patiently(once, repo_id, remote)


def _sizes(repo_id: str, remotes: list[str]) -> dict[str, tuple[int, str | None]]:
    """Bytes and SHA-256 of each file.

    Raises:
        NotFound: one of them is not in the repository.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    api = HfApi()
    found: dict[str, tuple[int, str | None]] = {}
    for start in range(0, len(remotes), 100):
        some = remotes[start : start + 100]
        what = some[0] if len(some) == 1 else f"the sizes of {len(some)} files"
        ask = functools.partial(api.get_paths_info, repo_id, some, repo_type="dataset")
        for info in _patiently(ask, repo_id, what):
            if isinstance(info, RepoFile):
                found[info.path] = (info.size, info.lfs.sha256 if info.lfs else None)
    missing = [remote for remote in remotes if remote not in found]
    if missing:
        raise NotFound(
            f"{missing[0]} is not in the dataset {repo_id} on {_endpoint()} ({len(missing)} of {len(remotes)} files "
            "are missing there). Check MATCHED_FINEWEB_REPO_ID and MATCHED_FINEWEB_REMOTE_ROOT_PREFIX"
        )
    return found


def _patiently(call: Callable[[], T], repo_id: str, what: str) -> T:
    """`call()`, again after a failure that may pass; any other becomes an error that says what to do."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return call()
        except OSError as error:
            cause = _cause(error)
            if attempt == ATTEMPTS or not _may_pass(cause):
                raise _explained(cause, repo_id, what) from error
        except Exception as error:  # httpx2's errors, which are no OSErrors, and only those
            cause = _cause(error)
            if type(cause).__module__.partition(".")[0] != "httpx2":
                raise
            if attempt == ATTEMPTS or not _may_pass(cause):
                raise _explained(cause, repo_id, what) from error
        time.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
    raise AssertionError("unreachable")


def _cause(error: BaseException) -> BaseException:
    """What went wrong underneath: the client wraps a failed HEAD request in a "not found locally"."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    return error.__cause__ if isinstance(error, LocalEntryNotFoundError) and error.__cause__ else error


def _status(error: BaseException) -> int | None:
    return getattr(getattr(error, "response", None), "status_code", None)


def _may_pass(error: BaseException) -> bool:
    import httpx2

    if (status := _status(error)) is not None:
        return status >= 500 or status in (408, 429)
    return isinstance(error, httpx2.TimeoutException | httpx2.RemoteProtocolError | httpx2.ReadError) or (
        "Consistency check failed" in str(error)
    )


def _explained(error: BaseException, repo_id: str, what: str) -> GolfError:
    """The client's error as ours: what happened, and what to do next. Never its text: that may hold a signed link."""
    from huggingface_hub.errors import OfflineModeIsEnabled

    endpoint, again = _endpoint(), "What is complete is kept; go on with: golf data fineweb"
    status = _status(error)
    if status in (401, 403):
        return UnreadableInput(
            f"{endpoint} refuses {what} of the dataset {repo_id} ({status}): it is private, or there is no such "
            "dataset, or HF_TOKEN is wrong. Check MATCHED_FINEWEB_REPO_ID; to log in: hf auth login"
        )
    if status == 404:
        return NotFound(f"{endpoint} has no {what} in the dataset {repo_id} (404). Check MATCHED_FINEWEB_REPO_ID")
    if status is not None:
        return UnreadableInput(f"{endpoint} answered {status} for {what}, {ATTEMPTS} times at most asked. {again}")
    if isinstance(error, OfflineModeIsEnabled):
        return UnreadableInput(
            "HF_HUB_OFFLINE is set, so nothing is fetched. Unset it, or play offline: golf data pydocs"
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return UnreadableInput(f"the disk is full while fetching {what}. Free some room. {again}")
    if "Consistency check failed" in str(error):
        return UnreadableInput(f"{endpoint} cut {what} short {ATTEMPTS} times. {again}")
    if isinstance(error, OSError) and error.errno is not None:  # of a file: the client's network errors have none
        return UnreadableInput(f"{what} could not be written: {error.strerror}. {again}")
    return UnreadableInput(
        f"{endpoint} could not be reached for {what} ({type(error).__name__}). Check the network and HF_ENDPOINT. "
        f"{again}; without a network: golf data pydocs"
    )


def _endpoint() -> str:
    """The Hub's host, without anything secret that its URL may carry."""
    from huggingface_hub import constants

    return urlsplit(constants.ENDPOINT).netloc.rpartition("@")[2]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the client's log, which prints links; our errors say what it would."""
    logger = logging.getLogger("huggingface_hub")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
