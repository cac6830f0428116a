"""`golf doctor`: what this machine has, what is missing, and the line that fixes it.

Never asks a GPU anything while a job is running here: then it says so instead.
"""

import json
import shlex
import shutil
import sqlite3
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Literal

from golf.errors import GolfError, NotFound
from golf.jobs.backend import ready_backend
from golf.jobs.store import JobStore
from golf.measure import shards
from golf.play import init, settlement
from golf.schema import Noun
from golf.workspace import TierSettings, Workspace

PROBE = """
import json, torch
cuda = torch.cuda.is_available()
mps = getattr(torch.backends, "mps", None) is not None and torch.backends.mps.is_available()
names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())] if cuda else []
print(json.dumps({"torch": torch.__version__, "device": "cuda" if cuda else "mps" if mps else "cpu", "names": names}))
"""


DISK_BYTES_MIN = 200_000_000
"""Free bytes below which a run may not end: some artifacts of 16 MB, logs, and the database's own needs."""


class Check(Noun):
    """One thing looked at."""

    name: str
    verdict: Literal["ok", "missing", "optional"]
    """`optional`: not there, and a round can be played without it."""
    found: str
    fix: str = ""
    """The line that mends it."""


class Diagnosis(Noun):
    """Everything looked at."""

    ready: bool
    """A round can be played here."""
    checks: list[Check]


def examine() -> Diagnosis:
    """Look at interpreter, libraries, device, workspace and data."""
    workspace = None
    checks = [
        Check(name="python", verdict="ok", found=f"{sys.version.split()[0]} at {sys.executable}"),
        _program("git", "install git: every run is played in a git worktree"),
    ]
    try:
        workspace = Workspace.find()
        workspace.challenge  # noqa: B018 # reads golf.toml, which may be malformed
        checks.append(Check(name="workspace", verdict="ok", found=str(workspace.root)))
        checks.append(_repository(workspace))
    except NotFound as error:
        checks.append(Check(name="workspace", verdict="optional", found=str(error), fix="golf init"))
    except GolfError as error:
        checks += [
            Check(name="workspace", verdict="missing", found=line, fix="mend golf.toml")
            for line in filter(str.strip, str(error).split("\n"))
        ]
        workspace = None
    checks += [
        _package(name) for name in ("mcp", "pydantic", "numpy", "zstandard", "brotli", "huggingface_hub", "trackio")
    ]
    checks.append(_package("sentencepiece", "pip install sentencepiece"))
    checks.append(_training(workspace))
    checks.append(
        _package(
            "mlx", "pip install mlx  (on Linux: pip install 'mlx[cpu]'); only the MLX tier needs it", optional=True
        )
    )
    checks.append(_program("codex", "npm install -g @openai/codex", optional=True))
    if workspace is not None:
        checks += [_disk(workspace), course(workspace)]
        checks += [_tier(name, tier) for name, tier in workspace.config.tiers.items() if not _is_plain(tier)]
    checks.sort(key=lambda check: ("missing", "optional", "ok").index(check.verdict))  # what to mend is seen first
    return Diagnosis(ready=all(check.verdict != "missing" for check in checks), checks=checks)


def _package(
    name: str, fix: str = "install Caddie again: its dependencies are missing", optional: bool = False
) -> Check:
    try:
        return Check(name=name, verdict="ok", found=version(name))
    except PackageNotFoundError:
        return Check(name=name, verdict="optional" if optional else "missing", found="not installed", fix=fix)


def _program(name: str, fix: str, optional: bool = False) -> Check:
    place = shutil.which(name)
    if place:
        return Check(name=name, verdict="ok", found=place)
    return Check(name=name, verdict="optional" if optional else "missing", found="not on PATH", fix=fix)


def _is_plain(tier: TierSettings) -> bool:
    """Whether it runs here and is free: then there is nothing to look at."""
    return tier.backend == "local" and tier.hourly_rate_usd == 0


def _tier(name: str, tier: TierSettings) -> Check:
    """Whether a tier that is elsewhere or has a price could be used from here; its provider is not asked."""
    try:
        if tier.backend != "local":
            ready_backend(tier.backend, tier.options)
        at_most = settlement.price(name, tier).at_most_usd
    except GolfError as error:
        return Check(name=f"tier {name}", verdict="optional", found=str(error), fix="see docs/compute.md")
    price = f"${at_most:.2f} at most for one seed" if at_most else "free"
    if tier.backend == "local":
        return Check(name=f"tier {name}", verdict="ok", found=f"local, {price}")
    options = ", ".join(tier.options) or "none, so its defaults hold"
    checked = f"checked: options ({options}), and that what asks its provider is here; it was not asked"
    return Check(name=f"tier {name}", verdict="ok", found=f"{tier.backend}, {price}; {checked}")


def _disk(workspace: Workspace) -> Check:
    """Room for logs, weights and the database."""
    free = shutil.disk_usage(workspace.root).free
    found = f"{free / 1e9:.1f} GB free at {workspace.root}"
    if free < DISK_BYTES_MIN:
        return Check(name="disk", verdict="missing", found=found, fix="make room: a run leaves logs and weights")
    return Check(name="disk", verdict="ok", found=found)


def _training(workspace: Workspace | None) -> Check:
    """torch and its device, asked in the training interpreter."""
    python = workspace.python if workspace else sys.executable
    try:
        is_running = workspace is not None and bool(JobStore(workspace).recent(1, ("running",)))
    except sqlite3.Error as error:  # as on a full disk, which is said beside this
        return Check(name="torch", verdict="missing", found=f"not asked: {error}", fix="see disk")
    if is_running:
        return Check(name="torch", verdict="ok", found="not asked: a job is running, and its device is left alone")
    try:
        done = subprocess.run([python, "-c", PROBE], capture_output=True, text=True, timeout=120, check=False)
        found = json.loads(done.stdout)
        names = f" ({', '.join(found['names'])})" if found["names"] else ""
        return Check(name="torch", verdict="ok", found=f"{found['torch']} on {found['device']}{names}")
    except (OSError, subprocess.TimeoutExpired, ValueError, TypeError, KeyError):
        return Check(
            name="torch",
            verdict="missing",
            found=f"{python} has no working torch",
            fix="pip install torch sentencepiece, or set train.python in golf.toml to an interpreter that has it",
        )


def _repository(workspace: Workspace) -> Check:
    """Every run is played in a worktree of it."""
    name = "git repository"
    try:
        top = init.repository(workspace.root)
    except GolfError as error:
        return Check(name=name, verdict="missing", found=str(error), fix="mend what git names")
    if top is None:
        found = f"{workspace.root} is in none, and every run is played in a worktree of one"
        return Check(name=name, verdict="missing", found=found, fix=f"git init {shlex.quote(str(workspace.root))}")
    return Check(name=name, verdict="ok", found=str(top))


def course(workspace: Workspace) -> Check:
    """Shards and tokenizer."""
    try:
        counts = {
            split: sum(shards.read_header(path).num_tokens for path in shards.find_shards(workspace.data, split))
            for split in ("train", "val")
        }
    except GolfError as error:
        return Check(name="data", verdict="missing", found=str(error), fix="golf data pydocs, or golf data fineweb")
    if not workspace.tokenizer.is_file():
        return Check(
            name="data", verdict="missing", found=f"no tokenizer at {workspace.tokenizer}", fix="golf data fineweb"
        )
    return Check(
        name="data", verdict="ok", found=f"{counts['train']:,} training and {counts['val']:,} validation tokens"
    )
