"""Byte streams under compressors: what a codec would make of them, and what they unpack to.

Everything streams in constant memory apart from a codec's own window (brotli-11 and xz-9 want up to a few
hundred MB). Unpacking is bounded, because weights come from strangers: 16 MB can hide terabytes.

Codecs are spelled `name-level`: `zlib-9`, `gzip-9`, `xz-9` (or `lzma-9`; always with the EXTREME flag),
`zstd-22`, `brotli-11`. `entropy0` is no codec but a bound: the order-0 entropy of the bytes, which an
arithmetic coder with one histogram reaches; codecs that find repetitions can go below it.
"""

import contextlib
import importlib
import lzma
import math
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from golf import errors

CHUNK = 1 << 18
"""Bytes per step of a stream."""

PAYLOAD_BYTES_MAX = 512_000_000
"""Unpacked bytes after which a compressed file is called a bomb; 30 times the largest legal artifact."""

RATIO_MAX = 200
"""Unpacked bytes per packed byte, judged once more than `RATIO_FREE_BYTES` came out."""

RATIO_FREE_BYTES = 16_000_000
"""Output below which any ratio is fine: an untrained model is mostly zeros and packs very well."""

_LEVELS = {
    "zlib": range(1, 10),
    "gzip": range(1, 10),
    "xz": range(10),
    "lzma": range(10),
    "zstd": range(1, 23),
    "brotli": range(12),
}


def compressed_size(data: bytes | Iterable[bytes], codec: str, size: int | None = None) -> int:
    """Bytes that `data` takes under `codec`.

    Args:
        data: A stream in pieces of any length; or bytes, compressed in one call. The two differ for zstd alone,
            which splits blocks differently in a stream (within about 1 %), and one call is what people quote.
        codec: As in the module's docstring; a bare name means the best level.
        size: Length of a stream in bytes where it is known; lets a codec choose a fitting window.

    Raises:
        BadConfig: There is no such codec or level.
        MissingPackage: The codec's library is not installed.
    """
    chunks = [data] if isinstance(data, bytes) else data
    name, level = parse_codec(codec)
    if name == "entropy0":
        return Histogram().add_all(chunks).entropy_bytes
    if isinstance(data, bytes) and name == "zstd":
        return len(_library("zstandard").ZstdCompressor(level).compress(data))
    encoder = _encoder(name, level, len(data) if isinstance(data, bytes) else size)
    return sum(len(encoder.compress(chunk)) for chunk in chunks) + len(encoder.flush())


def parse_codec(codec: str) -> tuple[str, int]:
    """Name and level of a codec; a bare name means its best level.

    Raises:
        BadConfig: There is no such codec or level.
    """
    if codec == "entropy0":
        return codec, 0
    if codec in _LEVELS:
        return codec, _LEVELS[codec][-1]
    name, _, level = codec.partition("-")
    if level not in map(str, _LEVELS.get(name, ())):
        known = ", ".join(f"{known}-{levels[0]} to -{levels[-1]}" for known, levels in _LEVELS.items())
        raise errors.BadConfig(f"there is no codec {codec!r}; known are {known}, and entropy0")
    return name, int(level)


class Histogram:
    """Counts of the 256 byte values of a stream."""

    def __init__(self) -> None:
        self._numpy = importlib.import_module("numpy")
        self.counts = self._numpy.zeros(256, dtype=self._numpy.int64)

    def add(self, chunk: bytes) -> None:
        for start in range(0, len(chunk), CHUNK):  # bincount widens its input eightfold
            piece = self._numpy.frombuffer(chunk, self._numpy.uint8, min(CHUNK, len(chunk) - start), start)
            self.counts += self._numpy.bincount(piece, minlength=256)

    def add_all(self, chunks: Iterable[bytes]) -> "Histogram":
        for chunk in chunks:
            self.add(chunk)
        return self

    @property
    def total(self) -> int:
        """Bytes counted so far."""
        return int(self.counts.sum())

    @property
    def entropy_bytes(self) -> int:
        """Order-0 entropy of everything counted, in bytes, rounded up; tables and framing not included."""
        total = self.total
        bits = sum(count * math.log2(total / count) for count in map(int, self.counts) if count)
        return math.ceil(bits / 8)


