"""The denominator of bits per byte, recounted: the text is decoded, and a script's byte table is held against it.

A score is bits over bytes, so that a table which counts 17 % too many bytes makes a score 15 % too good without any
line looking wrong. Here the validation tokens are decoded document by document, which needs no table, and counted by
the challenge's table and by the script's. Where the two differ, each token id is put under the mistake it shows.

A table is data: three arrays. `read_table` takes them from an `.npz` beside a script, without pickles; a script's own
function that builds them is other people's code and runs in a confined job alone, which hands over the arrays.

Source of the known mistakes: submissions that were ruled invalid for them (#875, #1143, #1184, #1545, #1734).
"""

import zipfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from golf.errors import NotFound, UnreadableInput
from golf.measure import byte_counts
from golf.measure.byte_counts import SPACE, ByteTable
from golf.rulings import ByteAudit, ByteDefect, ByteDefectKind

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

TABLE_BYTES_MAX = 8_000_000
"""Of one array in an `.npz`, unpacked; tables of 65,536 ids are far smaller."""

IDS_MAX = 1 << 16
"""A shard holds no larger token id."""

PIECE_BYTES_MAX = 10_000
"""No piece of text is longer."""

SLICE_TOKENS = 1 << 16
"""A longer document is decoded in slices, so that memory does not depend on it."""

PROBES = {
    "the case of letters": "Aa ÉÖ",
    "accents": "naïve über",
    "compatibility forms": "ﬁ ① Ａ ½，👩\u200d🚀",
    "runs of spaces": "a  b",
    "line breaks": "a\nb",
    "spaces at the ends": " a ",
    "emoji": "😀 🚀",
    "CJK": "你好世界",
    "U+FFFD": "a\ufffdb",
    "U+2581": "a\u2581b",
}
"""Texts by what they show when they do not come back as they went in."""

USUAL_LOSSES = ("compatibility forms", "runs of spaces", "line breaks", "spaces at the ends", "U+FFFD", "U+2581")
"""What SentencePiece's own normalisation takes: the challenge's tokenizers have it, and FineWeb was written with it."""

ARRAYS = {
    "base_bytes": ("base_bytes", "base_bytes_lut", "base_bytes_np"),
    "has_leading_space": ("has_leading_space", "has_leading_space_lut", "has_leading_space_np"),
    "is_boundary": ("is_boundary_token", "is_boundary", "is_boundary_token_lut", "is_boundary_token_np"),
}
"""Names that scripts give the three arrays."""


def audit_bytes(
    tokenizer: Path,
    tokens: np.ndarray | Iterable[np.ndarray],
    table: ByteTable | None = None,
    *,
    source: str = "the challenge's rule",
    claimed_bpb: float | None = None,
) -> ByteAudit:
    """Count the text of a token stream by decoding, by the challenge's table, and by a script's.

    Args:
        tokenizer: The SentencePiece model the tokens were made with.
        tokens: The stream, or arrays of it one after the other; its first token is no target.
        table: The script's; None audits the challenge's own.
        source: Where the table came from, for the answer.
        claimed_bpb: The score that was computed with the table on this text.

    Raises:
        NotFound: there is no tokenizer.
        UnreadableInput: it is none, a token is beyond it, or there is no target with bytes.
    """
    challenge = byte_counts.table(tokenizer)
    decoder = _Decoder(tokenizer)
    script = challenge if table is None else _as_long(table, challenge.vocab_size)
    seen = _Seen.of(challenge.vocab_size)
    decoded = 0
    for part in _slices([tokens] if isinstance(tokens, np.ndarray) else tokens, challenge.vocab_size):
        seen.add(part[:-1], part[1:], challenge, script)
        decoded += decoder.count(part)
    due = round(_bytes(challenge, seen.occurrences, seen.after_text).sum())
    counted = round(_bytes(script, seen.occurrences, seen.after_script_text).sum())
    if not due:
        raise UnreadableInput("no token of the stream is a target with bytes: there is nothing to count")
    lost = decoder.losses()
    is_lossy = any(not loss.startswith(USUAL_LOSSES) for loss in lost)
    defects = _defects(decoder, challenge, script, seen)
    return ByteAudit(
        tokenizer=str(tokenizer),
        table=source,
        verdict="miscounted" if any(defect.bytes for defect in defects) else "lossy" if is_lossy else "exact",
        num_tokens=int(seen.occurrences.sum()),
        decoded_bytes=decoded,
        challenge_bytes=due,
        counted_bytes=counted,
        tokens_per_byte=int(seen.occurrences.sum()) / due,
        defects=defects,
        lost=lost,
        claimed_bpb=claimed_bpb,
        corrected_bpb=None if claimed_bpb is None or is_lossy else claimed_bpb * counted / due,
        notes=_notes(challenge, due - decoded, is_lossy),
    )


