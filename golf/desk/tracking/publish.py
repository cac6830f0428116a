"""Tracked runs, reports and evidence as a dataset repository on the Hub: private, planned first, sent on request only.

A dataset and not a Space: Trackio's own Space is given the token of whoever makes it as a secret, and its static one
has to be public (`trackio sync --help`). Everything goes in one commit through `huggingface_hub`. Paths of this machine
are replaced in texts; a key in any file refuses all of it, and no token is ever part of what is said.
"""

import contextlib
import json
import re
import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from golf.desk.private import Machine, leaks
from golf.desk.tracking.tracker import FINAL, StoredRun
from golf.desk.tracking.trackio_store import database, read_runs
from golf.errors import BadConfig, MissingPackage, NotFound, RuleBroken, TrackingFailed, UnreadableInput
from golf.jobs.backend import checked_endpoint
from golf.jobs.heard import told
from golf.play import experiments
from golf.schema import Noun
from golf.workspace import Workspace

if TYPE_CHECKING:
    from huggingface_hub import HfApi

REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9][\w.-]{0,95}")
EVIDENCE = ("config.yaml", "result.json", "review.json", "report.md", "loss.png")
"""Of an experiment, with its script and its logs; no weights."""
FILE_BYTES_MAX = 50_000_000


class PublishedFile(Noun):
    """A file of the repository."""

    path: str
    bytes: int


class Publication(Noun):
    """What would be, or was, sent."""

    repo: str
    """Of datasets on the Hub, OWNER/NAME."""
    endpoint: str
    is_private: bool
    """What it is made as; one that is there keeps what it is, and is refused where it is public and this is private."""
    runs: int
    files: list[PublishedFile]
    left_out: list[str] = []
    """What stays here, and why."""
    refused: list[str] = []
    """Why nothing may be sent: a key, with its file and line."""
    is_logged_in: bool
    commit: str = ""
    """Address of the commit, once it is sent."""


def gather(
    workspace: Workspace | None, folder: Path, project: str, names: Sequence[str], repo: str
) -> tuple[dict[str, bytes], list[str], int]:
    """The files of a publication by path, what was left out, and the number of runs.

    Args:
        workspace: Where the experiments are, and what is private here.
        folder: Trackio's store.
        project: Of it.
        names: Experiments whose reports and evidence go along.
        repo: For the card.

    Raises:
        NotFound: nothing is tracked, or an experiment is not there.
    """
    runs = read_runs(folder, project)
    if not runs and not names:
        raise NotFound(f"nothing is tracked in {database(folder, project)}; track first: golf run, or golf track RUN")
    machine = Machine.of(workspace)
    files: dict[str, bytes] = {}
    left_out: list[str] = []
    for run in runs:
        lines = (json.dumps({"run": run.name, **point}, ensure_ascii=False) for point in run.points)
        name = re.sub(r"[^\w.+=-]+", "_", run.name)
        files[f"metrics/{name}.jsonl"] = _text("".join(f"{line}\n" for line in lines), machine)
    files["runs.jsonl"] = _text("".join(f"{json.dumps(_summary(run), ensure_ascii=False)}\n" for run in runs), machine)
    if runs:
        copy = _copied(database(folder, project))
        if found := leaks({"store": copy}, machine):
            left_out.append(f"Trackio's store: it has {found[0].what}; metrics/ has the same numbers")
        else:
            files[f"trackio/{database(folder, project).name}"] = copy
    if names and workspace is None:
        raise NotFound("experiments are in a workspace, and there is none here; golf init makes one")
    for name in names:
        assert workspace is not None
        for path, place in _evidence(experiments.find(workspace, name)):
            if path.stat().st_size > FILE_BYTES_MAX:
                left_out.append(f"{place}: {path.stat().st_size:,} bytes, over {FILE_BYTES_MAX:,}")
            else:
                data = path.read_bytes()
                files[place] = data if path.suffix == ".png" else _redacted(data, machine)
    files["README.md"] = _card(repo, project, runs, names)
    return dict(sorted(files.items())), left_out, len(runs)


def plan(
    workspace: Workspace | None,
    folder: Path,
    project: str,
    repo: str,
    *,
    names: Sequence[str] = (),
    is_private: bool = True,
) -> tuple[Publication, dict[str, bytes]]:
    """What would be sent, and its files; nobody is asked, nothing is sent.

    Raises:
        BadConfig: `repo` is no OWNER/NAME, or HF_ENDPOINT is no address to send a token to.
        NotFound: there is nothing to publish.
    """
    if not REPO.fullmatch(repo):
        raise BadConfig(
            f"--publish takes OWNER/NAME of a dataset on the Hub (got {repo!r}), e.g. --publish me/golf-runs"
        )
    files, left_out, runs = gather(workspace, folder, project, names, repo)
    found = leaks(files, Machine(()))
    hub = _hub()
    return (
        Publication(
            repo=repo,
            endpoint=checked_endpoint(_hub_endpoint()),
            is_private=is_private,
            runs=runs,
            files=[PublishedFile(path=path, bytes=len(data)) for path, data in files.items()],
            left_out=left_out,
            refused=[leak.told() for leak in found],
            is_logged_in=hub.get_token() is not None,
        ),
        files,
    )


