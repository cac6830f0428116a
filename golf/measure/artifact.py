"""What a submission weighs: code plus weights against the challenge's byte limit.

Accepted records were counted in three ways, and all that can be computed are in `totals`:

    shipped  every file as it lies; the convention of most records until April 2026, and the default here
    packed   the same, with Python code as a lzma + base85 self-extractor; what logs since #1530 call
             "Code size (compressed)" (those minify first, so they come out a little smaller)
    logged   what the script's own log says, for the worst of the seeds; what maintainers have judged by

Two things surprise. An uncompressed checkpoint counts as its zstd size, as the competitors' own script
does, although nobody would ship it like that. And the challenge's script leaves its raw checkpoint beside
the compressed one: that twin is an intermediate and is named, not counted.

Files are only ever read, never unpickled or run, and however large one is, at most 16 MB of it are held at once.
"""

import base64
import lzma
import os
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from golf import rules
from golf.errors import AmbiguousInput, BadConfig, GolfError, NotFound, UnreadableInput
from golf.measure import codecs as streams
from golf.schema import Artifact, CodecSize, Part, TrainingLog

Accounting = Literal["shipped", "packed", "logged"]
Progress = Callable[[str, int, int], None]
"""Called with codec, payload bytes done and payload bytes in all; what it raises ends the measurement."""

SCRIPT = "train_gpt.py"
COMPRESSED = (".ptz", ".xz", ".lzma", ".br", ".zst", ".lrz", ".gz", ".bz2")
"""Endings of weights that count as they lie (`.ptz` is the challenge's, whatever codec is inside)."""

RAW = (".pt", ".pth", ".npz", ".safetensors")
"""Endings of uncompressed checkpoints; they count as their zstd size."""

PATTERNS = tuple(f"*{ending}" for ending in (*COMPRESSED, *RAW))
"""Names of weights in a folder."""

TOKENIZER = ("*.model", "*.vocab", "*tokenizer*.json", "vocab.json", "merges.txt", "*.tiktoken")
CODE = (".py", ".c", ".cc", ".cpp", ".cu", ".cuh", ".h", ".hpp", ".pyx", ".so")
SAVINGS = ("entropy0", "zstd-22", "xz-9", "brotli-11")
"""Codecs tried on the unpacked weights; brotli-11 takes about four seconds per megabyte."""

_NOT_WEIGHTS = (".log", ".txt", ".tsv", ".csv", ".json", ".jsonl", ".md", ".py", ".tar")
_CHEAP = ("zlib", "gzip", "zstd", "brotli")
"""Formats that unpack fast enough to look inside unasked; xz takes a second."""

_ZSTD = "zstd-3"
"""The library's default level, which the seed's script uses."""

_ONE_CALL_BYTES = 1 << 24
"""Largest checkpoint that is compressed in one call, in memory, for exactly the number the seed's script gives."""

_PACK_BYTES_MAX = 4_000_000


