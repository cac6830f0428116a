"""Does it fit? Whether weights can be packed into the room there is, with as little work as settles it.

The record's codec may take a minute on what a fast one does in a tenth of a second, and only close to the limit does
the difference matter. What each step proves, and what it does not:

- *packed by a codec into so many bytes that fit*: proven, because packing so is a way to ship it. It says nothing exact
  of another codec, nor of a slower level of the same: zstd-22 makes more of int8 weights than zstd-1 does;
- *over with the fast codec, and entropy over as well*: nothing is proven. Order-0 entropy bounds coders that look at
  one byte at a time from below; codecs that find repetitions go below it. So this is called likely, and no proof;
- *over with the record's codec, and with the fast one*: it does not fit with either. No program can prove that for
  every codec.

Within `NEAR` of the limit the record's codec decides; its size is kept by the hash of the content, so it is run once.
"""

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator
from importlib import metadata
from pathlib import Path

from golf import durable
from golf.errors import UnreadableInput
from golf.measure.artifact import RAW
from golf.measure.codecs import CHUNK, Histogram, compressed_size, decompress_stream, parse_codec
from golf.rulings import Fit

FAST = "zstd-1"
"""0.12 s for 17 MB, where brotli-11 takes 67 s and lands within 6 %."""

NEAR = 0.10
"""Fraction of the room within which codecs differ: there the record's own is run."""

Payload = Callable[[], Iterable[bytes]]
"""The unpacked weights in pieces, as often as it is called."""


def does_it_fit(
    payload: Payload,
    room_bytes: int,
    codec: str,
    *,
    exact: bool = True,
    cache: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Fit:
    """Whether `payload` can be packed into `room_bytes`.

    Args:
        payload: What is packed; read several times, in constant memory.
        room_bytes: The limit less everything else that counts.
        codec: The record's, as `golf.measure.codecs` spells them.
        exact: Run it where it is close. Otherwise the answer there is `cannot tell`.
        cache: A folder of its sizes by content, made when it is missing.
        progress: Called with the bytes done while it runs; what it raises ends it.

    Raises:
        BadConfig: there is no such codec.
        UnreadableInput: the payload is empty, or cannot be unpacked.
    """
    parse_codec(codec)
    size = 0

    def counted() -> Iterator[bytes]:
        nonlocal size
        for chunk in payload():
            size += len(chunk)
            yield chunk

    fast = compressed_size(counted(), FAST)
    if not size:
        raise UnreadableInput("there are no weights to pack (0 bytes)")
    if fast <= room_bytes * (1 - NEAR):
        return _fits(room_bytes, codec, FAST, fast)
    if size <= room_bytes:
        return _fits(room_bytes, codec, "as it is", size)
    entropy = Histogram().add_all(payload()).entropy_bytes
    if min(fast, entropy) > room_bytes * (1 + NEAR):
        return Fit(
            verdict="likely does not fit",
            is_proven=False,
            codec=codec,
            packed_with=FAST,
            packed_bytes=fast,
            room_bytes=room_bytes,
            reason=f"likely does not fit, not proven: {FAST} makes {fast:_} bytes of it and its bytes hold {entropy:_} "
            f"bytes of order-0 entropy, more than {1 + NEAR:.0%} of the room of {room_bytes:_}; {codec} was not run",
        )
    if not exact:
        return Fit(
            verdict="cannot tell",
            is_proven=False,
            codec=codec,
            packed_with=FAST,
            packed_bytes=fast,
            room_bytes=room_bytes,
            reason=f"cannot tell: {FAST} makes {fast:_} bytes of it, within {NEAR:.0%} of the room of {room_bytes:_}; "
            f"{codec} has to decide",
        )
    own = _packed(payload, size, codec, cache, progress)
    if own <= room_bytes:
        return _fits(room_bytes, codec, codec, own)
    if fast <= room_bytes:
        return _fits(room_bytes, codec, FAST, fast, f", where {codec} makes {own:_} of it: pack it with {FAST}")
    return Fit(
        verdict="does not fit",
        is_proven=True,
        codec=codec,
        packed_with=codec,
        packed_bytes=own,
        room_bytes=room_bytes,
        reason=f"does not fit: {codec} makes {own:_} bytes of it and {FAST} {fast:_}, the room is {room_bytes:_}",
    )


def payload_of(weights: Path) -> Payload:
    """What a weights file holds: its bytes where it is an uncompressed checkpoint, else what it unpacks to."""
    if not weights.name.lower().endswith(RAW):
        return lambda: decompress_stream(weights)

    def chunks() -> Iterator[bytes]:
        with weights.open("rb") as file:
            while chunk := file.read(CHUNK):
                yield chunk

    return chunks


def _fits(room_bytes: int, codec: str, packed_with: str, packed_bytes: int, but: str = "") -> Fit:
    how = "unpacked it has" if packed_with == "as it is" else f"{packed_with} packs it into"
    if not but and packed_with not in (codec, "as it is"):
        but = f"; {codec} was not run, and is within {NEAR:.0%} of that by experience, which is no proof"
    return Fit(
        verdict="fits",
        is_proven=True,
        codec=codec,
        packed_with=packed_with,
        packed_bytes=packed_bytes,
        room_bytes=room_bytes,
        reason=f"fits: {how} {packed_bytes:_} bytes of the room of {room_bytes:_}{but}",
    )


def _packed(payload: Payload, size: int, codec: str, cache: Path | None, progress: Callable[[int], None] | None) -> int:
    """The size under `codec`: looked up, else made and kept."""
    place = None
    if cache is not None:
        content = hashlib.sha256()
        for chunk in payload():
            content.update(chunk)
        place = cache / f"{content.hexdigest()}.{codec}.{_version(codec)}"
        if place.is_file() and (known := place.read_text().strip()).isdigit():
            return int(known)

    def watched() -> Iterable[bytes]:
        done = 0
        for chunk in payload():
            yield chunk
            done += len(chunk)
            if progress is not None:
                progress(done)

    found = compressed_size(watched(), codec, size)
    if place is not None:
        durable.replace(place, f"{found}\n")
    return found


def _version(codec: str) -> str:
    """Of the library: another one may pack otherwise."""
    name, _ = parse_codec(codec)
    if name in ("zstd", "brotli"):
        return metadata.version({"zstd": "zstandard"}.get(name, name))
    return zlib.ZLIB_RUNTIME_VERSION if name in ("zlib", "gzip") else "0"
