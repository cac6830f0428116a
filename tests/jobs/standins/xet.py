"""The part of Xet storage that the Hub's client uses, on loopback: enough for it to upload to a bucket and read back.

The client cuts files into chunks and sends them in xorbs (POST /v1/xorbs), then a shard that says which chunks make up
which file (POST /v1/shards); to read, it asks how a file is put together (GET /v1/reconstructions) and fetches byte
ranges of xorbs. A chunk is an 8-byte header (version, 3 bytes of packed length, how it is packed, 3 bytes of length)
and its bytes; the client is told to pack nothing. Seen from hf_xet 1.8 on loopback; the formats are Xet's public
specification (huggingface.co/docs/xet).
"""

import hashlib
import struct
import threading
from typing import Any

PACK_NOTHING = {"HF_XET_XORB_COMPRESSION_POLICY": "none", "HF_XET_CLIENT_SHARD_API_VERSION": "1"}
"""What the client's environment needs."""
_ENTRY = 48
_VERIFIED, _DESCRIBED = 1 << 31, 1 << 30
_PIECE = 1 << 16


class Xet:
    """Xorbs and files by hash."""

    def __init__(self) -> None:
        self._xorbs: dict[str, bytes] = {}
        self._files: dict[str, list[tuple[str, int, int]]] = {}
        self._lock = threading.Lock()

    def answer(self, method: str, path: str, body: bytes, ranged: str, own_url: str) -> tuple[int, Any]:
        """Status and body (bytes, or what becomes JSON) for a request."""
        kind, _, rest = path.removeprefix("/v1/").partition("/")
        if method == "POST" and kind == "xorbs":
            with self._lock:
                self._xorbs[rest.rpartition("/")[2]] = body
            return 200, {"was_inserted": True}
        if method == "POST" and kind == "shards":
            self._take_shard(body)
            return 200, {"result": 1}
        if method == "GET" and kind == "reconstructions" and rest in self._files:
            return 200, self._reconstruction(rest, own_url)
        if method == "GET" and kind == "xorbs" and rest in self._xorbs:
            first, _, last = ranged.removeprefix("bytes=").partition("-")
            return 206, self._xorbs[rest][int(first) : int(last) + 1]
        return 404, {}

    def put(self, content: bytes) -> str:
        """Keep a file as if a mounted bucket had uploaded it; returns its hash."""
        name = hashlib.sha256(content).hexdigest()
        pieces = [content[at : at + _PIECE] for at in range(0, len(content), _PIECE)]
        packed = b"".join(
            bytes([0]) + len(piece).to_bytes(3, "little") + bytes([0]) + len(piece).to_bytes(3, "little") + piece
            for piece in pieces
        )
        with self._lock:
            self._xorbs[name] = packed
            self._files[name] = [(name, 0, len(pieces))]
        return name

    def get(self, name: str) -> bytes:
        """A file's bytes."""
        return b"".join(
            chunk for xorb, first, last in self._files[name] for _, _, chunk in self._chunks(xorb)[first:last]
        )

    def _chunks(self, xorb: str) -> list[tuple[int, int, bytes]]:
        """Each chunk's first byte in its xorb, the one after its last, and its content."""
        packed, at, found = self._xorbs[xorb], 0, []
        while at + 8 <= len(packed) and packed[at] == 0:
            length, scheme = int.from_bytes(packed[at + 1 : at + 4], "little"), packed[at + 4]
            assert scheme == 0, f"chunk packed by scheme {scheme}: start the client with {PACK_NOTHING}"
            found.append((at, at + 8 + length, packed[at + 8 : at + 8 + length]))
            at += 8 + length
        return found

    def _take_shard(self, body: bytes) -> None:
        at = _ENTRY
        while body[at : at + 32] != b"\xff" * 32:
            name = _hex(body[at : at + 32])
            flags, count = struct.unpack("<II", body[at + 32 : at + 40])
            at += _ENTRY
            terms = []
            for _ in range(count):
                _, _, first, last = struct.unpack("<IIII", body[at + 32 : at + _ENTRY])
                terms.append((_hex(body[at : at + 32]), first, last))
                at += _ENTRY
            at += _ENTRY * (count if flags & _VERIFIED else 0) + _ENTRY * (1 if flags & _DESCRIBED else 0)
            with self._lock:
                self._files[name] = terms

    def _reconstruction(self, name: str, own_url: str) -> dict[str, Any]:
        terms, fetch = [], {}
        for xorb, first, last in self._files[name]:
            chunks = self._chunks(xorb)[first:last]
            span = {"start": first, "end": last}
            terms.append({"hash": xorb, "unpacked_length": sum(len(chunk) for _, _, chunk in chunks), "range": span})
            place = {"start": chunks[0][0], "end": chunks[-1][1] - 1}
            fetch.setdefault(xorb, []).append({"range": span, "url": f"{own_url}/v1/xorbs/{xorb}", "url_range": place})
        return {"offset_into_first_range": 0, "terms": terms, "fetch_info": fetch}


def _hex(raw: bytes) -> str:
    """A hash as Xet writes it: four little-endian words."""
    return "".join(f"{word:016x}" for word in struct.unpack("<QQQQ", raw))
