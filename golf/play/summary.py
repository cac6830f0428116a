"""Finished runs, ranked and explained without a model, in the shape Codex answers in.

From the ledger and each run's result.json. A run that nobody measured here (another tool's row, or one
whose evidence is gone) is listed and says so. Tiers do not compare, so each is ranked by itself.
"""

import collections
import contextlib
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from golf import rules
from golf.answers import OVER_LIMIT, Anomaly, ExperimentSummary, RankedExperiment, SummaryFlag
from golf.errors import BadConfig, GolfError
from golf.play import experiments, ledger, ledger_index
from golf.schema import Result, Row
from golf.workspace import Workspace

TEXT_MAX = 200
"""Characters of a quoted hypothesis or error."""

ANOMALIES_MAX = 12

EVERYDAY = ("scored on ", "not in the snapshot", "no reference compressors")
"""Beginnings of a result's notes that are no anomaly."""


def summarise(
    workspace: Workspace, *, last: int | None = None, tier: str | None = None, limit: int = 20
) -> ExperimentSummary:
    """Rank and explain runs.

    Args:
        workspace: Whose ledger is read.
        last: Only that many of the newest runs; None takes all.
        tier: Only this tier.
        limit: Runs listed at most, the tier of the newest run first; the words are about all of them.

    Raises:
        BadConfig: `last` or `limit` is below 1.
        UnreadableInput: results.tsv has a malformed line; the message names it.
    """
    if limit < 1 or (last is not None and last < 1):
        raise BadConfig(f"at least one run is summarised and listed (got last {last}, limit {limit})")
    if last is not None:
        with ledger_index.opened(workspace) as index:
            rows = index.newest(last, tier)
    else:
        rows = [row for row in ledger.iterate(workspace.ledger) if tier is None or row.tier == tier]
    runs = [Run(workspace, row) for row in rows]
    scope = f"the last {len(runs)} runs" if last is not None else f"all {len(runs)} runs"
    scope += f" on tier {tier}" if tier is not None else ""
    if not runs:
        nothing = "nothing has been played" + (f" on tier {tier}" if tier is not None else "")
        return ExperimentSummary(
            scope=scope, num_runs=0, best=None, experiments=[], anomalies=[], look_at=[], summary=nothing
        )
    tiers = list(dict.fromkeys(run.row.tier for run in reversed(runs)))
    listed = _listed(runs, tiers, limit)
    best = next((run for run, rank in listed if rank == 1 and run.row.tier == tiers[0]), None)
    return ExperimentSummary(
        scope=scope,
        num_runs=len(runs),
        best=best.name if best else None,
        experiments=[run.ranked(rank) for run, rank in listed],
        anomalies=_anomalies(runs, [run for run, _ in listed]),
        look_at=_look_at(runs, best),
        summary=_in_words(runs, tiers, best),
    )