def reference_bpb(text: bytes, codecs: Sequence[str] = ("unigram", "gzip", "zstd", "lzma")) -> dict[str, float]:
    """Bits per byte of plain compressors on `text`: the lines a language model must get below.

    `unigram` is the order-0 entropy of the bytes; the others are each codec at its best level, framing included.

    Raises:
        UnreadableInput: `text` is empty.
    """
    if not text:
        raise errors.UnreadableInput("there is no text to compress (0 bytes), so no bits per byte")
    return {name: compressed_size(text, "entropy0" if name == "unigram" else name) * 8 / len(text) for name in codecs}


def sniff(path: Path) -> str | None:
    """Name of the compressed format `path` starts like, or None; brotli, which has no magic, is tried.

    Raises:
        UnreadableInput: The file cannot be read.
    """
    with _open(path) as file:
        head = file.read(1 << 16)
    for magic, codec in _MAGIC.items():
        if head.startswith(magic):
            return codec
    if len(head) > 1 and head[0] & 0x0F == 8 and head[0] >> 4 <= 7 and (head[0] << 8 | head[1]) % 31 == 0:
        return "zlib"
    if head and (path.suffix.lower() == ".br" or _is_brotli(head)):
        return "brotli"
    return None


def decompress_stream(path: Path, max_bytes: int = PAYLOAD_BYTES_MAX, max_ratio: float = RATIO_MAX) -> Iterator[bytes]:
    """The bytes that a zlib, gzip, xz, zstd or brotli file unpacks to, in pieces.

    Raises:
        UnreadableInput: while iterating: not such a file, damaged, cut short, or larger than the bounds allow.
    """
    codec = sniff(path)
    if codec is None:
        raise errors.UnreadableInput(f"{path.name} is in no compressed format that can be unpacked here")
    packed = path.stat().st_size
    unpacked = 0
    with _open(path) as file:
        try:
            for piece in _DECODERS[codec](file):
                unpacked += len(piece)
                if unpacked > max_bytes or unpacked > max(RATIO_FREE_BYTES, max_ratio * packed):
                    raise errors.UnreadableInput(
                        f"{path.name} ({packed:_} bytes) unpacks to more than {unpacked:_} bytes; stopped there: "
                        f"the bounds are {max_bytes:_} bytes and a ratio of {max_ratio:g}"
                    )
                if piece:
                    yield piece
        except _Damaged as damage:
            guess = codec == "brotli" and path.suffix.lower() != ".br"
            verdict = "looks like brotli, which has no signature, but does not unpack" if guess else "is damaged"
            raise errors.UnreadableInput(f"{path.name} {verdict} (as {codec}: {damage})") from damage


class _Damaged(Exception):
    """A decoder's complaint, whichever library made it."""


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise errors.MissingPackage(f"{name} is needed for this codec. Install it: pip install {name}") from error


def _encoder(name: str, level: int, size: int | None) -> Any:
    if name == "zlib":
        return zlib.compressobj(level)
    if name == "gzip":
        return zlib.compressobj(level, wbits=31)
    if name in ("xz", "lzma"):
        # A window beyond the data costs memory (11 bytes per byte) and wins nothing.
        window = {"dict_size": min(1 << 26, max(1 << 16, size))} if size is not None else {}
        filters = [{"id": lzma.FILTER_LZMA2, "preset": level | lzma.PRESET_EXTREME, **window}]
        return lzma.LZMACompressor(lzma.FORMAT_XZ, filters=filters)
    if name == "zstd":
        return _library("zstandard").ZstdCompressor(level).compressobj(size=-1 if size is None else size)
    return _BrotliEncoder(level)


