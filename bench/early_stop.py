"""How many winners an early stop kills, and how much of the losers' compute it saves.

    python bench/early_stop.py [--data ../shared/data] [--synthetic 300]

Each run is replayed look by look, a look at each of its step lines, with `golf.play.early_stop` and a bank of the other
runs; it is killed at the first look that says stop. Saved: the share of training time left then, over all losers, those
that were not killed counted as 0.

What counts as winning is stated per row. On public logs a run's end is its last step's validation score, before
quantisation and whatever its evaluation adds: that is all a curve can foretell, and what was added later (caches,
test-time training) has little to do with training. Logs of runs on other hardware or another time limit are left out,
and so are those whose bits per byte the labels call miscounted, or that trained on validation text.

- fifth: a winner ends in the best fifth of all other runs; that level is the target.
- fifth, own kind: the same among runs with its tokenizer and batch alone, most of which end within 1 % of each other.
- record: runs in the order of their pull requests; the bank holds earlier ones alone, the target is the best so far,
  and a winner is a run that beats it.
- one run out: as `fifth`, but the bank keeps the other seeds of the run's own submission.
- step-1000: `fifth`, by the simple mode of the library.
- peer: `fifth`, by the published loop's rule: stop when the score at step 1,000 is over the best final score + 1 %.

Synthetic runs: a power law, with a cooldown that lowers it further from a share of the run on that differs from run to
run, batches that are hard for all runs alike, noise of each run's own; some decay faster at first and end higher.
"""

import argparse
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import NamedTuple

import numpy as np

from golf.measure import curves
from golf.measure.curves import Curve
from golf.measure.logs import folder_logs
from golf.play import early_stop
from golf.play.early_stop import Watched
from golf.schema import LogPoint, TrainingLog

MISMEASURED = {"BPB_MISCOUNT", "VAL_IN_TRAINING", "TOKENIZER_LOSSY", "DATA_MISMATCH"}
TRAIN_TIME_S = (520, 620)
"""Of a run at the challenge's limit of 600 s."""

FIFTH = 20.0
PEER_TOLERANCE = 0.01


@dataclass(frozen=True)
class Run:
    """A finished run that is replayed."""

    curve: Curve
    log: TrainingLog
    order: int
    kind: str
    """Tokenizer and batch."""


class Score(NamedTuple):
    """What a rule did to the runs of a row."""

    name: str
    winners: int
    killed: int
    losers: int
    stopped: int
    saved: float


def public_runs(data: Path) -> list[Run]:
    """Runs of the labelled submissions that train to the challenge's limit on 8 GPUs."""
    left_out = set()
    for line in (data / "verdicts.jsonl").read_text(encoding="utf-8").splitlines():
        verdict = json.loads(line)
        if MISMEASURED & set(verdict["reasons"]):
            left_out.add(Path(verdict["data"]).name)
    runs = []
    for folder in sorted((data / "submissions").iterdir()):
        for log in [] if folder.name in left_out else folder_logs(folder):
            curve = curves.finished(log, folder.name)
            is_timed = log.train_time_s is not None and TRAIN_TIME_S[0] < log.train_time_s < TRAIN_TIME_S[1]
            if curve is None or not is_timed or log.world_size not in (8, None) or curve.steps <= early_stop.FLOOR_STEP:
                continue
            ratios = [point.val_bpb / point.val_loss for point in log.points if point.val_bpb and point.val_loss]
            kind = f"{median(ratios):.2f} {log.hyperparameters.get('train_batch_tokens')}" if ratios else ""
            number = re.fullmatch(r"\d+", folder.name)
            runs.append(Run(curve, log, int(number[0]) if number else 0, kind))
    return runs