@dataclass(frozen=True, eq=False)
class Run:
    """A line of the ledger and, read when it is asked for, the result it was written from."""

    workspace: Workspace
    row: Row

    @cached_property
    def is_ours(self) -> bool:
        """Whether `golf run` wrote the line and the folder is still there; another tool's line has none."""
        named, colon, _ = self.row.description.partition(":")
        return bool(colon) and re.fullmatch(experiments.NAME, named) is not None and self.folder.is_dir()

    @property
    def folder(self) -> Path:
        """Where the experiment lies, if the line is ours."""
        return self.workspace.experiments / experiments.named_in(self.row.description)

    @property
    def name(self) -> str:
        """The experiment's folder name, else the commit."""
        return self.folder.name if self.is_ours else self.row.commit.strip() or "unnamed"

    @property
    def tried(self) -> str:
        """The idea, in one line."""
        text = self.row.description
        return _short(text.partition(":")[2] if self.is_ours else text)

    @cached_property
    def result(self) -> Result | None:
        """What the line was written from, also when the experiment was repeated since."""
        if not self.is_ours:
            return None
        for place in (self.folder, *sorted((self.folder / "earlier").glob("*"))):
            with contextlib.suppress(GolfError):  # a damaged one is evidence that is missing
                found = experiments.read_result(place)
                if found is not None and (found.commit[:12], found.val_bpb) == (self.row.commit, self.row.val_bpb):
                    return found
        return None

    @property
    def gain_bpb(self) -> float | None:
        """Baseline's score minus this one's, positive when better."""
        judged = self.result.promotion if self.result else None
        if judged is None or judged.baseline_bpb is None or self.row.val_bpb is None:
            return None
        return judged.baseline_bpb - self.row.val_bpb

    @property
    def noise_bpb(self) -> float | None:
        """A smaller gain is noise."""
        judged = self.result.promotion if self.result else None
        return None if judged is None else judged.noise.threshold_bpb

    @cached_property
    def flags(self) -> list[SummaryFlag]:
        """Limits exceeded, and what makes the number say less."""
        row, result, challenge = self.row, self.result, self.workspace.challenge
        tier = self.workspace.config.tiers.get(row.tier)
        timed = result if tier is not None and tier.gpus >= 8 else None  # the limits in seconds are those of 8 GPUs
        seeds = result.seeds if result else []
        logged = [(seed.logged_val_bpb, seed.val_bpb) for seed in seeds]
        is_noise = self.gain_bpb is not None and self.noise_bpb is not None and abs(self.gain_bpb) <= self.noise_bpb
        raised: dict[SummaryFlag, bool] = {
            "artifact_over_limit": (row.artifact_bytes or 0) > challenge.artifact_bytes_max,
            "train_time_over_limit": timed is not None and (timed.train_time_s or 0) > challenge.train_time_s_max,
            "eval_time_over_limit": timed is not None and (timed.eval_time_s or 0) > challenge.eval_time_s_max,
            "crash": row.status == "crash",
            "within_noise": is_noise,
            "single_seed": len(seeds) == 1,
            "log_disagrees": any(said is not None and abs(said - bpb) > rules.DISAGREEMENT_BPB for said, bpb in logged),
            "evidence_missing": result is None,
        }
        return [flag for flag, is_raised in raised.items() if is_raised]

    @property
    def has_rank(self) -> bool:
        """Scored, and within the limits."""
        return self.row.val_bpb is not None and self.row.status != "crash" and not OVER_LIMIT & set(self.flags)

    def ranked(self, rank: int | None) -> RankedExperiment:
        """The line of a summary."""
        return RankedExperiment(
            rank=rank,
            experiment=self.name,
            tier=self.row.tier,
            status=self.row.status,
            val_bpb=self.row.val_bpb,
            artifact_bytes=self.row.artifact_bytes,
            train_time_s=self.result.train_time_s if self.result else None,
            gain_bpb=self.gain_bpb,
            noise_bpb=self.noise_bpb,
            flags=self.flags,
            tried=self.tried,
        )


def _listed(runs: Sequence[Run], tiers: Sequence[str], limit: int) -> list[tuple[Run, int | None]]:
    """Tier by tier: the ranked ones, best first, then the others, newest first. Evidence is read as far as needed."""
    listed: list[tuple[Run, int | None]] = []
    for tier in tiers:
        newest_first = [run for run in reversed(runs) if run.row.tier == tier]
        scored = sorted((run for run in reversed(newest_first) if run.row.val_bpb is not None), key=_score)
        ranked = list(itertools.islice((run for run in scored if run.has_rank), limit - len(listed)))
        listed += [(run, rank) for rank, run in enumerate(ranked, start=1)]
        others = (run for run in newest_first if not run.has_rank)
        listed += [(run, None) for run in itertools.islice(others, limit - len(listed))]
    return listed


