"""The demonstration round: how long it takes, and whether its model beats plain compressors on the very same text."""

import json
import lzma
import os
import sys
from pathlib import Path
from typing import Any

import zstandard
from side_by_side import Row, Sample, Sides, absolute, at_most, command

GOLF = os.fspath(Path(sys.executable).with_name("golf"))
WALL_S_MAX = 180


def rows(quick: bool) -> list[Row]:
    """The whole round once; it is in the full set alone, as it takes minutes."""
    if quick:
        return []
    return [
        Row(
            name="golf demo",
            baseline="the better one of lzma and zstd-22 on the same text",
            prepare=_sides,
            goals=[absolute("wall_s", WALL_S_MAX), at_most("bpb", 1.0)],
            pairs=1,
            warmups=0,
            note="wall time, so on an otherwise idle machine; bpb: the round's better experiment, after its round trip",
        )
    ]


def _sides(scratch: Path) -> Sides:
    from golf.data.course import build_course

    build_course(scratch / "course")
    (text,) = (scratch / "course").rglob("val.txt")
    play = command([GOLF, "demo", scratch / "demo", "--json"], cwd=scratch, timeout_s=1200)

    def compressed() -> Sample:
        raw = text.read_bytes()
        sizes = {
            "lzma": len(lzma.compress(raw, preset=9 | lzma.PRESET_EXTREME)),
            "zstd": len(zstandard.ZstdCompressor(level=22).compress(raw)),
        }
        bpb = {name: 8 * size / len(raw) for name, size in sizes.items()}
        return Sample({"bpb": min(bpb.values()), "wall_s": 0.0}, (raw, bpb))

    def played() -> Sample:
        sample = play()
        told = json.loads(sample.result)
        best = min(result["val_bpb"] for result in told["results"])
        return Sample({**sample.figures, "bpb": best}, told)

    def check(ours_of_text: tuple[bytes, dict[str, float]], told: dict[str, Any]) -> None:
        raw, bpb = ours_of_text
        (scored,) = Path(told["folder"]).rglob("val.txt")
        assert scored.read_bytes() == raw, "the demo was scored on other text"
        for name, value in bpb.items():
            assert abs(told["reference_bpb"][name] - value) < 0.01, f"{name}: {told['reference_bpb']}, here {bpb}"
        assert all(result["seeds"] for result in told["results"]), told

    return Sides(baseline=compressed, ours=played, check=check)