def synthetic_runs(count: int, rng: np.random.Generator) -> list[Run]:
    """Runs of so many experiments on the same tokens."""
    hard = rng.normal(0, 0.012, 200)  # of each batch that is logged, for all runs alike
    runs = []
    for number in range(count):
        steps = int(rng.integers(5_500, 7_500))
        end = rng.normal(1.13, 0.025)  # of the power law at its end, before the cooldown
        power = np.clip(rng.normal(0.5, 0.05) + 2 * (end - 1.13), 0.3, 0.8)  # the fast ones end higher: curves cross
        start, drop = rng.uniform(0.3, 0.7), rng.normal(0.06, 0.008)
        floor = end - 0.25 * 0.25**power

        def at(step: float, floor=floor, power=power, steps=steps, start=start, drop=drop) -> float:
            decay = floor + 0.25 * (0.25 * steps / (step + 0.001 * steps)) ** power
            cooled = max(0.0, step / steps - start) / (1 - start)
            return decay - drop * (1 - (1 - cooled) ** 2)

        points = [LogPoint(step=0, val_bpb=4.1, val_loss=4.1 / 0.592)]
        for step in range(200, steps, 200):
            batch = hard[step // 200] + rng.normal(0, 0.003)
            points.append(LogPoint(step=step, train_loss=(at(step) + batch) / 0.592, train_time_s=step * 600 / steps))
            if step % 1_000 == 0:
                bpb = at(step) + rng.normal(0, 0.001)
                points.append(LogPoint(step=step, val_bpb=bpb, val_loss=bpb / 0.592, train_time_s=step * 600 / steps))
        final = at(steps) + rng.normal(0, 0.001)
        points.append(LogPoint(step=steps, val_bpb=final, val_loss=final / 0.592, train_time_s=600.0))
        log = TrainingLog(
            path=f"{number}.log", points=points, steps=steps, iterations=20_000, wallclock_cap_s=600.0,
            train_time_s=600.0, last_step_bpb=final,
        )  # fmt: skip
        curve = curves.finished(log, str(number))
        assert curve is not None
        runs.append(Run(curve, log, number, "synthetic"))
    return runs


Advise = Callable[[Sequence[LogPoint], Sequence[Curve], float], bool]
"""Whether to stop, by the step lines so far, the bank and the target."""


def by_bank(points: Sequence[LogPoint], bank: Sequence[Curve], target: float) -> bool:
    """The library's rule."""
    return early_stop.advise(Watched(points, 20_000, 600.0), bank, target).verdict == "stop"


def simply(points: Sequence[LogPoint], bank: Sequence[Curve], target: float) -> bool:
    """The library's simple mode."""
    return early_stop.advise_simply(Watched(points, 20_000, 600.0), bank, target).verdict == "stop"


def peer(points: Sequence[LogPoint], bank: Sequence[Curve], target: float) -> bool:
    """The published loop's rule; where step 1,000 was not validated the training loss stands in."""
    best = min(curve.final_bpb for curve in bank)
    run = curves.running(points, 20_000, 600.0)
    ours = None if run is None else curves.level(run.points, early_stop.FLOOR_STEP)
    return ours is not None and ours > best * (1 + PEER_TOLERANCE)


def replay(
    name: str, runs: Sequence[Run], bank_of: Callable[[Run], list[Run]], target_of: Callable, advise: Advise = by_bank
) -> Score:
    """Play the runs of a row; those whose bank is too small for a target are left out."""
    winners = killed = losers = stopped = 0
    saved = 0.0
    for run in runs:
        bank = bank_of(run)
        if len(bank) < curves.GROUPS_MIN:
            continue
        target = target_of(run, bank)
        at = _killed_at(run, [one.curve for one in bank], target, advise)
        if run.curve.final_bpb <= target:
            winners, killed = winners + 1, killed + (at is not None)
        else:
            losers, stopped, saved = losers + 1, stopped + (at is not None), saved + (0 if at is None else 1 - at)
    return Score(name, winners, killed, losers, stopped, saved / losers if losers else 0.0)


def _killed_at(run: Run, bank: list[Curve], target: float, advise: Advise) -> float | None:
    """Share of the run that had passed when it was killed."""
    for step in sorted({point.step for point in run.log.points if 0 < point.step < run.curve.steps}):
        if step < early_stop.FLOOR_STEP:
            continue
        if advise([point for point in run.log.points if point.step <= step], bank, target):
            return step / run.curve.steps
    return None


def _fifth(run: Run, bank: Sequence[Run]) -> float:
    return float(np.percentile([one.curve.final_bpb for one in bank], FIFTH))


def _best(run: Run, bank: Sequence[Run]) -> float:
    return min(one.curve.final_bpb for one in bank)


def table(data: Path, synthetic: int) -> list[Score]:
    """Every row that can be measured here."""
    scores = []
    if data.is_dir():
        runs = public_runs(data)

        def others(run: Run) -> list[Run]:
            return [one for one in runs if one.curve.group != run.curve.group]

        def kin(run: Run) -> list[Run]:
            return [one for one in others(run) if one.kind == run.kind]

        def earlier(run: Run) -> list[Run]:
            return [one for one in others(run) if one.order < run.order]

        def all_but_one(run: Run) -> list[Run]:
            return [one for one in runs if one is not run]

        scores += [
            replay("public: fifth", runs, others, _fifth),
            replay("public: fifth, own kind", runs, kin, _fifth),
            replay("public: record", runs, earlier, _best),
            replay("public: one run out", runs, all_but_one, _fifth),
            replay("public: step-1000", runs, others, _fifth, simply),
            replay("public: peer", runs, others, _fifth, peer),
        ]
    made = synthetic_runs(synthetic, np.random.default_rng(0))

    def rest(run: Run) -> list[Run]:
        return [one for one in made if one is not run]

    scores += [
        replay("synthetic: fifth", made, rest, _fifth),
        replay("synthetic: step-1000", made, rest, _fifth, simply),
        replay("synthetic: peer", made, rest, _fifth, peer),
    ]
    return scores


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--synthetic", type=int, default=300)
    options = parser.parse_args()
    print(f"{'runs and winners':<26}{'winners':>9}{'killed':>14}{'losers':>9}{'killed':>14}{'compute saved':>15}")
    for score in table(options.data, options.synthetic):
        winners = f"{score.killed} ({score.killed / max(score.winners, 1):.1%})"
        losers = f"{score.stopped} ({score.stopped / max(score.losers, 1):.1%})"
        print(f"{score.name:<26}{score.winners:>9}{winners:>14}{score.losers:>9}{losers:>14}{score.saved:>15.1%}")


if __name__ == "__main__":
    main()
