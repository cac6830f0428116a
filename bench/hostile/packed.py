"""Packed things: bombs in scripts, files and archives, and payloads within payloads."""

import base64
import bz2
import gzip
import io
import lzma
import os
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

from hostile.case import hostile
from hostile.honest import TRAINER

RAW = [{"id": lzma.FILTER_LZMA2}]


def packing(packed: bytes, call: str) -> str:
    """A script that unpacks and runs what it holds."""
    return f"import lzma, zlib, bz2, base64\nexec({call}(base64.b85decode({base64.b85encode(packed).decode()!r})))\n"


def squeezed(data: bytes, times: int, codec: Any) -> bytes:
    """`data` so many times over, compressed without holding it."""
    return b"".join(codec.compress(data) for _ in range(times)) + codec.flush()


MEGABYTE = b"import os\n" * 100_000


@hostile("lzma bomb in a script")
def _(folder: Path) -> None:
    packed = squeezed(MEGABYTE, 1_000, lzma.LZMACompressor(lzma.FORMAT_RAW, filters=RAW))
    (folder / "train_gpt.py").write_text(packing(packed, "lzma.decompress"))


@hostile("zlib bomb in a script")
def _(folder: Path) -> None:
    (folder / "train_gpt.py").write_text(packing(squeezed(MEGABYTE, 60, zlib.compressobj(9)), "zlib.decompress"))


@hostile("bz2 bomb in a script")
def _(folder: Path) -> None:
    packed = squeezed(bytes(10_000_000), 100, bz2.BZ2Compressor(9))
    (folder / "train_gpt.py").write_text(packing(packed + os.urandom(3_000), "bz2.decompress"))


@hostile("packed fifty deep")
def _(folder: Path) -> None:
    text = TRAINER
    for _ in range(50):
        text = packing(lzma.compress(text.encode()), "lzma.decompress")
    (folder / "train_gpt.py").write_text(text)


@hostile("fifty payloads in one script", finds="review")
def _(folder: Path) -> None:
    parts = [repr(base64.b85encode(os.urandom(300_000)).decode()) for _ in range(8)]
    (folder / "train_gpt.py").write_text(
        "import base64\n" + "".join(f"exec(base64.b85decode({part}))\n" for part in parts)
    )


@hostile("compressed files that are bombs, by the hundred")
def _(folder: Path) -> None:
    bomb = gzip.compress(MEGABYTE * 20)
    for number in range(100):
        (folder / f"code{number}.gz").write_bytes(bomb)


@hostile("archives that are bombs")
def _(folder: Path) -> None:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(5):
            archive.writestr(f"zeros{number}", bytes(20_000_000))
    with tarfile.open(folder / "b.tar.gz", "w:gz") as archive:
        entry = tarfile.TarInfo("zeros")
        entry.size = 50_000_000
        archive.addfile(entry, io.BytesIO(bytes(50_000_000)))
    (folder / "c.tar").write_bytes((folder / "b.tar.gz").read_bytes())