def read_table(path: Path) -> ByteTable:
    """The byte table in an `.npz`, as scripts keep it beside themselves; nothing in it is unpickled.

    Raises:
        NotFound: there is no such file.
        UnreadableInput: it is no `.npz`, too large unpacked, or lacks an array of usable numbers.
    """
    if not path.is_file():
        raise NotFound(f"there is no byte table {path}")
    try:
        with zipfile.ZipFile(path) as archive:
            if large := [entry.filename for entry in archive.infolist() if entry.file_size > TABLE_BYTES_MAX]:
                raise UnreadableInput(f"{path}: {large[0]} unpacks to over {TABLE_BYTES_MAX:_} bytes: no byte table")
        with np.load(path, allow_pickle=False) as found:
            wanted = [name for names in ARRAYS.values() for name in names if name in found.files]
            return table_of({name: found[name] for name in wanted})
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UnreadableInput(f"{path} is no byte table: {error}") from error


def table_of(arrays: Mapping[str, np.ndarray]) -> ByteTable:
    """A byte table from arrays by the names that scripts give them; missing flags are all false.

    Raises:
        UnreadableInput: the bytes are missing, or an array is not one number per token id.
    """
    found = {field: next((arrays[name] for name in names if name in arrays), None) for field, names in ARRAYS.items()}
    base = found["base_bytes"]
    if base is None:
        raise UnreadableInput(f"a byte table needs an array {' or '.join(ARRAYS['base_bytes'])}; got {sorted(arrays)}")
    for field, array in found.items():
        if array is not None and (array.ndim != 1 or array.shape != base.shape or array.dtype.kind not in "biuf"):
            raise UnreadableInput(f"{field} is {array.dtype} of shape {array.shape}: not one number per token id")
    if not 0 < base.size <= IDS_MAX or not ((base >= 0) & (base <= PIECE_BYTES_MAX)).all():
        raise UnreadableInput(
            f"a byte table has 1 to {IDS_MAX} numbers from 0 to {PIECE_BYTES_MAX}; this one has {base.size}, "
            f"from {base.min() if base.size else '-'} to {base.max() if base.size else '-'}"
        )
    leading, boundary = (found[field] for field in ("has_leading_space", "is_boundary"))
    nothing = np.zeros(base.size, dtype=bool)
    return ByteTable(
        base_bytes=base.astype(np.float64),
        has_leading_space=nothing if leading is None else leading.astype(bool),
        is_boundary=nothing if boundary is None else boundary.astype(bool),
    )


@dataclass(frozen=True)
class _Seen:
    """How often each token id is a target, and how often it follows text by the boundaries of either table."""

    occurrences: np.ndarray
    after_text: np.ndarray
    after_script_text: np.ndarray

    @classmethod
    def of(cls, size: int) -> "_Seen":
        return cls(*(np.zeros(size, dtype=np.int64) for _ in range(3)))

    def add(self, prev: np.ndarray, ids: np.ndarray, challenge: ByteTable, script: ByteTable) -> None:
        size = self.occurrences.size
        for counts, targets in (
            (self.occurrences, ids),
            (self.after_text, ids[~challenge.is_boundary[prev]]),
            (self.after_script_text, ids[~script.is_boundary[prev]]),
        ):
            counts += np.bincount(targets, minlength=size)