def measure_artifact(
    path: Path | str,
    *,
    challenge: rules.Challenge = rules.PARAMETER_GOLF,
    script: str | None = None,
    weights: str | None = None,
    helpers: Sequence[str] = (),
    tokenizer: str | None = None,
    code_only: bool = False,
    savings: bool = False,
    accounting: Accounting | None = None,
    codecs: Sequence[str] = SAVINGS,
    progress: Progress | None = None,
) -> Artifact:
    """Counted bytes of a submission, and the room left under the challenge's limit.

    Args:
        path: A folder, or a weights file or script in one (which is then chosen).
        challenge: Supplies the limit.
        script: Training script, relative to the folder; `train_gpt.py` when not given.
        weights: Weights file, relative to the folder; needed where several lie there.
        helpers: Further files that the script cannot run without; they count as code.
        tokenizer: Tokenizer file; found by name when not given. Reported, not counted.
        code_only: Count code alone, for a script that has not been trained yet.
        savings: Also compress the unpacked weights with each of `codecs` (slow; up to some 300 MB of memory).
        accounting: Which convention decides; `shipped` when not given.
        codecs: What `savings` tries, as `golf.measure.codecs` spells them.
        progress: Called while `savings` works.

    Raises:
        NotFound: The path, the script or a named file is missing.
        AmbiguousInput: Several files could be the weights.
        UnreadableInput: No weights, an empty or unreadable file, a link out of the folder, not a regular file.
        BadConfig: An unknown codec.

    Source: openai/parameter-golf README, FAQ on artifact size; merged records for the conventions.
    """
    path = Path(path)
    for codec in codecs:
        streams.parse_codec(codec)  # before minutes of work, not after
    folder, script, weights = _chosen(path, script, weights)
    notes: list[str] = []
    code = _distinct([_file(folder, script or SCRIPT, "--script")] + [_file(folder, name) for name in helpers])
    logs = [] if code_only else _logs(folder)
    model = None
    if code_only:
        notes.append("code only: no weights were counted, so this says nothing about the finished artifact")
    elif weights is not None or accounting != "logged" or _weight_names(folder):
        model = _weights(folder, weights, notes, logs)
        if model.path in {file.path for file in code}:
            raise BadConfig(f"{model.name} is named both as code and as weights")

    conventions: dict[str, list[Part]] = {}
    model_parts = [] if model is None else [_model_part(model, notes)]
    if code_only or model is not None:
        conventions["shipped"] = [Part(path=file.name, kind="code", bytes=file.bytes) for file in code] + model_parts
        if sum(file.bytes for file in code) <= _PACK_BYTES_MAX:
            conventions["packed"] = [_packed_part(file) for file in code] + model_parts
    if logs:
        conventions["logged"] = _logged_parts(logs, code[0], model)
    chosen = accounting or "shipped"
    if chosen not in conventions:
        raise UnreadableInput(_cannot_count(chosen, folder))
    totals = {name: sum(part.bytes for part in parts) for name, parts in conventions.items()}
    limit = challenge.artifact_bytes_max
    notes += _disagreements(totals, limit)
    notes += _log_mismatches(logs, code[0], model)
    notes += _uncounted(folder, code, model)

    tokenizers = [
        Part(path=file.name, kind="tokenizer", bytes=file.bytes, counted_as="not counted")
        for file in _tokenizers(folder, tokenizer)
    ]
    tokenizer_bytes = sum(part.bytes for part in tokenizers)
    if tokenizers:
        totals["with_tokenizer"] = totals[chosen] + tokenizer_bytes
        note = f"the tokenizer ({tokenizer_bytes:_} bytes) is not counted: accepted records ship theirs uncounted"
        notes.append(note if totals["with_tokenizer"] <= limit else note + "; counting it would be over the limit")

    found: list[CodecSize] = []
    if model is not None:
        found = _savings(model, model_parts[0].bytes, codecs if savings else None, progress, notes)
    return Artifact(
        path=_shown(str(path)),
        artifact_bytes=totals[chosen],
        limit_bytes=limit,
        code_bytes=sum(part.bytes for part in conventions[chosen] if part.kind == "code"),
        model_bytes=sum(part.bytes for part in conventions[chosen] if part.kind == "model"),
        tokenizer_bytes=tokenizer_bytes,
        accounting=chosen,
        totals=totals,
        parts=conventions[chosen] + tokenizers,
        savings=found,
        notes=notes,
    )


def find_weights(folder: Path, name: str | None = None) -> Path:
    """The weights file that `measure_artifact` counts in `folder`: `name`, or the only candidate, links resolved.

    Raises:
        AmbiguousInput: Several files could be the weights.
        UnreadableInput: There are none, or the one cannot be counted.
    """
    return _weights(folder.resolve(), name, [], []).path


def packed_size(source: bytes) -> int:
    """Bytes of the smallest form `source` (Python) runs from: as it is, or as a two-line self-extractor."""
    return min(len(source), len(self_extractor(source)))


def self_extractor(source: bytes) -> bytes:
    """A script that unpacks and runs `source`: raw LZMA2 in base85, decoded with the standard library alone."""
    window = max(1 << 12, len(source))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 9 | lzma.PRESET_EXTREME, "dict_size": window}]
    payload = base64.b85encode(lzma.compress(source, lzma.FORMAT_RAW, filters=filters))
    # 3 is FORMAT_RAW and 33 FILTER_LZMA2, whose default window of 8 MiB covers any script.
    return b'import base64,lzma\nexec(lzma.decompress(base64.b85decode("%b"),3,None,[{"id":33}]))\n' % payload


