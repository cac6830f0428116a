"""The reproducibility capsule, `capsule.json`: all that a packed record rests on besides its logs, with hashes.

It names commit, settings, seeds, interpreter, packages, data and every file; README and submission.json follow from it
and from the logs, so that each can be made again and compared. `seal` is a hash of the rest: it tells an accident from
a whole capsule, not a forger from an author. A forger is told by the logs, the commit and the data.
"""

import hashlib
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import AfterValidator, Field, FiniteFloat, ValidationError

from golf.errors import UnreadableInput
from golf.schema import Noun
from golf.workspace import describe

NAME = "capsule.json"
LAYOUT = 1
"""Of README, submission.json and capsule; another one is made, and checked, by another version of Caddie."""

BYTES_MAX = 4_000_000
"""A larger capsule is not read; a thousand shards take 0.2 MB."""

Track = Literal["10min_16mb", "non_record_16mb"]
TRACKS: tuple[Track, ...] = get_args(Track)

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _inside(path: str) -> str:
    if path.startswith("/") or any(part in ("", ".", "..") for part in path.split("/")) or not path.isprintable():
        raise ValueError(f"{path[:100]!r} is no relative path inside the record")
    return path


FileName = Annotated[str, Field(max_length=300), AfterValidator(_inside)]
"""Relative, and leads nowhere else."""

RecordName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}$")]


class HashedFile(Noun):
    """A file, by its bytes."""

    path: FileName
    bytes: Annotated[int, Field(ge=0)]
    sha256: Sha256


class SeedEvidence(Noun):
    """One seed: what its log says, and what Caddie measured on its artifact."""

    seed: int
    log: FileName
    logged_val_bpb: FiniteFloat
    logged_val_loss: FiniteFloat
    val_bpb: FiniteFloat
    """Measured after the run, on the artifact read back."""
    val_loss: FiniteFloat
    artifact_bytes: Annotated[int, Field(gt=0)]
    """Measured: script and weights as they lie."""
    weights: HashedFile
    """Not packed: the challenge does not want it."""
    train_time_s: FiniteFloat | None
    """As logged; None where the log is silent."""
    eval_time_s: FiniteFloat | None
    """As logged."""
    steps: int | None
    scored_on: str
    log_sha256: Sha256
    """Of the log as the trainer left it."""
    num_redacted: Annotated[int, Field(ge=0)] = 0
    """Paths of the machine that were replaced in the packed log, and nothing else."""


class Ancestor(Noun):
    """An experiment that this one builds on, nearest first."""

    name: str
    hypothesis: str
    val_bpb: FiniteFloat | None


class DataPrint(Noun):
    """What was trained and scored on, on the machine that scored it."""

    name: str
    fingerprint: str
    """As result.json has it: over validation shards, side-cars and tokenizer."""
    shards: list[HashedFile]
    train_tokens: int
    validation_tokens: int
    tokenizer: HashedFile


class Environment(Noun):
    """What the trainer ran under."""

    source: Literal["interpreter", "log", "unknown"]
    """interpreter: the local tier's, asked when it was packed; log: as far as the logs of a remote run say."""
    python: str | None
    platform: str | None
    packages: dict[str, str]
    """Distribution to version: what the script imports, and what those need."""
    imported: dict[str, str]
    """Distributions that the script imports, each with the file and line of its first import."""
    not_found: dict[str, str] = {}
    """Names imported for which nothing is installed, or no version is known."""


class Limits(Noun):
    """What the track held it to."""

    artifact_bytes_max: int
    train_time_s_max: FiniteFloat | None
    """None: the track has no clock."""
    eval_time_s_max: FiniteFloat | None