def _bytes(table: ByteTable, occurrences: np.ndarray, after_text: np.ndarray) -> np.ndarray:
    """Bytes that a table counts for all targets of each id."""
    return table.base_bytes.astype(np.float64) * occurrences + table.has_leading_space * after_text


def _as_long(table: ByteTable, size: int) -> ByteTable:
    """A table with one entry per piece; what it lacks is 0 bytes and a boundary, as scripts pad theirs."""
    missing = max(0, size - table.vocab_size)
    return ByteTable(
        base_bytes=np.pad(table.base_bytes, (0, missing))[:size],
        has_leading_space=np.pad(table.has_leading_space, (0, missing))[:size],
        is_boundary=np.pad(table.is_boundary, (0, missing), constant_values=True)[:size],
    )


def _slices(arrays: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Slices of the stream, each beginning with the last token of the one before, which is its targets' context."""
    last = np.zeros(0, dtype=np.int64)
    for array in arrays:
        for start in range(0, array.size, SLICE_TOKENS):
            part = np.concatenate([last, array[start : start + SLICE_TOKENS].astype(np.int64)])
            if part.min() < 0 or part.max() >= size:
                raise UnreadableInput(
                    f"the stream has token ids from {part.min()} to {part.max()}, and the tokenizer has {size} pieces: "
                    "it is not the one the shards were made with"
                )
            yield part
            last = part[-1:]


class _Decoder:
    """The tokenizer as the judge of what text tokens stand for."""

    def __init__(self, tokenizer: Path) -> None:
        import sentencepiece

        self.model: SentencePieceProcessor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.read_bytes())
        ids = range(self.model.get_piece_size())
        self.pieces = [self.model.id_to_piece(token) for token in ids]
        self.is_byte = np.array([self.model.is_byte(token) for token in ids])
        self.is_control = np.array([self.model.is_control(token) or self.model.is_unused(token) for token in ids])
        self.unknown = self.model.unk_id()
        self.unknown_bytes = len(self.model.decode([self.unknown]).encode())

    def count(self, stream: np.ndarray) -> int:
        """UTF-8 bytes of the text that all tokens but the first stand for."""
        head, *others = np.split(stream, np.flatnonzero(self.is_control[stream]))  # each of them begins with its own
        context = head[:1].tolist()
        return (
            self._bytes(head.tolist()) - self._bytes(context) + sum(self._bytes(other[1:].tolist()) for other in others)
        )

    def _bytes(self, ids: list[int]) -> int:
        text = self.model.decode(ids)
        if "\ufffd" in text:  # in the text itself, or half a character where the stream is cut
            return self._raw_bytes(ids)
        return len(text.encode()) - self.unknown_bytes * ids.count(self.unknown)

    def _raw_bytes(self, ids: list[int]) -> int:
        known = [token for token in ids if token != self.unknown]
        total = sum(
            1 if self.is_byte[token] else len(self.pieces[token].replace(SPACE, " ").encode()) for token in known
        )
        is_stripped = self.pieces[ids[0]].startswith(SPACE) and not self.model.decode(ids[:1]).startswith(" ")
        return total - is_stripped

    def losses(self) -> list[str]:
        """What does not come back as it went in."""
        came_back = {name: self.model.decode(self.model.encode(probe)) for name, probe in PROBES.items()}
        return [
            f"{name}: {PROBES[name]!r} comes back as {text!r}"
            for name, text in came_back.items()
            if text != PROBES[name]
        ]