def _anomalies(runs: Sequence[Run], listed: Sequence[Run]) -> list[Anomaly]:
    """What a person should know: of the listed and the ten newest runs each by itself, of all the rest in numbers."""
    crashes = [run for run in runs if run.row.status == "crash"]
    found = []
    if len(crashes) > 3:
        found.append(
            Anomaly(experiment=None, evidence=f"{len(crashes)} of {len(runs)} runs crashed; the newest three:")
        )
    for run in crashes[:-4:-1]:
        error = run.result.error if run.result and run.result.error else run.tried
        found.append(Anomaly(experiment=run.name, evidence=f"crashed: {_short(error)}"))
    found += _twins(runs)
    for run in dict.fromkeys([*listed, *runs[:-11:-1]]):
        over = (run.row.artifact_bytes or 0) - run.workspace.challenge.artifact_bytes_max
        if over > 0:
            text = f"artifact of {run.row.artifact_bytes} bytes, {over} over the limit"
            found.append(Anomaly(experiment=run.name, evidence=text))
        if run.is_ours and run.result is None:
            text = f"results.tsv has commit {run.row.commit}, and no result.json of the experiment is of it"
            found.append(Anomaly(experiment=run.name, evidence=text))
        for note in run.result.notes if run.result else []:
            if not note.startswith(EVERYDAY):
                found.append(Anomaly(experiment=run.name, evidence=f"result.json: {_short(note)}"))
    return found[:ANOMALIES_MAX]


def _twins(runs: Sequence[Run]) -> list[Anomaly]:
    """Different experiments with the same score to the last digit: the change did not reach the script."""
    same: dict[tuple[str, float], Run] = {}
    found = []
    for run in runs:
        if run.row.val_bpb is None or not run.is_ours:
            continue
        first = same.setdefault((run.row.tier, run.row.val_bpb), run)
        if first.name != run.name:
            text = f"val_bpb {run.row.val_bpb!r} is exactly that of {first.name}: did the change reach the script?"
            found.append(Anomaly(experiment=run.name, evidence=text))
    return found[-3:]


def _look_at(runs: Sequence[Run], best: Run | None) -> list[str]:
    """What to do next, from what the runs left open."""
    found = []
    if best is not None and best.is_ours and "single_seed" in best.flags:
        found.append(f"{best.name} leads on one seed: play it on more before believing it")
    if best is not None and best.row.promoted == "pending":
        found.append(f"{best.name} passed its run's gates: golf check-promotion {best.name}")
    recent = list(reversed(runs[-10:]))
    for run in recent:
        if run.row.status == "crash" and run.is_ours:
            found.append(f"the log of the crash: {(run.folder / 'logs').relative_to(run.workspace.root)}")
            break
    for run in recent:
        if "within_noise" in run.flags and run.row.status == "keep":
            found.append(
                f"{run.name} was kept within the noise: repeat it with more seeds, golf run {run.name} --again"
            )
            break
    for run in recent:
        if "log_disagrees" in run.flags:
            found.append(f"{run.name}'s log and Caddie's measurement disagree: golf review {run.name}")
            break
    for run in recent:
        if "artifact_over_limit" in run.flags and run.is_ours:
            found.append(
                f"{run.name} is over the limit: golf measure-artifact {run.folder.relative_to(run.workspace.root)}"
            )
            break
    return found


def _in_words(runs: Sequence[Run], tiers: Sequence[str], best: Run | None) -> str:
    count = collections.Counter(run.row.status for run in runs)
    spent = sum(run.row.cost_usd for run in runs)
    words = [
        f"{len(runs)} run{'s' * (len(runs) > 1)}, newest on tier {tiers[0]}: {count['keep']} kept, "
        f"{count['discard']} discarded, {count['crash']} crashed, ${spent:.2f} spent."
    ]
    if len(tiers) > 1:
        words.append(
            f"Ranked by tier, because tiers do not compare ({', '.join(tiers[:6])}{' …' if len(tiers) > 6 else ''})."
        )
    if best is None:
        words.append(f"No run on {tiers[0]} has a score within the limits.")
    else:
        name = f"{best.name} ({best.row.status})"
        words.append(f"Lowest score on {best.row.tier}: {name}, val_bpb {best.row.val_bpb:.6f}{_gain(best)}.")
    return " ".join(words)


def _gain(run: Run) -> str:
    if run.gain_bpb is None:
        return ", nothing to compare it with"
    if run.noise_bpb is None:
        return f", {run.gain_bpb:+.6f} gained on its baseline, noise unknown (one seed)"
    return f", {run.gain_bpb:+.6f} gained on its baseline, noise {run.noise_bpb:.6f}"


def _score(run: Run) -> float:
    assert run.row.val_bpb is not None
    return run.row.val_bpb


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= TEXT_MAX else line[: TEXT_MAX - 1] + "…"