# --- finding the files


@dataclass(frozen=True)
class _File:
    """A regular, readable, non-empty file inside the folder."""

    name: str
    path: Path
    bytes: int


def _chosen(path: Path, script: str | None, weights: str | None) -> tuple[Path, str | None, str | None]:
    """Folder, script and weights that `path` means."""
    if path.is_dir():
        return path.resolve(), script, weights
    folder, name = path.parent.resolve(), path.name
    if not os.path.lexists(path):
        raise NotFound(f"there is no {_shown(str(path))}")
    if path.suffix == ".py":
        if script is not None and script != name:
            raise BadConfig(f"the path names the script {name}, the option {script}: give one of them")
        return folder, name, weights
    if path.name.lower().endswith(COMPRESSED + RAW):
        if weights is not None and weights != name:
            raise BadConfig(f"the path names the weights {name}, the option {weights}: give one of them")
        return folder, script, name
    raise UnreadableInput(
        f"{_shown(str(path))} is no folder, script or weights file ({' '.join(COMPRESSED + RAW)}). "
        f"If it holds weights: golf measure-artifact {shlex.quote(str(path.parent))} --weights {shlex.quote(name)}"
    )


def _file(folder: Path, name: str, option: str | None = None) -> _File:
    """The file `name` in `folder`, or the error that says why it cannot be counted; `option` chooses another."""
    shown = _shown(name)
    try:
        path = (folder / name).resolve(strict=True)
        if not path.is_relative_to(folder):
            raise UnreadableInput(f"{shown} leads out of {folder}, to {path}. Copy the file into the folder")
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise UnreadableInput(f"{shown} is a {_kind(status.st_mode)}, not a file, and has no size to count")
        with path.open("rb") as file:
            readable = file.read(1)
    except FileNotFoundError:
        if (folder / name).is_symlink():
            raise UnreadableInput(f"{shown} is a symbolic link to a file that does not exist") from None
        remedy = f". Name another: golf measure-artifact {shlex.quote(str(folder))} {option} NAME" if option else ""
        raise NotFound(f"there is no {shown} in {folder}{remedy}") from None
    except (OSError, ValueError, RuntimeError) as error:  # RuntimeError: a link to itself, before Python 3.13
        raise UnreadableInput(f"{shown} cannot be read: {error}") from error
    if not readable:
        raise UnreadableInput(f"{shown} is empty (0 bytes): it cannot be what a submission runs on")
    return _File(shown, path, status.st_size)


def _kind(mode: int) -> str:
    kinds = {stat.S_IFDIR: "folder", stat.S_IFIFO: "FIFO", stat.S_IFSOCK: "socket"}
    return kinds.get(stat.S_IFMT(mode), "device")


