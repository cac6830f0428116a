"""`golf data check`: what a machine can see of leaks and damage in data, and a list of what it cannot see."""

import hashlib
from collections.abc import Iterable, Iterator
from itertools import combinations
from pathlib import Path

import numpy as np

from golf.desk.pipeline import files, marks, overlap, texts, tokens
from golf.desk.pipeline.checked import DataCheck, DataFile, Item, Trouble
from golf.desk.pipeline.marks import Split
from golf.errors import BadConfig, UnreadableInput
from golf.measure import byte_counts, shards

DOCUMENT_TOKENS_MIN = 32
"""Shorter documents may well be alike by accident."""

DOCUMENT_CHARS_MIN = 80
"""The same for text, in characters of its words."""

GATHERED_BYTES = 1 << 22

CODES = {
    "headers": ("HEADER", "CHECKSUM", "SIDECAR"),
    "dtype": ("DTYPE", "CONSTANT"),
    "tokenizer": ("TOKEN_RANGE",),
    "encoding": ("NOT_UTF8", "NOT_JSON", "NO_TEXT", "TOO_LONG", "REPLACEMENT", "CONTROL", "BOM", "CRLF"),
    "empty": ("EMPTY",),
    "order": ("GAP",),
    "duplicates": ("DUPLICATES",),
    "leakage": ("SAME_FILE", "LEAK_DOCUMENTS", "LEAK_STRETCHES", "SHARED_STRETCHES"),
}
"""Question of the checklist, and what can be found of it."""

CANNOT = {
    "epoch": "whether every window is seen once, and the last partial batch: tests of the loader (golf data template)",
    "seed": "whether the order follows from a seed, workers included: golf audit --repro on the code",
    "determinism": "whether preparing it twice gives the same files: do it, and compare checksums",
    "fit": "whether vocabulary, filters and constants were fitted on training documents alone",
    "paraphrases": "copies in other words: only copies word for word are found",
    "licence": "where it is from, whether it may be used, whether personal data is in it",
}
"""What no look at the data tells."""


