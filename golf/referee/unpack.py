"""What a packed script holds, found in its literals: nothing of it is run.

Scripts of the challenge shrink themselves to `exec(lzma.decompress(base64.b85decode("...")))`. The payload is a long
string, so it is looked for among the constants of the tree, decoded with each text encoding and each codec in turn,
and kept when Python comes out. Output, ratio and depth are bounded, because 20 kB can hide terabytes.
"""

import ast
import base64
import binascii
import bz2
import importlib
import io
import json
import lzma
import re
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from golf.errors import UnreadableInput
from golf.referee import source

PAYLOAD_CHARS_MIN = 1_500
"""Shorter literals hold no training script."""

PAYLOAD_CHARS_MAX = 400_000
"""Longer ones hold data: the largest packed script in 2,059 pull requests has 37,000 characters."""

PAYLOADS_MAX = 20
"""Literals of one script that are tried."""

OUTPUT_BYTES_MAX = 4_000_000
RATIO_MAX = 60
"""Unpacked bytes per packed byte, judged once more than `RATIO_FREE_BYTES` came out; Python packs 3 to 8 times."""

RATIO_FREE_BYTES = 200_000
DEPTH_MAX = 2
"""Packed scripts within packed scripts."""

WINDOW_BYTES_MAX = 80_000_000
"""Memory that a codec may claim for its window: what xz takes at its strongest preset, 65 MiB, and some."""

_BASE85 = re.compile(r"[0-9A-Za-z!#$%&()*+\-;<=>?@^_`{|}~/]{60,}")
"""A line of base64 or base85, as code hardly ever has one: it needs its dots, commas and quotes."""
_UNPACKS = ("exec(", "runpy", "importlib", "85decode", "64decode", "a2b_", "hex", "codecs.", "\\x")
"""A script that unpacks one has some of these words, and most scripts have none: they are ruled out quickly."""

_ANY = re.compile(r"(?<!\S)\S{60,}")
"""A line of ascii85 or of bytes in escapes; long lines of code look the same."""

_PYTHON = re.compile(r"^[ \t]*(?:import|from|def|class|async def)[ \t]+\w", re.MULTILINE)
"""Begins a statement of Python; needed before a text is parsed at all."""
_EXECUTES = (re.compile(r"exec\((?<![.\w]exec\()"), re.compile(r"eval\(compile\((?<![.\w]eval\(compile\()"))
"""Calls of these two by name; looked for from their first letters on, as that is fast."""
_SPACE = re.compile(rb"\s+")


class Bomb(UnreadableInput):
    """A payload that unpacks to more than the bounds allow."""


def is_dense(text: str) -> bool:
    """Whether a script has as much text that nobody wrote by hand as a payload takes, in one piece or in lines."""
    if not any(word in text for word in _UNPACKS):
        return False
    escaped = "a85decode" in text or text.count("\\x") > PAYLOAD_CHARS_MIN // 10
    return any(
        sum(len(run) for run in lines.findall(text) if len(set(run)) >= 16) >= PAYLOAD_CHARS_MIN  # no rules: ------
        for lines in ([_BASE85, _ANY] if escaped else [_BASE85])
    )


def executes(text: str) -> bool:
    """Whether a script hands text to Python to run."""
    return "runpy" in text or any(call.search(text) for call in _EXECUTES)


class Payloads(NamedTuple):
    """What the literals of a script hold."""

    texts: list[str]
    """Python sources, the longest first."""
    lost: int
    """Literals that look packed and that nothing came out of, or that were too large or too many to try."""


def payloads(module: ast.Module, plain: bool) -> Payloads:
    """The Python sources that a script carries in its literals; `plain` ones as well where wanted.

    Raises:
        Bomb: a literal unpacks to more than the bounds allow.
    """
    found: list[str] = []
    lost = 0
    for number, node in enumerate(literals(module)):
        assert isinstance(node.value, str | bytes)
        texts: list[str] = []
        if number < PAYLOADS_MAX and len(node.value) <= PAYLOAD_CHARS_MAX:
            if plain and isinstance(node.value, str) and _is_program(node.value):
                texts = [node.value]
            else:
                texts = unpack(node.value.encode(errors="replace") if isinstance(node.value, str) else node.value)
        found += texts
        lost += not texts and _is_packed(node.value)
    return Payloads(sorted(found, key=lambda text: -len(text)), lost)


