"""How much of what a loop keeps is luck: three rules on the same ideas, side by side.

    python bench/keep_discard.py [--sessions 1000]

A session plays 100 ideas, one after the other, on top of what was kept before. 15 % of them truly gain 0.003 BPB. The
rest either does harm by |N(0, 0.003)| (`harmful`: what loops look like) or changes nothing (`idle`: the hardest case,
as luck is not held back by harm). A run's score is the truth plus N(0, noise).

- greedy: one run an idea; whatever scores below the best score so far is kept.
- deviation: as greedy, but the best score must be beaten by twice the median absolute deviation of all scores so far
  (the confidence score of pi-autoresearch, whose 2.0 reads "likely real").
- floor: `golf.play.noise.weigh`, the library's own rule, after eight runs of the first baseline.

False keeps: ideas kept that truly gain nothing or do harm, as a share of all ideas kept, over all sessions together.
Per null: the chance that an idea without a gain is kept. Gain: the sum of true changes of what was kept, false keeps'
harm included.
"""

import argparse
from collections.abc import Callable, Sequence
from statistics import median
from typing import NamedTuple

import numpy as np

from golf.measure.significance import pool
from golf.play import noise

IDEAS, GOOD_SHARE, GAIN_BPB = 100, 0.15, 0.003
NOISES = (0.0005, 0.001, 0.002, 0.004)
FIRST_SEEDS = 8

Run = Callable[[float], float]
"""A run at a true score: what it measures."""


class Trainer:
    """Runs with seed noise, counted."""

    def __init__(self, std: float, rng: np.random.Generator) -> None:
        self.std, self.rng, self.runs = std, rng, 0

    def run(self, truth: float) -> float:
        """One run's score."""
        self.runs += 1
        return truth + self.rng.normal(0, self.std)


class Played(NamedTuple):
    """What became of one session, or of several added up."""

    kept: int
    false: int
    gain_bpb: float
    runs: int
    nulls: int
    """Ideas without a gain that were played."""


def greedy(changes: Sequence[float], run: Run) -> list[bool]:
    """Keep whatever scores lower once."""
    return _by_best_score(changes, run, lambda scores: 0.0)


def deviation(changes: Sequence[float], run: Run) -> list[bool]:
    """Keep what beats the best score by twice the median absolute deviation; the first three runs as greedy."""

    def margin(scores: list[float]) -> float:
        middle = median(scores)
        return 2 * median(abs(score - middle) for score in scores) if len(scores) >= 3 else 0.0

    return _by_best_score(changes, run, margin)


def floor(changes: Sequence[float], run: Run) -> list[bool]:
    """Keep by the library's rule, with the seeds it asks for."""
    truth = 0.0
    baseline = [run(truth) for _ in range(FIRST_SEEDS)]
    groups, kept = [baseline], []
    for change in changes:
        scores: list[float] = []
        verdict = "more"
        while verdict == "more":
            scores.append(run(truth + change))
            while len(baseline) < noise.baseline_seeds_due(len(scores)):
                baseline.append(run(truth))
            measured = pool([*groups, scores])
            assert measured is not None  # the first baseline has seeds
            verdict = noise.weigh(scores, baseline, measured, GAIN_BPB).verdict
        kept.append(verdict == "keep")
        if kept[-1]:
            truth += change
            baseline = scores
            groups.append(baseline)
    return kept


def _by_best_score(changes: Sequence[float], run: Run, margin: Callable[[list[float]], float]) -> list[bool]:
    truth = 0.0
    scores = [run(truth)]
    best, kept = scores[0], []
    for change in changes:
        score = run(truth + change)
        scores.append(score)
        kept.append(best - score > margin(scores))
        if kept[-1]:
            best, truth = score, truth + change
    return kept


RULES: dict[str, Callable[[Sequence[float], Run], list[bool]]] = {
    "greedy": greedy,
    "deviation": deviation,
    "floor": floor,
}


def play(rule: str, std: float, is_harmful: bool, sessions: int, seed: int = 1) -> Played:
    """Sessions of one rule at one noise, added up; the same ideas for every rule."""
    total = Played(0, 0, 0.0, 0, 0)
    for session in range(sessions):
        rng = np.random.default_rng((seed, session))
        is_good = rng.random(IDEAS) < GOOD_SHARE
        harm = np.abs(rng.normal(0, GAIN_BPB, IDEAS)) * is_harmful
        changes = np.where(is_good, -GAIN_BPB, harm).tolist()
        trainer = Trainer(std, np.random.default_rng((seed, session, 1)))
        kept = np.array(RULES[rule](changes, trainer.run))
        total = Played(
            total.kept + int(kept.sum()),
            total.false + int((kept & ~is_good).sum()),
            total.gain_bpb - float(np.array(changes)[kept].sum()),
            total.runs + trainer.runs,
            total.nulls + int((~is_good).sum()),
        )
    return total


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1000)
    sessions = parser.parse_args().sessions
    print(f"{sessions} sessions of {IDEAS} ideas, {GOOD_SHARE:.0%} gain {GAIN_BPB} BPB")
    for is_harmful in (True, False):
        print(f"\nthe other ideas are {'harmful' if is_harmful else 'idle'}")
        print(f"{'noise':>7} {'rule':<10} {'kept':>6} {'false keeps':>12} {'per null':>9} {'gain BPB':>9} {'runs':>6}")
        for std in NOISES:
            for rule in RULES:
                played = play(rule, std, is_harmful, sessions)
                share = f"{played.false / played.kept:.1%}" if played.kept else "none kept"
                print(
                    f"{std:>7} {rule:<10} {played.kept / sessions:>6.2f} {share:>12} "
                    f"{played.false / played.nulls:>9.2%} {played.gain_bpb / sessions:>9.4f} "
                    f"{played.runs / sessions:>6.0f}"
                )


if __name__ == "__main__":
    main()