def _defects(decoder: _Decoder, challenge: ByteTable, script: ByteTable, seen: _Seen) -> list[ByteDefect]:
    """The script's mistakes: each id under the first that it shows, boundaries apart."""
    excess = _bytes(script, seen.occurrences, seen.after_text) - _bytes(challenge, seen.occurrences, seen.after_text)
    found = []
    left = (script.base_bytes != challenge.base_bytes) | (script.has_leading_space != challenge.has_leading_space)
    for kind, shows in _mistakes(decoder, challenge, script).items():
        ids = np.flatnonzero(left & shows)
        left &= ~shows
        if ids.size:
            example = int(ids[np.argmax(seen.occurrences[ids])])
            found.append(
                ByteDefect(
                    kind=kind,
                    tokens=ids.size,
                    occurrences=int(seen.occurrences[ids].sum()),
                    bytes=round(excess[ids].sum()),
                    example=f"{decoder.pieces[example]!r}: {_said(script, example)}, not {_said(challenge, example)}",
                )
            )
    found += _boundary_defects(decoder, challenge, script, seen)
    return sorted(found, key=lambda defect: -abs(defect.bytes))


def _mistakes(decoder: _Decoder, challenge: ByteTable, script: ByteTable) -> dict[ByteDefectKind, np.ndarray]:
    """Which ids show which known mistake, in the order in which they are to be recognised."""
    base, due = script.base_bytes, challenge.base_bytes.astype(np.float64)
    is_text = ~challenge.is_boundary & ~decoder.is_byte
    begins, said = is_text & challenge.has_leading_space, script.has_leading_space
    characters = np.array([len(piece.removeprefix(SPACE)) for piece in decoder.pieces])
    numbers = base[~challenge.is_boundary]
    is_constant = np.ptp(numbers) == 0 and not said.any() and np.ptp(due[~challenge.is_boundary]) > 0
    return {
        "constant_bytes": ~challenge.is_boundary & is_constant,
        "control_counted": challenge.is_boundary,
        "byte_fallback": decoder.is_byte,
        "leading_space_twice": begins & said & (base == due + 1),
        "leading_space_always": begins & ~said & (base == due + 1),
        "leading_space_never": begins & ~said & (base == due),
        "space_marker_as_3": begins & (base == due + 3),
        "characters": is_text & (base == characters) & (said == challenge.has_leading_space),
        "other": np.ones(base.size, dtype=bool),
    }


def _boundary_defects(decoder: _Decoder, challenge: ByteTable, script: ByteTable, seen: _Seen) -> list[ByteDefect]:
    """The space after a control token that is not seen as a boundary, or after text that is taken for one."""
    spaces = int(((seen.after_script_text - seen.after_text) * script.has_leading_space).sum())
    unlike = np.flatnonzero(challenge.is_boundary != script.is_boundary)
    if not spaces:
        return []
    return [
        ByteDefect(
            kind="boundary_not_seen" if spaces > 0 else "other",
            tokens=unlike.size,
            occurrences=abs(spaces),
            bytes=spaces,
            example=f"a space after {decoder.pieces[unlike[0]]!r} {'counts' if spaces > 0 else 'does not count'}",
        )
    ]


def _said(table: ByteTable, token: int) -> str:
    space = " and a space" if table.has_leading_space[token] else ""
    return f"{table.base_bytes[token]:g} bytes{space}"


def _notes(challenge: ByteTable, difference: int, is_lossy: bool) -> list[str]:
    found = []
    if difference:
        why = f"; {challenge.inner_spaces} pieces hold a ▁ that it counts as 3 bytes" if challenge.inner_spaces else ""
        found.append(
            f"the challenge's own table counts {abs(difference)} bytes {'more' if difference > 0 else 'fewer'} than "
            f"the text decodes to{why}"
        )
    if is_lossy:
        found.append("the tokenizer gives back another text: bytes of the original are needed to say what the score is")
    return found