def _is_packed(value: str | bytes) -> bool:
    """Whether most of a literal is of one piece, as compressed data is and words are not."""
    if isinstance(value, bytes):
        return len(set(value[:4_096])) > 60
    return 2 * sum(len(run) for run in _ANY.findall(value) if len(set(run)) >= 16) > len(value)


def literals(module: ast.Module) -> list[ast.Constant]:
    """The strings and bytes of a script that are long enough to hold another."""
    return [
        node
        for node in ast.walk(module)
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str | bytes)
        and len(node.value) >= PAYLOAD_CHARS_MIN
    ]


def unpack(packed: bytes) -> list[str]:
    """The Python sources that compressed bytes hold, encoded as text or not; several where a JSON object holds them.

    Raises:
        Bomb: they unpack to more than the bounds allow.
    """
    for data in _decoded(packed):
        for codec in CODECS:
            try:
                text = _bounded(codec, data).decode("utf-8-sig")
            except (*_damage(), UnicodeDecodeError):
                continue
            if texts := [inside for inside in _bundled(text) if _PYTHON.search(inside)]:
                return texts
    return []


def _bundled(text: str) -> list[str]:
    if text[:1] == "{":
        try:
            return [value for value in json.loads(text).values() if isinstance(value, str)]
        except (ValueError, RecursionError):
            pass
    return [text]


def _is_program(text: str) -> bool:
    """Whether a literal is Python that does something, not prose or data."""
    if not _PYTHON.search(text) or source.count_tokens(text) > source.TOKENS_MAX:
        return False
    try:
        return any(not isinstance(statement, ast.Expr) for statement in source.parse(text).body)
    except UnreadableInput:
        return False


def _decoded(packed: bytes) -> Iterator[bytes]:
    """The bytes that a literal may stand for, by each text encoding whose alphabet it keeps to."""
    dense = _SPACE.sub(b"", packed)
    for decode in (base64.b85decode, _b64decode, _a85decode, binascii.unhexlify):
        try:
            yield decode(dense)
        except ValueError:
            continue
    yield packed


def _b64decode(dense: bytes) -> bytes:
    return base64.b64decode(dense.replace(b"-", b"+").replace(b"_", b"/"), validate=True)


def _a85decode(dense: bytes) -> bytes:
    return base64.a85decode(dense, adobe=dense.startswith(b"<~"))


def _bounded(codec: Callable[[bytes, int], bytes], data: bytes) -> bytes:
    limit = min(OUTPUT_BYTES_MAX, max(RATIO_FREE_BYTES, RATIO_MAX * len(data)))
    out = codec(data, limit + 1)
    if len(out) > limit:
        raise Bomb(f"{len(data):,} packed bytes unpack to more than {limit:,}; stopped there")
    return out


def _xz(data: bytes, limit: int) -> bytes:
    return lzma.LZMADecompressor(memlimit=WINDOW_BYTES_MAX).decompress(data, limit)


def _raw_lzma2(data: bytes, limit: int) -> bytes:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 23}]
    return lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=filters).decompress(data, limit)


def _deflated(wbits: int) -> Callable[[bytes, int], bytes]:
    return lambda data, limit: zlib.decompressobj(wbits).decompress(data, limit)


def _bz2(data: bytes, limit: int) -> bytes:
    return bz2.BZ2Decompressor().decompress(data, limit)


def _zstd(data: bytes, limit: int) -> bytes:
    decoder = importlib.import_module("zstandard").ZstdDecompressor(max_window_size=WINDOW_BYTES_MAX)
    return decoder.stream_reader(io.BytesIO(data)).read(limit)


def _brotli(data: bytes, limit: int) -> bytes:
    return importlib.import_module("brotli").Decompressor().process(data, output_buffer_limit=limit)


def _damage() -> tuple[type[Exception], ...]:
    """What the codecs raise on what is not theirs."""
    brotli, zstandard = importlib.import_module("brotli"), importlib.import_module("zstandard")
    return (lzma.LZMAError, zlib.error, OSError, EOFError, ValueError, MemoryError, brotli.error, zstandard.ZstdError)


CODECS = (_xz, _raw_lzma2, _deflated(zlib.MAX_WBITS | 32), _deflated(-zlib.MAX_WBITS), _bz2, _zstd, _brotli)
"""xz and lzma, raw LZMA2, zlib and gzip, bare deflate, bzip2, zstd, brotli; each `(data, limit) -> bytes`."""
