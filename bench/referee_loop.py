"""The loop's keep or discard in simulated sessions: what is kept by luck, and what the true gain is worth in runs."""

from collections.abc import Iterator
from pathlib import Path

import keep_discard
from referee_report import Line

SESSIONS = 300
QUIET = 0.001
"""Up to this seed noise the rule must keep nearly all that greedy gains."""


def report(data: Path | None, checkout: Path | None) -> Iterator[Line]:
    """Per noise: false keeps and true gain beside greedy's and the deviation rule's."""
    for is_harmful in (True, False):
        kind = "harmful" if is_harmful else "idle"
        for std in keep_discard.NOISES:
            played = {rule: keep_discard.play(rule, std, is_harmful, SESSIONS) for rule in keep_discard.RULES}
            ours, greedy = played["floor"], played["greedy"]
            others = ", ".join(f"{rule} {_share(played[rule]):.0%}" for rule in ("greedy", "deviation"))
            yield Line(
                f"false keeps at noise {std}, other ideas {kind}",
                f"{_share(ours):.1%} ({others})",
                "at most 5 %",
                _share(ours) <= 0.05,
            )
            share = ours.gain_bpb / greedy.gain_bpb
            yield Line(
                "  true gain kept, of greedy's",
                f"{share:.0%} in {ours.runs / SESSIONS:.0f} runs ({greedy.runs / SESSIONS:.0f})",
                "at least 90 %" if std <= QUIET else "",
                share >= 0.9 if std <= QUIET else None,
            )


def _share(played: keep_discard.Played) -> float:
    return played.false / played.kept if played.kept else 0.0