class Checking:
    """One check, as it goes."""

    def __init__(self, path: Path, vocab_size: int | None, bos: int | None, field: str) -> None:
        self.path, self.vocab_size, self.bos, self.field = path, vocab_size, bos, field
        self.found, self.not_read = files.find(path)
        self.names = list(self.found)
        self.seen: list[DataFile] = []
        self.troubles: list[Trouble] = []
        self.tokens: dict[str, Split] = {}
        self.texts: dict[str, Split] = {}
        sizes = [place.stat().st_size // 2 for place in self.found.values() if place.suffix.lower() == ".bin"]
        self.sampled = overlap.sampling(sum(sizes))

    def run(self) -> DataCheck:
        """All of it."""
        for index, (name, path) in enumerate(self.found.items()):
            if shards.is_sidecar(path):
                self._sidecar(name, path)
            elif files.ENDINGS[path.suffix.lower()] == "shard":
                self._tokens(index, name, path)
            else:
                self._text(index, name, path)
        self.troubles += files.gaps(self.names)
        self.troubles += files.same_files(self.found)
        has_sums, differ = files.against_manifest(self.found)
        self.troubles += differ
        for group, what in (
            (self.tokens, f"{overlap.TOKENS_WINDOW} tokens"),
            (self.texts, f"{overlap.BYTES_WINDOW} bytes"),
        ):
            for name, split in group.items():
                self.troubles += marks.duplicates(split, name, self.names)
            for held, other in combinations([one for one in ("test", "validation", "train") if one in group], 2):
                self.troubles += marks.leaks(group[held], held, group[other], other, self.names, what)
        self.troubles.sort(key=lambda one: (one.severity, one.file, one.place or 0, one.code))
        return DataCheck(
            path=str(self.path),
            files=self.seen,
            checklist=list(self._checklist(has_sums)),
            troubles=self.troubles,
            errors=sum(one.severity == "error" for one in self.troubles),
            warnings=sum(one.severity == "warning" for one in self.troubles),
            not_read=self.not_read,
        )

    def _tokens(self, index: int, name: str, path: Path) -> None:
        opened = tokens.opened(path, name, self.bos)
        split = files.split_of(name)
        size = path.stat().st_size
        if isinstance(opened, Trouble):
            self.troubles.append(opened)
            self.seen.append(DataFile(path=name, kind="shard", split=split, bytes=size))
            return
        self.troubles += tokens.troubles(opened, name, self.vocab_size)
        into = self.tokens.setdefault(split, Split())
        count = None
        if opened.bos is not None:
            hashes, places, count = [], [], 0
            for place, ids in tokens.documents(opened.values, opened.bos):
                count += 1
                if ids.size >= DOCUMENT_TOKENS_MIN:
                    hashes.append(_hash(ids.tobytes()))
                    places.append(place)
            into.documents.add(np.asarray(hashes, dtype=np.uint64), index, np.asarray(places, dtype=np.int64))
        for hashes, places in overlap.fingerprints(opened.values, overlap.TOKENS_WINDOW, self.sampled):
            into.windows.add(hashes, index, places)
        self.seen.append(
            DataFile(
                path=name,
                kind="shard" if opened.kind == "shard" else "tokens",
                split=split,
                bytes=size,
                documents=count,
                tokens=opened.values.size,
                largest=int(opened.values.max()),
            )
        )

    def _sidecar(self, name: str, path: Path) -> None:
        """Bytes per token: parallel to the shard whose name it has otherwise."""
        other = path.with_name(path.name.replace("_bytes_", "_"))
        try:
            lengths = [shards.read_header(one).num_tokens for one in (path, other) if one.is_file()]
        except UnreadableInput as error:
            code, text = "HEADER", str(error).replace(str(path), name)
        else:
            if len(set(lengths)) < 2:
                return
            code, text = "SIDECAR", f"it counts {lengths[0]} tokens, {other.name} has {lengths[1]}"
        self.troubles.append(Trouble(code=code, severity="error", file=name, text=text, fix="fetch or make both again"))

    def _text(self, index: int, name: str, path: Path) -> None:
        kind = files.ENDINGS[path.suffix.lower()]
        split = files.split_of(name)
        told: dict[str, list[int]] = {}

        def tell(code: str, line: int) -> None:
            told.setdefault(code, [line, 0])[1] += 1

        found = texts.jsonl(path, self.field, tell) if kind == "jsonl" else texts.plain(path, tell)
        into = self.texts.setdefault(split, Split())
        count = _gather(found, index, into)
        if not count and not told:
            self.troubles.append(
                Trouble(
                    code="EMPTY", severity="error", file=name, text="the file holds no document",
                    fix="fetch or make it again, or remove it",
                )
            )  # fmt: skip
        self.troubles += texts.troubles(told, name, self.field, texts.fields(path) if "NO_TEXT" in told else [])
        self.seen.append(DataFile(path=name, kind=kind, split=split, bytes=path.stat().st_size, documents=count))

    def _checklist(self, has_sums: bool) -> Iterator[Item]:
        codes = {one.code for one in self.troubles}
        for name, (was_checked, text) in self._told(has_sums).items():
            if mine := sorted(codes.intersection(CODES[name])):
                yield Item(name=name, state="found", text=", ".join(mine))
            else:
                yield Item(name=name, state="ok" if was_checked else "not checked", text=text)
        for name, text in CANNOT.items():
            yield Item(name=name, state="not checked", text=text)

    def _told(self, has_sums: bool) -> dict[str, tuple[bool, str]]:
        """Whether each question was looked at, and what is said where nothing was found."""
        with_tokens = [one for one in self.seen if one.tokens is not None]
        bare = [one.path for one in with_tokens if one.kind == "tokens"]
        has_texts = any(one.kind in ("jsonl", "text") for one in self.seen)
        splits = sorted({one.split for one in self.seen} - {""})
        endless = [one.path for one in self.seen if one.tokens is not None and one.documents is None]
        unknown = f"where documents begin is not known in {_some(endless)}: --bos ID"
        has_ends = any(one.documents for one in self.seen)
        largest = max((one.largest for one in self.seen if one.largest is not None), default=0)
        headers = [
            *(["files are as manifest.json states"] if has_sums else []),
            *(["no header in " + _some(bare)] if bare else []),
        ]
        if len(bare) < len(with_tokens):
            headers.append("headers and sizes agree")
        vocabulary = f"ids up to {largest}"
        if self.vocab_size is None:
            vocabulary += ", of a vocabulary that was not named: --tokenizer PATH or --vocab-size N"
        else:
            vocabulary += f", of {self.vocab_size}; whether it is the very tokenizer, ids do not tell"
        if not endless:
            unknown = "no document could be read"
        alike = f"no two documents alike of {DOCUMENT_TOKENS_MIN} tokens or {DOCUMENT_CHARS_MIN} characters"
        has_pair = any(len([split for split in group if split]) > 1 for group in (self.tokens, self.texts))
        return {
            "headers": (
                bool(headers) and headers != [f"no header in {_some(bare)}"],
                "; ".join(headers) or "no tokens",
            ),
            "dtype": (bool(with_tokens), "uint16, little-endian" if with_tokens else "no tokens"),
            "tokenizer": (
                bool(with_tokens) and self.vocab_size is not None,
                vocabulary if with_tokens else "no tokens",
            ),
            "encoding": (has_texts, "UTF-8, no stray marks" if has_texts else "no text"),
            "empty": (has_ends, unknown if not has_ends else f"none; {unknown}" if endless else "none"),
            "order": (True, "numbered files follow each other; the order of documents in them is not judged"),
            "duplicates": (has_ends, unknown if not has_ends else f"{alike}; {unknown}" if endless else alike),
            "leakage": (
                has_pair,
                f"no document and no stretch in two of {', '.join(splits)}"
                if has_pair
                else "no two splits: they are told apart by train, val or test in a file's name",
            ),
        }


def check(
    path: Path,
    *,
    vocab_size: int | None = None,
    tokenizer: Path | None = None,
    bos: int | None = None,
    field: str = "text",
) -> DataCheck:
    """Look at shards, bare token files, JSON Lines and plain text.

    Args:
        path: A file, or a folder with any of them; a name with train, val or test in it says the split.
        vocab_size: Ids must be below it. None: the tokenizer's.
        tokenizer: SentencePiece model.
        bos: The token documents begin with; None: 1 in shards that begin with it.
        field: Of a JSON Lines record, where the text is.

    Raises:
        NotFound: there is nothing at `path`, or no data in it.
        UnreadableInput: the tokenizer cannot be read, or there are too many files.
        BadConfig: an id or a size that no uint16 token has.
    """
    for name, value in (("--vocab-size", vocab_size), ("--bos", bos)):
        if value is not None and not 0 <= value <= shards.TOKEN_MAX + 1:
            raise BadConfig(f"{name} is {value}; tokens are 0 to {shards.TOKEN_MAX}")
    if vocab_size is None and tokenizer is not None:
        vocab_size = byte_counts.table(tokenizer).vocab_size
    return Checking(path, vocab_size, bos, field).run()


def _gather(found: Iterable[tuple[int, str]], index: int, into: Split) -> int:
    """Fingerprints of documents and of their stretches; how many there are."""
    count = 0
    hashes: list[int] = []
    places: list[int] = []
    starts: list[int] = []
    lines: list[int] = []
    buffer = bytearray()

    def flush() -> None:
        for chosen, at in overlap.fingerprints(np.frombuffer(bytes(buffer), dtype=np.uint8), overlap.BYTES_WINDOW):
            owner = np.searchsorted(starts, at, side="right") - 1
            into.windows.add(chosen, index, np.asarray(lines, dtype=np.int64)[owner])
        buffer.clear()
        starts.clear()
        lines.clear()

    for line, text in found:
        count += 1
        plain = texts.words(text)
        if len(plain) >= DOCUMENT_CHARS_MIN:
            hashes.append(_hash(plain.encode("utf-8", "replace")))
            places.append(line)
        starts.append(len(buffer))
        lines.append(line)
        buffer += plain.encode("utf-8", "replace") + b"\n"
        if len(buffer) >= GATHERED_BYTES:
            flush()
    flush()
    into.documents.add(np.asarray(hashes, dtype=np.uint64), index, np.asarray(places, dtype=np.int64))
    return count


def _hash(data: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
