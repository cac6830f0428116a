"""The demonstration round: a workspace with a course and two experiments, prepared for the normal path.

Nothing here trains or scores: `golf demo` plays the two experiments exactly as a Codex session
would. The candidate is a patch against the baseline, so that its one idea can be read.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from golf import bundle, durable
from golf.data import Progress, course
from golf.errors import AmbiguousInput, UnreadableInput
from golf.play import experiments, init
from golf.schema import Noun, Promotion, Result
from golf.workspace import CONFIG_NAME, Workspace

TEMPLATES = bundle.TEMPLATES / "demo"
TIER = "demo"
SEEDS = [1337, 42]
RUN_TIME_LIMIT_S = 900
"""A backstop for a stuck machine; the trainers stop by themselves much earlier."""


class Round(Noun):
    """A played round: what it was about, what it gave, where it lies."""

    folder: str
    text: str
    results: list[Result]
    promotion: Promotion
    reference_bpb: dict[str, float]
    beats_references: bool
    """The best experiment is below zstd-22 and lzma on the same text."""
    verdict: str
    picture: str
    elapsed_s: float
    next: list[str]


def free_folder(base: Path) -> Path:
    """`base`, or the first of `base-2`, `base-3`, … that does not exist: a round is never overwritten."""
    candidates = [base, *(base.with_name(f"{base.name}-{number}") for number in range(2, 1000))]
    for candidate in candidates:
        if not candidate.exists():
            return candidate
    raise AmbiguousInput(f"{base} and 998 like it exist already; remove some of them")


def prepare(folder: Path, progress: Progress) -> tuple[Workspace, course.Course]:
    """A git repository with golf.toml, the naive baseline, shards and a tokenizer of Python's documentation.

    Raises:
        GolfError: git or sentencepiece is missing, or this Python has too little text.
    """
    folder.mkdir(parents=True)
    settings = json.loads((TEMPLATES / "settings.json").read_text(encoding="utf-8"))
    durable.replace(folder / CONFIG_NAME, _config(settings))
    init.init(folder, own_repository=True)
    built = course.build_course(folder / "data", progress=progress)
    return Workspace(folder), built


def claim_baseline(workspace: Workspace) -> Path:
    """The first experiment: the naive baseline, small."""
    return experiments.claim(
        workspace,
        "baseline",
        hypothesis="The naive baseline, shrunk to two CPU cores, models this text better than zstd-22 and lzma do.",
        expected_outcome="val_bpb below the lzma line of the report",
        rollback_criteria="none: it is what everything else is compared with",
        script=workspace.root / "baselines" / "naive" / "train_gpt.py",
        tier=TIER,
        seeds=SEEDS,
    )


def claim_candidate(workspace: Workspace, parent: str) -> Path:
    """The second experiment: one idea, as a patch against the baseline's script.

    Raises:
        UnreadableInput: the patch does not fit the script.
    """
    said = json.loads((TEMPLATES / "candidate.json").read_text(encoding="utf-8"))
    folder = experiments.find(workspace, parent)
    with tempfile.TemporaryDirectory(prefix="golf-demo-") as scratch:
        script = Path(scratch) / "train_gpt.py"
        shutil.copyfile(folder / "train_gpt.py", script)
        patch = TEMPLATES / said["patch"]
        done = subprocess.run(["git", "apply", str(patch)], cwd=scratch, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UnreadableInput(f"{patch} does not fit {folder / 'train_gpt.py'}: {done.stderr.strip()}")
        return experiments.claim(
            workspace,
            said["slug"],
            hypothesis=said["hypothesis"],
            expected_outcome=said["expected_outcome"],
            rollback_criteria=said["rollback_criteria"],
            script=script,
            parent=folder.name,
            techniques=said["techniques"],
        )


def conclude(results: list[Result], folder: Path, text: str, picture: Path, elapsed_s: float) -> Round:
    """What the round gave, in words that hold whatever came out."""
    baseline, candidate = results
    assert baseline.val_bpb is not None and candidate.val_bpb is not None and candidate.promotion is not None
    references = candidate.reference_bpb
    line = min((references[name] for name in ("zstd", "lzma") if name in references), default=0.0)
    best = min(baseline.val_bpb, candidate.val_bpb)
    below = best < line
    if below:
        verdict = (
            f"best val_bpb {best:.4f}, {line - best:.4f} below the best plain compressor ({line:.4f}) on this text"
        )
    else:
        verdict = (
            f"best val_bpb {best:.4f} is not below the plain compressors ({line:.4f}): this machine made only "
            f"{min(seed.steps or 0 for seed in candidate.seeds)} steps in the time there was. The round is lost."
        )
    name = os.path.relpath(folder)
    return Round(
        folder=str(folder),
        text=text,
        results=results,
        promotion=candidate.promotion,
        reference_bpb=references,
        beats_references=below,
        verdict=verdict,
        picture=str(picture),
        elapsed_s=round(elapsed_s, 1),
        next=[
            *_activation(),
            f"cd {name}",
            "golf history",
            f"golf check-promotion {candidate.experiment}",
            f"golf run wider --parent {candidate.experiment} --env MLP_MULT=3 --hypothesis 'A wider MLP helps'",
        ],
    )


def _activation() -> list[str]:
    """How to get `golf` on PATH, where it is not."""
    script = Path(sys.executable).parent / "activate"
    return [f". {os.path.relpath(script)}"] if shutil.which("golf") is None and script.exists() else []


def _config(env: Mapping[str, str]) -> str:
    """The demo's golf.toml: the template's ladder is replaced by one small tier."""
    lines = [
        "# The demonstration round's workspace; see the README for a real one.",
        "",
        "[data]",
        'path = "data/datasets/pydocs_sp1024"',
        'tokenizer = "data/tokenizers/pydocs_1024_bpe.model"',
        "",
        f"[tiers.{TIER}]                     # two seeds side by side, a thread each",
        f"time_limit_s = {RUN_TIME_LIMIT_S}",
        f"parallel_seeds = {len(SEEDS)}",
        f"[tiers.{TIER}.env]",
        *(f'{key} = "{value}"' for key, value in env.items()),
    ]
    return "\n".join(lines) + "\n"