class _BrotliEncoder:
    """brotli's encoder under the two names that the other libraries use."""

    def __init__(self, level: int) -> None:
        encoder = _library("brotli").Compressor(quality=level, lgwin=24)
        self.compress, self.flush = encoder.process, encoder.finish


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise errors.UnreadableInput(f"{path} cannot be read: {error.strerror}") from error


def _blocks(file: BinaryIO, length: int = 1 << 16) -> Iterator[bytes]:
    while block := file.read(length):
        yield block


def _inflate(file: BinaryIO, wbits: int) -> Iterator[bytes]:
    decoder = zlib.decompressobj(wbits)
    try:
        for block in _blocks(file):
            while block:
                if decoder.eof:
                    if wbits != 31:  # only gzip may be several members in a row
                        raise _Damaged("other bytes follow the end of the stream")
                    decoder = zlib.decompressobj(wbits)
                yield decoder.decompress(block, CHUNK)
                block = decoder.unconsumed_tail or decoder.unused_data
        yield decoder.flush()
    except zlib.error as error:
        raise _Damaged(str(error)) from error
    if not decoder.eof:
        raise _Damaged("it ends too early")


def _decode_xz(file: BinaryIO) -> Iterator[bytes]:
    def fresh() -> lzma.LZMADecompressor:
        return lzma.LZMADecompressor(memlimit=1 << 28)

    decoder = fresh()
    try:
        for block in _blocks(file):
            while True:
                if decoder.eof:
                    if not block:
                        break
                    decoder = fresh()
                yield decoder.decompress(block, CHUNK)
                block = decoder.unused_data if decoder.eof else b""
                if decoder.needs_input:
                    break
    except lzma.LZMAError as error:
        raise _Damaged(str(error)) from error
    if not decoder.eof:
        raise _Damaged("it ends too early")


def _decode_zstd(file: BinaryIO) -> Iterator[bytes]:
    library = _library("zstandard")

    def fresh() -> Any:
        return library.ZstdDecompressor(max_window_size=1 << 27).decompressobj()

    decoder = fresh()
    try:
        for block in _blocks(file, 1 << 10):  # 1 KiB expands to 32 MiB at most: this decoder has no output limit
            while block:
                if decoder.eof:
                    decoder = fresh()
                yield decoder.decompress(block)
                block = decoder.unused_data if decoder.eof else b""
    except library.ZstdError as error:
        raise _Damaged(str(error)) from error
    if not decoder.eof:
        raise _Damaged("it ends too early")


def _decode_brotli(file: BinaryIO) -> Iterator[bytes]:
    library = _library("brotli")
    decoder = library.Decompressor()
    try:
        for block in _blocks(file):
            if decoder.is_finished():
                raise _Damaged("other bytes follow the end of the stream")
            piece = decoder.process(block, output_buffer_limit=CHUNK)
            yield piece
            while len(piece) >= CHUNK or not decoder.can_accept_more_data():  # output may wait behind either
                piece = decoder.process(b"", output_buffer_limit=CHUNK)
                yield piece
    except library.error as error:
        raise _Damaged(str(error)) from error
    if not decoder.is_finished():
        raise _Damaged("it ends too early")


def _is_brotli(head: bytes) -> bool:
    library = _library("brotli")
    decoder = library.Decompressor()
    with contextlib.suppress(library.error):
        return len(decoder.process(head, output_buffer_limit=CHUNK)) > 0
    return False


_MAGIC = {b"\x1f\x8b\x08": "gzip", b"\xfd7zXZ\x00": "xz", b"]\x00\x00": "lzma", b"\x28\xb5\x2f\xfd": "zstd"}
_DECODERS = {
    "zlib": lambda file: _inflate(file, 15),
    "gzip": lambda file: _inflate(file, 31),
    "xz": _decode_xz,
    "lzma": _decode_xz,
    "zstd": _decode_zstd,
    "brotli": _decode_brotli,
}