def _shown(name: str) -> str:
    """`name` as text that can be encoded: file names may hold any bytes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _distinct(files: Iterable[_File]) -> list[_File]:
    """Files without those that are the same file under another name."""
    return list({file.path: file for file in reversed(list(files))}.values())[::-1]


def _names(folder: Path, wanted: Callable[[str], bool]) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if wanted(name))
    except OSError as error:
        raise UnreadableInput(f"{folder} cannot be listed: {error.strerror}") from error


def _is_weights(name: str) -> bool:
    lower = name.lower()
    return lower.endswith(COMPRESSED + RAW) and not Path(lower).stem.endswith(_NOT_WEIGHTS)


def _weight_names(folder: Path) -> list[str]:
    return _names(folder, _is_weights)


def _weights(folder: Path, name: str | None, notes: list[str], logs: list[TrainingLog]) -> _File:
    command = f"golf measure-artifact {shlex.quote(str(folder))}"
    if name is not None:
        return _file(folder, name)
    names = _weight_names(folder)
    if not names:
        looked_for = " ".join(f"*{ending}" for ending in COMPRESSED + RAW)
        elsewhere = sorted(str(file.relative_to(folder)) for file in folder.glob("*/*") if _is_weights(file.name))
        remedy = f"The log's own count: {command} --accounting logged" if logs else f"Code alone: {command} --code-only"
        if elsewhere:
            remedy = f"Did you mean: {command} --weights {shlex.quote(elsewhere[0])}"
        raise UnreadableInput(f"there are no weights in {folder} ({looked_for}), so no artifact to weigh. {remedy}")
    compressed = [name for name in names if name.lower().endswith(COMPRESSED)]
    twins = [
        name
        for name in names
        if name.lower().endswith(RAW) and any(other.startswith(Path(name).stem + ".") for other in compressed)
    ]
    candidates = [_file(folder, name) for name in names if name not in twins]
    candidates = _distinct(sorted(candidates, key=lambda file: (folder / file.name).is_symlink()))
    if len(candidates) > 1:
        listed = ", ".join(f"{file.name} ({file.bytes:_} bytes)" for file in candidates)
        choice = shlex.quote(candidates[0].name)
        raise AmbiguousInput(f"several files could be the weights: {listed}. Choose one: {command} --weights {choice}")
    if twins:
        listed = ", ".join(map(_shown, twins))
        notes.append(f"{listed} is not counted: the uncompressed intermediate that {candidates[0].name} was made from")
    return candidates[0]


def _tokenizers(folder: Path, name: str | None) -> list[_File]:
    if name is not None:
        return [_file(folder, name)]
    found = {path for place in (folder, folder / "tokenizers") for pattern in TOKENIZER for path in place.glob(pattern)}
    return _distinct(_file(folder, str(path.relative_to(folder))) for path in sorted(found))


# --- counting


def _model_part(file: _File, notes: list[str]) -> Part:
    if not file.path.name.lower().endswith(RAW):
        return Part(path=file.name, kind="model", bytes=file.bytes)
    size, how = _zstd_size(file)
    notes.append(
        f"{file.name} ({file.bytes:_} bytes) is uncompressed and not what would ship: "
        f"it counts as its {_ZSTD} size, {size:_} bytes ({how})"
    )
    return Part(path=file.name, kind="model", bytes=size, counted_as=_ZSTD)


def _zstd_size(file: _File) -> tuple[int, str]:
    """Size under zstd's default level, and how it was found.

    One call on the whole file is what the seed's script makes; zstd splits blocks differently in a stream, so
    only that gives its number exactly. A file too large for that is streamed, up to about 1 % off.
    """
    if file.bytes > _ONE_CALL_BYTES:
        return streams.compressed_size(_chunks(file.path), _ZSTD, file.bytes), "streamed: one call is up to 1 % off"
    return streams.compressed_size(file.path.read_bytes(), _ZSTD), "in one call"


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(streams.CHUNK):
            yield chunk


def _packed_part(file: _File) -> Part:
    if file.path.suffix == ".py":
        size = packed_size(file.path.read_bytes())
        if size < file.bytes:
            return Part(path=file.name, kind="code", bytes=size, counted_as="lzma + base85 self-extractor")
    return Part(path=file.name, kind="code", bytes=file.bytes)


def _logs(folder: Path) -> list[TrainingLog]:
    """Logs beside the script that state a total (not less than their own model), the largest total first."""
    from golf.measure import logs  # only here: most artifacts have none beside them

    read = [log for log in logs.folder_logs(folder) if (log.artifact_bytes or 0) > (log.model_bytes or 0)]
    return sorted(read, key=lambda log: -(log.artifact_bytes or 0))


def _logged_parts(logs: list[TrainingLog], script: _File, model: _File | None) -> list[Part]:
    """The parts as the worst seed's log states them; where it only states the total, the script's size as it lies."""
    worst = logs[0]
    total = worst.artifact_bytes or 0
    stated = [worst.code_bytes[kind] for kind in ("compressed", "plain", "uncompressed") if kind in worst.code_bytes]
    code = total - worst.model_bytes if worst.model_bytes else min(stated[0] if stated else script.bytes, total)
    source = f"logged in {Path(worst.path).name}"
    return [
        Part(path=script.name, kind="code", bytes=code, counted_as=source),
        Part(path=model.name if model else Path(worst.path).name, kind="model", bytes=total - code, counted_as=source),
    ]


def _cannot_count(chosen: Accounting, folder: Path) -> str:
    if chosen == "packed":
        return f"the code is over {_PACK_BYTES_MAX:_} bytes and was not packed; use --accounting shipped"
    return (
        f"no log in {folder} states a total size, so nothing can be counted as logged. "
        f"Count the files: golf measure-artifact {shlex.quote(str(folder))} --accounting shipped"
    )


# --- what should be said beside the number


def _disagreements(totals: dict[str, int], limit: int) -> list[str]:
    if len({total <= limit for total in totals.values()}) < 2:
        return []
    verdicts = ", ".join(f"{name} {total:_} ({'fits' if total <= limit else 'over'})" for name, total in totals.items())
    return [
        f"the verdict depends on the accounting: {verdicts}. Records accepted since #1530 went by the logged total "
        "of the worst seed, with the code's packed size"
    ]


def _log_mismatches(logs: list[TrainingLog], script: _File, model: _File | None) -> list[str]:
    """Sizes in the logs that none of the files here has: edited after the run, or another run's log."""
    notes = []
    stated = {size for log in logs for size in log.code_bytes.values()}
    if stated and script.bytes not in stated:
        shown = ", ".join(f"{size:_}" for size in sorted(stated))
        notes.append(f"{script.name} has {script.bytes:_} bytes, its log says {shown}: edited after the run, or packed")
    sizes = {log.model_bytes for log in logs if log.model_bytes}
    if model is not None and sizes and model.bytes not in sizes and not model.path.name.lower().endswith(RAW):
        shown = ", ".join(f"{size:_}" for size in sorted(sizes))
        notes.append(f"{model.name} has {model.bytes:_} bytes, no log has a model of that size ({shown})")
    return notes


