"""Published significances, reproduced: the frontier of accepted records, each against the one before it.

`data` has a few of the records' logs, a checkout all of them. What is compared are the logs that a record ships: the
README's p = 0.188 for #1855 rests on later reproductions whose logs are in no folder (the shipped ones give 0.36), so
it is printed and held to nothing.
"""

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

from referee_report import Line

from golf.play.compare import compare_runs
from golf.rulings import Comparison

COMMIT = "4908dc46f21ed3fdd08d2fdca285deb2194b9599"
"""openai/parameter-golf's main on 2026-05-02."""

TRACK = "records/track_10min_16mb"

FRONTIER = {
    549: "2026-03-23_LeakyReLU_LegalTTT_ParallelMuon",
    1019: "2026-03-25_ValCalib_GPTQ_XSA_BigramHash3072",
    1060: "2026-03-29_Loader_FullGPTQ_XSA11_BigramHash2816",
    1204: "2026-03-31_ParallelResiduals_MiniDepthRecurrence",
    1218: "2026-04-01_Vocab4096_MLPMult4_WD085",
    1285: "2026-04-03_MuonEqR_DepthRecurrence_WD090_AllInt6",
    1334: "2026-04-04_SP4096_DepthRecurrence_ParallelResid_MuonEqR",
    1394: "2026-04-05_SP8192_GPTQ-Embeddings_SDClip_Loop45x2",
    1412: "2026-04-06_SP8192_HessianSDClip_ProgressiveRecurrence",
    1413: "2026-04-06_SP8192_QK5_LegalTTT_1.0828",
    1477: "2026-04-08_SP8192_ParallelResid_ScoreFirstTTT",
    1493: "2026-04-09_SP8192_3LayerRecur_ParResid_QK525_LegalTTT",
    1514: "2026-04-09_A2_Muon097_3Seed",
    1530: "2026-04-10_VarLenAttn",
    1610: "2026-04-13_VarLenAttn_PhasingTTT2000",
    1626: "2026-04-14_MultiPhaseGlobalSGD_PhasedTTT",
    1667: "2026-04-16_SmearGate_AttentionOutputGate_ScoreFirstTTT",
    1729: "2026-04-18_PR1626_CaseOps_Taper",
    1736: "2026-04-19_SP8192_CaseOps_GatedAttn_QuantGate_Loop45_PhasedTTT",
    1769: "2026-04-22_SP8192_CaseOps_GatedAttn_QuantGate_Loop45_PhasedTTT_MLPClip12",
    1787: "2026-04-23_SP8192_CaseOps_SparseGate_QuantGate_Loop45_PhasedTTT_PolarNS_MinLR_FusedCE",
    1868: "2026-04-29_SmearGateBOSFix_3Seed_1.06141",
    1855: "2026-04-27_SP8192_LQER_SparseGate_BOSSmearFix_9HpStack_1.0611",
}
"""Accepted records in the order of their scores whose folders have a log for each of at least three seeds."""

PUBLISHED = {(1514, 1493): 0.020, (1769, 1736): 0.063}
"""p that the challenge's README prints."""


def report(data: Path | None, checkout: Path | None) -> Iterator[Line]:
    """The steps that are at hand, and how many of them pass which bar."""
    with tempfile.TemporaryDirectory() as scratch:
        if checkout is not None:
            _export(checkout, Path(scratch))
        yield from _report(lambda pr: _folder(pr, data, checkout and Path(scratch)))


def _report(folder: Callable[[int], Path | None]) -> Iterator[Line]:
    steps = {(after, before): _step(folder(after), folder(before)) for before, after in pairwise(FRONTIER)}
    for step, p in PUBLISHED.items():
        found = steps[step]
        what = f"Welch p of #{step[0]} against #{step[1]}"
        met = None if found is None or found.p is None else abs(found.p - p) < 5e-4
        yield Line(what, "not at hand" if found is None else f"{found.p:.4f}", f"{p:.3f} (README)", met)
    if found := steps[1855, 1868]:
        yield Line("Welch p of #1855 against #1868, shipped logs", f"{found.p:.4f}", "0.188 with more logs", None)
    known = [step for step in steps.values() if step is not None and step.p is not None]
    of = f"of {len(known)} steps"
    if len(known) < len(steps):
        yield Line("accepted steps with p < 0.01", f"{_shown(known)} {of}", "needs a checkout", None)
        return
    yield Line("accepted steps with p < 0.01", f"{_shown(known)} {of}", "10 of 22", _shown(known) == 10)
    same = [step for step in known if step.gain_nats is not None]
    enough = sum(step.gain_nats >= 0.005 for step in same if step.gain_nats is not None)
    figure = f"{enough} of {len(same)} that keep the tokenizer"
    yield Line("of at least 0.005 nats", figure, "6 of 19", (enough, len(same)) == (6, 19))
    for name in ("meets_written_bar", "meets_applied_bar"):
        yield Line(name, f"{sum(getattr(step, name) is True for step in known)} {of}", "", None)


def _shown(steps: list[Comparison]) -> int:
    return sum(step.p is not None and step.p < 0.01 for step in steps)


def _step(after: Path | None, before: Path | None) -> Comparison | None:
    return compare_runs(None, str(after), str(before)) if after and before else None


def _folder(pr: int, data: Path | None, exported: Path | None) -> Path | None:
    places = [exported and exported / str(pr), data and data / "submissions" / str(pr)]
    return next((place for place in places if place and place.is_dir()), None)


def _export(checkout: Path, to: Path) -> None:
    """The frontier's logs, READMEs and JSON files, as they lie in the checkout's history."""
    for pr, name in FRONTIER.items():
        listed = _git(checkout, "ls-tree", "-r", "-z", "--name-only", COMMIT, "--", f"{TRACK}/{name}").decode()
        for path in filter(None, listed.split("\0")):
            if path.endswith((".log", ".txt", ".json", ".md")):
                place = to / str(pr) / Path(path).relative_to(f"{TRACK}/{name}")
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(_git(checkout, "show", f"{COMMIT}:{path}"))


def _git(checkout: Path, *arguments: str) -> bytes:
    return subprocess.run(["git", "-C", str(checkout), *arguments], check=True, capture_output=True).stdout