def send(publication: Publication, files: dict[str, bytes]) -> Publication:
    """Make the repository where there is none, and send the files in one commit.

    Raises:
        RuleBroken: a file has a key, or the repository is public and this was meant to be private.
        UnreadableInput: not logged in.
        TrackingFailed: the Hub said no, or did not answer.
    """
    if publication.refused:
        raise RuleBroken(f"nothing was sent: {'; '.join(publication.refused[:5])}. Take it out of the file, then again")
    if not publication.is_logged_in:
        raise UnreadableInput("not logged in to Hugging Face. Log in: hf auth login, or set HF_TOKEN")
    hub = _hub()
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    api: HfApi = hub.HfApi(endpoint=publication.endpoint, token=hub.get_token())
    try:
        api.create_repo(publication.repo, repo_type="dataset", private=publication.is_private, exist_ok=True)
        there = api.dataset_info(publication.repo)
        if publication.is_private and not there.private:
            raise RuleBroken(
                f"nothing was sent: {publication.repo} is there and public. Make it private, name another, or say "
                "--public"
            )
        operations = [hub.CommitOperationAdd(path, data) for path, data in files.items()]
        done = api.create_commit(
            publication.repo,
            operations,
            repo_type="dataset",
            commit_message=f"{publication.runs} tracked runs, {len(files)} files",
        )
    except RuleBroken:
        raise
    except Exception as error:  # the client's, its HTTP library's, its storage library's
        said = told(getattr(error, "server_message", None) or error) or type(error).__name__
        raise TrackingFailed(f"the Hub has not taken {publication.repo}: {said}") from None
    return publication.model_copy(update={"commit": str(done.commit_url)})


def _hub() -> Any:
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingPackage(
            f"huggingface_hub is not installed here ({error}). Install it: pip install huggingface_hub"
        ) from error
    return huggingface_hub


def _hub_endpoint() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


def _summary(run: StoredRun) -> dict[str, Any]:
    final = {name: value for point in run.points for name, value in point.items() if name.startswith(FINAL)}
    config = {name: value for name, value in run.config.items() if not name.startswith("_")}
    return {"run": run.name, "points": len(run.points), **final, "config": config, "alerts": run.alerts}


def _evidence(folder: Path) -> Iterable[tuple[Path, str]]:
    claim = experiments.load(folder)
    logs = sorted(path for path in (folder / "logs").glob("*") if path.suffix in (".log", ".jsonl"))
    for path in [*(folder / name for name in (*EVIDENCE, claim.script)), *logs]:
        if path.is_file() and not path.is_symlink():
            yield path, f"experiments/{folder.name}/{path.relative_to(folder).as_posix()}"


def _copied(path: Path) -> bytes:
    """The database as it is at one moment, though a run may be writing to it."""
    with tempfile.TemporaryDirectory(prefix="golf-publish-") as scratch:
        target = Path(scratch) / path.name
        try:
            with (
                contextlib.closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as source,
                contextlib.closing(sqlite3.connect(target)) as copy,
            ):
                source.backup(copy)
                copy.execute("pragma journal_mode = delete")
                copy.execute("vacuum")  # runs that were deleted are in the file until their pages are used again
        except sqlite3.Error as error:
            raise TrackingFailed(f"the Trackio store {path} cannot be copied: {error}") from error
        return target.read_bytes()


def _text(text: str, machine: Machine) -> bytes:
    return machine.redacted(text)[0].encode()


def _redacted(data: bytes, machine: Machine) -> bytes:
    return _text(data.decode("utf-8", errors="replace"), machine)


def _card(repo: str, project: str, runs: Sequence[StoredRun], names: Sequence[str]) -> bytes:
    rows = "".join(f"| {_cell(run.name)} | {_cell(_score(run))} | {len(run.points)} |\n" for run in runs)
    along = "".join(f"- `experiments/` has the report and the evidence of {_cell(name)}\n" for name in names)
    return f"""---
configs:
- config_name: metrics
  data_files: metrics/*.jsonl
- config_name: runs
  data_files: runs.jsonl
tags:
- trackio
- caddie
---
# {_cell(project)}

{len(runs)} tracked runs. `metrics/` has one file of JSON lines per run, `runs.jsonl` configurations and final values.
{along}
| run | final val_bpb | points |
| --- | --- | --- |
{rows}
In Trackio's dashboard, where `trackio/` has its store:

```sh
hf download {repo} --repo-type dataset --local-dir runs
TRACKIO_DIR=runs/trackio trackio show
```
""".encode()


def _score(run: StoredRun) -> str:
    value = run.values().get((-1, f"{FINAL}val_bpb"))
    return f"{value:.4f}" if isinstance(value, int | float) else ""


def _cell(text: object) -> str:
    return re.sub(r"[|`\n\r<>\[\]]+", " ", str(text))[:200]
