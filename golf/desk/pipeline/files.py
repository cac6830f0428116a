"""Which files of a folder are data, which split each belongs to, and whether their numbering has gaps."""

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

from golf.desk.pipeline.checked import Kind, Trouble
from golf.errors import NotFound, UnreadableInput

FILES_MAX = 5_000
ENDINGS: dict[str, Kind] = {".bin": "shard", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "text"}
COMPRESSED = (".gz", ".zst", ".xz", ".bz2", ".zip")
OTHERS = (".parquet", ".arrow", ".npy", ".npz", ".pkl", ".pickle", ".h5", ".tfrecord")
NOT_DATA = re.compile(r"readme|licen[cs]e|requirements|notice|copying|changelog", re.IGNORECASE)

SplitName = Literal["train", "validation", "test", ""]
_SPLITS: dict[str, SplitName] = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "dev", "eval", "heldout"), "validation"),
    "test": "test",
}
_SPLIT = re.compile(rf"(?:^|[._\-/])({'|'.join(_SPLITS)})(?=[._\-/\d]|$)", re.IGNORECASE)
_NUMBERED = re.compile(r"(.*?)(\d+)((?:-of-\d+)?\.\w+)")
_OF = re.compile(r"-of-(\d{1,6})\.")
_SHA256 = re.compile(r"[0-9a-f]{64}")


def find(path: Path) -> tuple[dict[str, Path], dict[str, str]]:
    """Data files by their names relative to `path`, in order; and what was passed over, with the reason.

    Raises:
        NotFound: there is nothing at `path`, or no data in it.
        UnreadableInput: more files than are looked at.
    """
    if path.is_file():
        if path.suffix.lower() not in ENDINGS:
            raise UnreadableInput(f"{path} is of no known kind; known: {', '.join(ENDINGS)}")
        return {path.name: path}, {}
    if not path.is_dir():
        raise NotFound(f"there is nothing at {path}. Give a data file, or a folder with some")
    found: dict[str, Path] = {}
    passed: dict[str, str] = {}
    closed: list[OSError] = []
    for folder, folders, names in os.walk(path, onerror=closed.append):
        folders[:] = sorted(one for one in folders if not one.startswith(".") and one != "__pycache__")
        for place in (Path(folder, one) for one in folders):
            if place.is_symlink():
                passed[place.relative_to(path).as_posix()] = "a link to a folder: give it a check of its own"
        for name in sorted(names):
            place = Path(folder, name)
            shown = place.relative_to(path).as_posix()
            ending = place.suffix.lower()
            if ending in COMPRESSED:
                passed[shown] = "compressed: unpack it to have it checked"
            elif ending in (".pkl", ".pickle"):
                passed[shown] = "a pickle: to load it could run code"
            elif ending in OTHERS:
                passed[shown] = "of a kind that is not read"
            elif ending in ENDINGS and not NOT_DATA.search(name) and place.is_file():
                found[shown] = place
                if len(found) > FILES_MAX:
                    raise UnreadableInput(f"{path} has over {FILES_MAX} data files; check its folders one by one")
    for error in closed:
        passed[Path(error.filename).relative_to(path).as_posix()] = f"cannot be read: {error.strerror}"
    if not found:
        why = "; ".join(f"{name}: {reason}" for name, reason in list(passed.items())[:3])
        raise NotFound(f"there is no data in {path} ({', '.join(f'*{one}' for one in ENDINGS)})" + (why and f": {why}"))
    return found, passed


def split_of(name: str) -> SplitName:
    """The split that a path names, its last word for it."""
    said = _SPLIT.findall(name)
    return _SPLITS[said[-1].lower()] if said else ""


def gaps(names: Sequence[str]) -> Iterator[Trouble]:
    """Numbered files of which some are missing.

    Numbers of the same width that begin with 0 or 1 and are mostly there: seeds and sizes in names are no numbering.
    """
    series: dict[tuple[str, str, int], dict[int, str]] = {}
    for name in names:
        if match := _NUMBERED.fullmatch(name):
            series.setdefault((match[1], match[3], len(match[2])), {})[int(match[2])] = name
    for (stem, ending, _), numbers in series.items():
        low, high = min(numbers), max(numbers)
        if stated := _OF.match(ending):  # train-00003-of-00010.jsonl says itself how many there are
            low = int(int(stated[1]) in numbers)
            high = int(stated[1]) + low
        elif low > 1 or len(numbers) < 2 or high - low + 1 > 2 * len(numbers):
            continue
        if missing := [number for number in range(low, high) if number not in numbers]:
            yield Trouble(
                code="GAP", severity="warning", file=numbers[low], count=len(missing),
                text=f"of {stem}*{ending} number {missing[0]} is missing"
                + (f", and {len(missing) - 1} more up to {high}" if len(missing) > 1 else ""),
                fix="fetch what is missing, or say that the data is a part",
            )  # fmt: skip


def same_files(found: dict[str, Path]) -> Iterator[Trouble]:
    """Files of two splits with the very same content."""
    seen: dict[tuple[int, str], str] = {}
    sizes = [path.stat().st_size for path in found.values()]
    for (name, path), size in zip(found.items(), sizes, strict=True):
        if sizes.count(size) > 1 and size:
            key = (size, sha256(path))
            earlier = seen.setdefault(key, name)
            if split_of(earlier) != split_of(name):
                yield Trouble(
                    code="SAME_FILE", severity="error", file=name,
                    text=f"it is the same as {earlier}, byte for byte, and named as another split",
                    fix="one of them is the wrong file: make the split again",
                )  # fmt: skip


def against_manifest(found: dict[str, Path]) -> tuple[bool, list[Trouble]]:
    """Whether a manifest.json beside the data states checksums, and the files that differ from it.

    Names in it are relative to its own folder, or to one up to two above.
    """
    shown = {place.resolve(): name for name, place in found.items()}
    stated: dict[str, str] = {}
    for folder in sorted({place.resolve().parent for place in found.values()}):
        for name, value in _checksums(folder / "manifest.json").items():
            for base in (folder, *folder.parents[:2]):
                if (place := base / name) in shown:
                    stated[shown[place]] = value
    return bool(stated), [
        Trouble(
            code="CHECKSUM",
            severity="error",
            file=name,
            text="its SHA-256 is not the one that manifest.json states",
            fix="fetch or make it again",
        )
        for name, value in sorted(stated.items())
        if sha256(found[name]) != value
    ]


def _checksums(manifest: Path) -> dict[str, str]:
    try:
        stated = json.loads(manifest.read_text(encoding="utf-8"))["files"]
        return {str(name): one for name, one in stated.items() if isinstance(one, str) and _SHA256.fullmatch(one)}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
