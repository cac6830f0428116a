"""Does it fit: 17 MB of int8 weights into a room they are far from, against packing them with the record's codec."""

from pathlib import Path

import numpy as np
from side_by_side import Row, Sides, times_less

from golf.measure.codecs import compressed_size
from golf.measure.fit import Payload, does_it_fit, payload_of
from golf.rulings import Fit

PARAMS = 17_059_912
"""Of the naive baseline."""


def rows(quick: bool) -> list[Row]:
    """The verdict is the one that the record's codec would have given."""
    codec, times = "brotli-11", 100
    cases = (
        ("far below", 16_000_000, "settled by zstd-1, a packing that fits: proven"),
        ("far above", 5_000_000, "settled by zstd-1 and order-0 entropy: likely, and said to be no proof"),
    )
    return [
        Row(
            name=f"does it fit, {words}, {codec}",
            baseline=f"{codec} on all of it",
            prepare=lambda scratch, room=room: _sides(scratch, codec, room),
            goals=(times_less("cpu_s", times), times_less("wall_s", times)),
            pairs=1,
            warmups=0,
            note=how,
        )
        for words, room, how in cases[: 1 if quick else None]  # a minute each: brotli-11 is slow
    ]


def weights() -> bytes:
    """As the challenge quantises: int8 by each row's largest value, floored at 1 / 127, rows of several widths."""
    chance = np.random.default_rng(0)
    rows = []
    for _ in range(PARAMS // 512):
        row = chance.normal(0, chance.uniform(0.04, 0.12), 512)
        rows.append(np.round(row * 127 / max(1.0, np.abs(row).max())).astype(np.int8))
    return np.concatenate(rows).tobytes()


def _sides(scratch: Path, codec: str, room_bytes: int) -> Sides:
    path = scratch / "weights.npz"
    path.write_bytes(weights())
    payload: Payload = payload_of(path)

    def always() -> int:
        return compressed_size(payload(), codec, path.stat().st_size)

    def check(packed_bytes: int, told: Fit) -> None:
        if ("not fit" in told.verdict) != (packed_bytes > room_bytes) or told.verdict == "cannot tell":
            raise AssertionError(f"{told.reason}, and {codec} makes {packed_bytes} bytes of it")

    return Sides(baseline=always, ours=lambda: does_it_fit(payload, room_bytes, codec, exact=False), check=check)
