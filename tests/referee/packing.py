"""Toy scripts of our own, packed as people pack theirs."""

import base64
import bz2
import gzip
import importlib
import lzma
import zlib
from collections.abc import Callable

CODECS: dict[str, Callable[[bytes], bytes]] = {
    "raw lzma2": lambda data: lzma.compress(data, lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2}]),
    "xz": lambda data: lzma.compress(data, preset=9),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE),
    "zlib": lambda data: zlib.compress(data, 9),
    "gzip": gzip.compress,
    "bz2": bz2.compress,
    "brotli": lambda data: importlib.import_module("brotli").compress(data),
    "zstd": lambda data: importlib.import_module("zstandard").ZstdCompressor().compress(data),
}
TEXTS: dict[str, Callable[[bytes], bytes]] = {
    "base85": base64.b85encode,
    "ascii85": base64.a85encode,
    "adobe": lambda data: base64.a85encode(data, adobe=True),
    "base64": base64.b64encode,
    "urlsafe": base64.urlsafe_b64encode,
    "hex": lambda data: data.hex().encode(),
}


def trainer(name: str = "toy", lines: int = 400) -> str:
    """A script that is long enough to be worth packing and packs only so well."""
    body = (f"    weight_{n} = {hash((n, 7)) % 10**9} * {(n * 7919) % 104729}.5" for n in range(lines))
    return "\n".join(["import math", "", f"def {name}():", *body, "    return math.pi", f"print({name}())", ""])


def wrap(source: str, codec: str = "raw lzma2", text: str = "base85") -> str:
    """A two-line script that unpacks and runs `source`."""
    payload = TEXTS[text](CODECS[codec](source.encode())).decode()
    return f"import lzma as L,base64 as B\nexec(L.decompress(B.b85decode({payload!r})))\n"