def _uncounted(folder: Path, code: list[_File], model: _File | None) -> list[str]:
    counted = {file.path for file in code} | ({model.path} if model else set())
    names = _names(folder, lambda name: name.endswith(CODE) and Path(os.path.realpath(folder / name)) not in counted)
    notes = []
    if names:
        shown = ", ".join(map(_shown, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        notes.append(f"code not counted: {shown} (add what the script cannot run without: --helper NAME)")
    if model is None and (left := _weight_names(folder)):
        notes.append(f"weights not counted: {', '.join(map(_shown, left[:5]))}")
    return notes


def _savings(
    model: _File, counted: int, codecs: Sequence[str] | None, progress: Progress | None, notes: list[str]
) -> list[CodecSize]:
    """Unpacked weights under other codecs, against the `counted` bytes; `codecs` None does what is nearly free."""
    raw = model.path.name.lower().endswith(RAW)
    packing = None if raw else streams.sniff(model.path)
    if codecs is None:
        if packing == "xz" and not _ends_like_xz(model.path):
            notes.append(f"{model.name} is damaged: its xz stream is cut short. The size stands, but it will not load")
        if packing not in _CHEAP:
            return []
        codecs = ("entropy0",)
    elif not raw and packing is None:
        notes.append(f"{model.name} is in no format that can be unpacked here, so what a codec would save is unknown")
        return []

    def payload() -> Iterator[bytes]:
        return _chunks(model.path) if raw else streams.decompress_stream(model.path)

    histogram = streams.Histogram()
    try:
        histogram.add_all(payload())
    except GolfError as error:
        notes.append(f"{error}. The size stands")
        return []
    total = histogram.total
    sizes = []
    for codec in codecs:
        chunks = _watched(payload(), codec, total, progress)
        size = histogram.entropy_bytes if codec == "entropy0" else streams.compressed_size(chunks, codec, total)
        sizes.append(CodecSize(codec=codec, bytes=size, saved_bytes=counted - size))
    return sizes


def _watched(chunks: Iterator[bytes], codec: str, total: int, progress: Progress | None) -> Iterator[bytes]:
    done = 0
    for chunk in chunks:
        yield chunk
        done += len(chunk)
        if progress is not None:
            progress(codec, done, total)


def _ends_like_xz(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-min(2, path.stat().st_size), os.SEEK_END)
        return file.read() == b"YZ"