class Capsule(Noun):
    """A packed record's evidence."""

    layout: int
    made_by: str
    challenge: str
    track: Track
    name: RecordName
    author: Annotated[str, Field(pattern=r"\S", max_length=200)]
    github_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]{0,38}$")]
    blurb: str
    hardware: str | None
    hardware_from: Literal["log", "author", "unknown"]
    experiment: str
    run_id: str
    commit: Annotated[str, Field(pattern=r"^[0-9a-f]{7,64}$")]
    source: FileName
    """Where the scripts lie in the commit, relative to the workspace."""
    tier: str
    status: str
    finished_at: datetime
    hypothesis: str
    expected_outcome: str
    outcome: str
    techniques: list[str]
    script: FileName
    scripts: list[FileName]
    """Everything that was taken from the commit."""
    command: list[str]
    settings: dict[str, str]
    claimed_seeds: list[int]
    seeds: Annotated[list[SeedEvidence], Field(min_length=1)]
    limits: Limits
    lineage: list[Ancestor]
    builds_on: list[str]
    run_notes: list[str]
    author_notes: str
    cost_usd: FiniteFloat
    data: DataPrint
    environment: Environment
    files: list[HashedFile]
    """Every packed file but this one."""
    seal: str = ""


def hashed(data: bytes, path: str) -> HashedFile:
    """Bytes as the capsule lists them."""
    return HashedFile(path=path, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())


def hashed_file(file: Path, path: str) -> HashedFile:
    """Like `hashed`, for a file of any size."""
    with open(file, "rb") as opened:
        digest = hashlib.file_digest(opened, "sha256").hexdigest()
    return HashedFile(path=path, bytes=file.stat().st_size, sha256=digest)


def seal(capsule: Capsule) -> str:
    """SHA-256 of everything in it but the seal."""
    text = json.dumps(capsule.model_dump(mode="json", exclude={"seal"}), sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def sealed(capsule: Capsule) -> Capsule:
    """The same with its seal."""
    return capsule.model_copy(update={"seal": seal(capsule)})


def dump(capsule: Capsule) -> bytes:
    """capsule.json's bytes."""
    return (json.dumps(capsule.model_dump(mode="json"), indent=1, ensure_ascii=True, allow_nan=False) + "\n").encode()


def parse(data: bytes) -> Capsule:
    """capsule.json, typed.

    Raises:
        UnreadableInput: too large, no JSON, a number that is none, a field missing or unknown, or another layout.
    """
    if len(data) > BYTES_MAX:
        raise UnreadableInput(f"{NAME} has {len(data):,} bytes, over the {BYTES_MAX:,} that are read")
    try:
        value = strict_json(data)
        layout = value.get("layout") if isinstance(value, dict) else None
        if isinstance(layout, int) and layout != LAYOUT:
            raise UnreadableInput(
                f"{NAME} has layout {layout}, made by {str(value.get('made_by'))[:80]}, and this version checks layout "
                f"{LAYOUT}. Verify it with the version that made it"
            )
        return Capsule.model_validate_json(data)
    except ValidationError as error:
        raise UnreadableInput(f"{NAME} is no capsule: {describe(error)[:500]}") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableInput(f"{NAME} could not be read: {str(error)[:300]}") from error


def strict_json(data: bytes) -> Any:
    """JSON without NaN and infinities, and without keys given twice.

    Raises:
        ValueError: it is not that.
    """

    def refuse(word: str) -> Any:
        raise ValueError(f"{word} is no number")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len(dict(pairs)) < len(pairs):
            raise ValueError(f"a key is given twice: {', '.join(key for key, _ in pairs)[:100]}")
        return dict(pairs)

    return json.loads(data.decode("utf-8"), parse_constant=refuse, object_pairs_hook=once)


def date_of(capsule: Capsule) -> str:
    """The record's day: the one its run ended on, UTC."""
    return capsule.finished_at.date().isoformat()


def leaf(capsule: Capsule) -> str:
    """The record folder's name."""
    return f"{date_of(capsule)}_{capsule.name}"


def track_folder(track: str) -> str:
    """The folder of a track, below `records/`."""
    return f"track_{track}"


def is_name(text: str) -> bool:
    """Whether a record can be called so."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}", text) is not None
