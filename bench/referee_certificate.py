"""The certificate on the demo's own artifact, and on toy scorers that would have to cheat to come back.

python bench/referee_certificate.py [DEMO]      DEMO: a folder `golf demo` made; without one it is played first
"""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from referee_report import Line

from golf.data.tokenizer import BOS_ID
from golf.play.audit import Processes, find_target
from golf.play.certify import certify
from golf.referee import audit_text, certificate
from golf.rulings import Certificate
from golf.workspace import Workspace

TOYS = Path(__file__).parents[1] / "tests" / "referee" / "toys.py"
TEXT_BYTES = 64_000
WITHIN = 0.005
FAIR = ("Improper", "PredictorThatPeeks", "PredictorThatBoosts")
"""Violations whose code is nevertheless one."""
NUM_TOKENS = 96


def report(data: Path | None, checkout: Path | None, demo: Path | None = None) -> Iterator[Line]:
    """Lines for `referee_report`."""
    yield from _toys()
    with tempfile.TemporaryDirectory() as scratch:
        found = certify("baseline", workspace=Workspace(demo or _played(Path(scratch))), text_bytes=TEXT_BYTES)
    assert found.scored_bpb is not None
    what = f"demo's artifact on {found.text_bytes} bytes, {found.elapsed_s:.0f} s"
    if found.certified_bpb is None:
        yield Line(what, found.verdict, "certified", False)
        return
    apart = found.certified_bpb / found.scored_bpb - 1
    yield Line(what, f"{found.certified_bpb:.4f} BPB", "certified", True)
    yield Line(
        f"against its claim on that text, {found.scored_bpb:.4f}", f"{apart:+.2%}", "within 0.5 %", abs(apart) <= WITHIN
    )
    if found.claimed_bpb:
        whole = found.certified_bpb / found.claimed_bpb - 1
        yield Line(f"against its claim on the whole split, {found.claimed_bpb:.4f}", f"{whole:+.2%}", "", None)


def _toys() -> Iterator[Line]:
    """An honest toy comes back, a cheating one does not, or from more bits than it says.

    A warm state is honest in a fresh process, probabilities that sum to less than 1 only cost, and of those that
    predict honestly and score otherwise the predictions are certified: refuted only where the score gains by it.
    """
    sys.path.insert(0, str(TOYS.parent))
    import toys

    wrong: list[str] = []
    counts = {"causal": 0, "violation": 0}
    for name, (verdict, probe) in toys.EXPECTED.items():
        if verdict not in counts or probe == "memory" or name in FAIR:
            continue
        counts[verdict] += 1
        found = _certified(f"{TOYS}:{name}")
        if (found.verdict == "certified") != (verdict == "causal"):
            wrong.append(f"{name}: {found.verdict}")
    for toy in wrong:
        yield Line(f"  {toy}", "wrong", "", False)
    yield Line(
        "honest toys certified, cheating ones not", f"{counts['causal']} and {counts['violation']}", "all", not wrong
    )


def _certified(target: str) -> Certificate:
    chosen = find_target(target)
    processes = Processes(chosen, [], 300.0, 8 << 30)
    with processes.fresh() as asked:
        text = audit_text.made_up(asked.vocab_size, NUM_TOKENS, BOS_ID, np.random.default_rng(0))
    return certificate.certify(processes.fresh, text.tokens, NUM_TOKENS, lambda tokens: tokens.size - 1, target=target)


def _played(scratch: Path) -> Path:
    from golf.cli import main

    folder = scratch / "demo"
    if main(["demo", str(folder)]) != 0:
        raise SystemExit("golf demo failed; see above")
    return folder


if __name__ == "__main__":
    for line in report(None, None, Path(sys.argv[1]) if len(sys.argv) > 1 else None):
        print(*line)
