"""The causality audit: is a scorer's number the length of a code, whatever is inside it.

A score is legal when, for each position, there is a probability distribution over the next token that was fixed before
that token was seen. From outside that means: scores before a token do not move with it or with what follows
(`future`); at one position the probabilities of all tokens sum to 1 (`normalisation`); a fresh process says the same
(`repeat`), and so does one that has scored before (`memory`). A sum below 1 gains nothing, and is no distribution
either.

The scorer may know that it is audited and remember every question. Three things make that of little use. What it is
held to, the scores of the true text, comes from a process that was asked nothing before. The process that is probed
meets the positions in ascending order and never knows more of the true text than the prefix it is asked about: to
repeat a score that rested on the future, it would have to guess that future. And some of its answers are asked for
again of processes that were asked nothing else (controls). A breach counts once a process without a past shows it too.

What a sample cannot show is said: `share_max`, `hidden_gain_nats`. An audit proves a violation and never the absence
of one; a certificate (`golf.referee.certificate`) has no such gap.
"""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol, get_args

import numpy as np

from golf.errors import JobFailed, UnreadableInput
from golf.referee.audit_text import Text
from golf.referee.questions import Effort, Question, questions, whole_sum
from golf.rulings import Audit, AuditVerdict, Breach, Probe, ProbeName, ProbeOutcome

TOLERANCE_NATS = 1e-4
"""Scores that differ by no more are the same: float32 rounding, a fiftieth of the record bar of 0.005 nats."""

SUM_TOLERANCE = 1e-3
"""How far from 1 a sum of probabilities may be; a surplus of this size is worth 0.001 nats per token."""

ROUNDING_NATS = 0.02
"""A deviation up to here is neither clean nor a breach: bfloat16 computes logits no better, in shapes that may depend
on the rest of the text."""

PREDICTION_TOLERANCE_NATS = 1e-3
"""How far `predict` may be from `score`: it computes the same, in other shapes."""

NOISE_PASSES, NOISE_FACTOR = 8, 10
"""Where fresh processes differ by more than the tolerance, the spread of so many more passes is the noise. Nothing is
clean then, and only what deviates by so many times the noise is a breach."""

BREACHES_MAX = 8
"""Enough to show; probing stops there."""

CONFIDENCE = 0.95

RECORD_NATS = 0.005
"""What a record must gain per token (README of openai/parameter-golf, submission process 1)."""


class Asked(Protocol):
    """A scorer in a process of its own, e.g. a `golf.referee.exchange.Remote`."""

    vocab_size: int
    can_predict: bool

    def score(self, tokens: np.ndarray) -> np.ndarray:
        """(B, T) token ids to (B, T) or (B, T - 1) nats."""
        ...

    def predict(self, prefix: np.ndarray) -> np.ndarray:
        """(T,) token ids to (V,) log-probabilities."""
        ...


ROUND_BYTES = 1 << 25
"""Texts of one round of whole sums: they are kept, to ask the same again when something is suspicious."""

Progress = Callable[[str, int, int], None]
"""Called with what is done, how far it is and how far it goes."""

Fresh = Callable[[], AbstractContextManager[Asked]]
"""Starts the scorer where nothing was asked before."""


def audit(
    fresh: Fresh,
    text: Callable[[int], Text],
    *,
    target: str,
    seed: int = 0,
    effort: Effort | None = None,
    progress: Progress = lambda what, done, total: None,
) -> Audit:
    """Ask a scorer everything, and say what came of it.

    Args:
        fresh: Starts a process with the scorer; they are asked one after the other.
        text: The text to ask about, for a vocabulary of this size.
        target: What the scorer is called.
        seed: Of positions and replacements.
        effort: None: the defaults.
        progress: For whoever waits.

    Raises:
        GolfError: the scorer could not be loaded, or the text is not for its vocabulary. Whatever fails after that
            makes the audit inconclusive.
    """
    begin = time.monotonic()
    with fresh() as asked:
        rng = np.random.default_rng(seed)
        run = _Run(fresh, text(asked.vocab_size), asked.vocab_size, effort or Effort(), rng, progress)
        run.attempt(lambda: run.reference(asked))
    for step in (run.repeat, run.probe, run.add_up, run.confirm, run.control):
        run.attempt(step)
    return run.conclude(target, seed, time.monotonic() - begin)


@dataclass
class _Tally:
    """What one kind of question has shown so far."""

    outcome: ProbeOutcome = "not run"
    text: str = "not asked"
    positions: set[int] = field(default_factory=set)
    drawn: set[int] = field(default_factory=set)
    """Those positions that were chosen at random and settled."""
    num_scored: int = 0
    worst: float = 0.0


@dataclass(frozen=True)
class _Suspicion:
    """A deviation seen once."""

    breach: Breach
    off: float
    """How far it was."""
    again: Callable[[Asked], float]
    """Asks another process the same: how far its answer deviates."""
    margin: float
    """What is no deviation."""
    before: list[np.ndarray]
    """(B, T) arrays: what its process had been asked."""


class _Run:
    """One audit, step by step."""

    def __init__(
        self,
        fresh: Fresh,
        text: Text,
        vocab_size: int,
        effort: Effort,
        rng: np.random.Generator,
        progress: Progress,
    ) -> None:
        largest = int(max(text.tokens.max(), text.pool.max()))
        if largest >= vocab_size:
            raise UnreadableInput(
                f"the text holds token {largest}, and the scorer's vocabulary is {vocab_size}: give the split it is for"
            )
        self.fresh, self.text, self.vocab_size, self.effort, self.rng = fresh, text, vocab_size, effort, rng
        self.progress, self.can_predict = progress, False
        self.true, self.last = text.tokens, text.tokens.size - 1
        self.scores = self.second = np.zeros(0)
        self.noise: float | None = None
        self.margin, self.sum_margin = TOLERANCE_NATS, SUM_TOLERANCE
        self.tallies = {name: _Tally() for name in get_args(ProbeName)}
        self.history: list[np.ndarray] = []
        """(B, T) arrays: what the probed process was asked."""
        self.samples: list[tuple[np.ndarray, np.ndarray, list[np.ndarray]]] = []
        """Of some questions, one row (T,), the answer to it up to the position, and what had been asked before."""
        self.num_asked = 0
        self.sampled: tuple[float, float] = (0.0, 0.0)
        """The largest sum over some tokens only, and what it would make over all of them."""
        self.sum_times: list[float] = []
        """Seconds that whole sums took."""
        self.probe_s = 0.0
        self.suspicions: list[_Suspicion] = []
        self.breaches: list[Breach] = []
        self.gaps: list[float] = []
        """Nats between `predict` and `score`, where they disagree."""
        self.reason: str | None = None
        """Why nothing more can be learned."""

    def attempt(self, step: Callable[[], None]) -> None:
        """Do a step unless an earlier one has settled the matter; a scorer that fails settles it."""
        if self.reason is None and not self.breaches:
            try:
                step()
            except JobFailed as error:
                self.reason = str(error)

    # --- steps

    def reference(self, asked: Asked) -> None:
        """Score the true text where nothing was asked before, and then again."""
        self.scores = self._ask(asked, self.true[None], self.last)[0]
        self.second = self._ask(asked, self.true[None], self.last)[0]
        if np.isinf(self.scores).any():
            at = int(np.isinf(self.scores).argmax())
            raise JobFailed(f"the token at position {at} has a score of {self.scores[at]} nats: there is no score")

    def repeat(self) -> None:
        """The same of other processes: what differs between them is noise, what a second pass changes is memory."""
        passes = [[self.scores, self.second], self._passes(2)]
        if spread([*passes[0], *passes[1]]).max() > TOLERANCE_NATS:
            passes.append(self._passes(2))
        firsts, seconds = zip(*passes, strict=True)
        noise = np.maximum(spread(firsts), spread(seconds))
        remembered = np.min([moved(second, first) for first, second in passes], axis=0)
        self._settle("repeat", "clean", f"{len(passes)} fresh processes give the same scores")
        self._settle("memory", "clean", f"a second pass gives the same scores, in {len(passes)} processes")
        lowest, at = int(self.scores.argmin()), int(remembered.argmax())
        if noise.max() > TOLERANCE_NATS:
            noise = spread([*firsts, *seconds, *self._passes(NOISE_PASSES)])
            self.margin = NOISE_FACTOR * float(noise.max())
            self.sum_margin = max(SUM_TOLERANCE, self.margin)
            text = f"scores of the token at position {int(noise.argmax())} are {noise.max():.3g} nats apart"
            self._settle("repeat", "undecided", f"not deterministic: {text}")
            self._settle("memory", "undecided", "passes differ in any case")
        elif remembered[at] > TOLERANCE_NATS:
            text = f"{self.scores[at]:.6g} nats in the first pass of a process and {self.second[at]:.6g} in the second"
            text = f"the token at position {at} has {text}"
            self._break(_breach("memory", at, self.scores[at], self.second[at], text), float(remembered[at]))
        elif self.scores[lowest] < -TOLERANCE_NATS:
            text = f"the token at position {lowest} has {self.scores[lowest]:.6g} nats: a probability above 1"
            self._break(_breach("normalisation", lowest, 0.0, self.scores[lowest], text), -float(self.scores[lowest]))
        self.noise = float(noise.max())
        for name, worst in (("repeat", self.noise), ("memory", float(remembered.max()))):
            tally = self.tallies[name]
            tally.positions, tally.num_scored, tally.worst = set(range(self.true.size)), 2 * len(passes), worst

    def _passes(self, count: int) -> list[np.ndarray]:
        """Scores of the true text, so many times in one fresh process."""
        with self.fresh() as asked:
            return [self._ask(asked, self.true[None], self.last)[0] for _ in range(count)]

    def probe(self) -> None:
        """Ask all questions, by ascending position, of one process."""
        affordable = max(1, self.effort.sum_rows // min(self.vocab_size, self.effort.sum_rows_max))
        began = time.monotonic()
        with self.fresh() as asked:
            self.can_predict = asked.can_predict
            for question in questions(self.text, self.vocab_size, self.effort, self.rng, sums=not asked.can_predict):
                if sum(suspicion.off > ROUNDING_NATS for suspicion in self.suspicions) >= BREACHES_MAX:
                    break
                self.progress("asking", question.position, self.last)
                log_p = self._predict(asked, question.position) if asked.can_predict else None
                nats = self._question(asked, question)
                if log_p is None:
                    continue
                gap = float(moved(nats[:, question.position], -log_p[question.tokens]).max())
                if gap <= PREDICTION_TOLERANCE_NATS:  # then the sum of what it predicted is the sum
                    self._cover("normalisation", question)
                    continue
                self.gaps.append(gap)
                if len(self.gaps) <= affordable:
                    self._question(asked, self._whole_sum(question.position, question.is_random))
        self.progress("asking", self.last, self.last)
        self.probe_s = time.monotonic() - began
        self._settle("future", "clean", "no score moved when tokens from its own on were replaced")
        if len(self.gaps) > affordable:
            text = f"score is not what predict says at {len(self.gaps)} positions, by up to {max(self.gaps):.3g} nats"
            self._settle("normalisation", "undecided", text)
        elif self.tallies["normalisation"].drawn:
            self._settle("normalisation", "clean", "wherever they were added up, the probabilities sum to 1")
        else:
            total, whole = self.sampled
            text = (
                f"of {self.vocab_size} tokens the probabilities of only {self.effort.sum_rows_max} were added up: to "
                f"{total:.4g} at most, which would make about {whole:.4g} over all. Give the scorer a predict(prefix), "
                "which shows its whole distribution"
            )
            self._settle("normalisation", "undecided", text)

    def add_up(self) -> None:
        """Whole sums at further positions, while there is time: rounds of more and more, each of a fresh process.

        A round is drawn before it is asked and counts as a whole, so that the clock chooses how many positions are
        settled, and never which.
        """
        tally = self.tallies["normalisation"]
        left = sorted(self.tallies["future"].drawn - tally.drawn)
        if tally.outcome != "clean" or self.can_predict or self.suspicions or self.effort.sum_seconds <= 0:
            return
        left = self.rng.permutation(left).tolist()
        most = max(1, ROUND_BYTES // (8 * self.vocab_size * self.true.size))
        deadline = time.monotonic() + self.effort.sum_seconds
        while left and not self.suspicions:
            affordable = int((deadline - time.monotonic()) / self._sum_time())
            if affordable < 1:
                break
            now, left = left[: min(most, affordable)], left[min(most, affordable) :]
            self.history = []
            with self.fresh() as asked:
                for position in sorted(now):
                    self._question(asked, self._whole_sum(position, is_random=True))
            self.progress("adding up", len(tally.drawn), len(tally.drawn) + len(left))

    def _whole_sum(self, position: int, is_random: bool) -> Question:
        return whole_sum(self.text, position, self.vocab_size, self.effort, self.rng, is_random)

    def _sum_time(self) -> float:
        """Seconds that another whole sum takes."""
        return max(1e-6, float(np.mean(self.sum_times[-8:]))) if self.sum_times else 1.0

    def confirm(self) -> None:
        """Ask about the suspicions again; they stand if the one that is asked first, without a past, is seen again.

        The last one is tried first: the longer the prefix, the more of it a look at the future has changed.
        """
        large = [suspicion for suspicion in self.suspicions if suspicion.off > ROUNDING_NATS] or self.suspicions
        for order in (large[::-1], large)[: len(large)]:
            shown = self._shown(order)
            if shown[0]:
                for suspicion in sorted(itertools.compress(order, shown), key=_rank):
                    self._break(suspicion.breach, suspicion.off)
                return
        if large:
            self._blame_memory(large[0])

    def _shown(self, suspicions: Sequence[_Suspicion]) -> list[bool]:
        """Whether a fresh process, asked in this order, deviates as was seen; or else, whether two of them agree."""
        seen, once = [suspicion.off for suspicion in suspicions], self._told(suspicions)
        if not _same(once[0], seen[0], suspicions[0].margin):
            seen = self._told(suspicions)
        return [
            min(first, second) > suspicion.margin and _same(first, second, suspicion.margin)
            for suspicion, first, second in zip(suspicions, once, seen, strict=True)
        ]

    def _told(self, suspicions: Sequence[_Suspicion]) -> list[float]:
        with self.fresh() as asked:
            return [suspicion.again(asked) for suspicion in suspicions]

    def control(self) -> None:
        """Ask for some of the answers again, each of a process that was asked nothing else."""
        for sample in self.samples:
            if self.tallies["memory"].outcome == "clean":
                self._compare_cold(*sample)

    def _compare_cold(self, tokens: np.ndarray, answer: np.ndarray, before: list[np.ndarray]) -> None:
        def known(asked: Asked) -> np.ndarray:
            return self._ask(asked, tokens[None], answer.size - 1)[0, : answer.size]

        with self.fresh() as asked:
            cold = known(asked)
        self.tallies["memory"].num_scored += 1
        off = moved(answer, cold)
        if off.max() > self.margin:  # the cold answer may be the one that is wrong once in a while
            with self.fresh() as asked:
                off = np.minimum(off, moved(answer, known(asked)))
        if off.max() > self.margin:
            at = int(off.argmax())
            text = f"the token at position {at} has {answer[at]:.6g} nats instead of {cold[at]:.6g}"
            breach = _breach("memory", at, cold[at], answer[at], text)

            def again(other: Asked) -> float:
                return float(moved(known(other), cold).max())

            self._blame_memory(_Suspicion(breach, float(off.max()), again, self.margin, before))

    def conclude(self, target: str, seed: int, wall_time_s: float) -> Audit:
        """What all steps add up to."""
        probes = [self._probe(name) for name in get_args(ProbeName)]
        undecided = [probe.text for probe in probes if probe.outcome == "undecided"]
        verdict: AuditVerdict = "causal"
        if self.breaches:
            verdict, reason = "violation", self.breaches[0].text
        elif self.reason or undecided:
            verdict, reason = "inconclusive", self.reason or undecided[0]
        else:
            reason = "no score moved that may not, and every sum is 1"
        hidden = self._hidden_gain() if verdict == "causal" else None
        if hidden is not None:
            reason += f"; at most {hidden:.2g} nats per token could have been gained unseen"
        scored = self.scores[1:]
        return Audit(
            target=target,
            verdict=verdict,
            reason=reason,
            breaches=self.breaches,
            probes=probes,
            text=self.text.origin,
            num_tokens=self.true.size,
            vocab_size=self.vocab_size,
            seed=seed,
            nats_per_token=float(scored.mean()) if scored.size and np.isfinite(scored).all() else None,
            noise_nats=self.noise if self.noise is not None and math.isfinite(self.noise) else None,
            hidden_gain_nats=hidden,
            confinement=[],
            unconfined=[],
            wall_time_s=wall_time_s,
            notes=self._notes(verdict, hidden),
        )

    # --- asking

    def _ask(self, asked: Asked, rows: np.ndarray, upto: int) -> np.ndarray:
        """(B, T) token ids to (B, T) nats, 0 for a first token that is not scored.

        Raises:
            JobFailed: the scorer failed, or a score up to position `upto` is not a number.
        """
        nats = asked.score(rows)
        if nats.shape[1] < rows.shape[1]:
            nats = np.pad(nats, ((0, 0), (1, 0)))
        wrong = np.isnan(nats[:, : upto + 1]).any(axis=0)
        if wrong.any():
            raise JobFailed(f"the score of the token at position {int(wrong.argmax())} is not a number")
        return nats

    def _question(self, asked: Asked, question: Question) -> np.ndarray:
        """Ask, and note what is suspicious about the answer: (B, T) nats."""
        began = time.monotonic()
        nats = self._ask(asked, question.rows, question.position)
        if question.covers != "few":
            self.sum_times.append(time.monotonic() - began)
        self._look_at_past(question, nats)
        self._look_at_sum(question, nats)
        row = int(self.rng.integers(len(nats)))
        self.num_asked += 1
        place = int(self.rng.integers(self.num_asked)) if self.num_asked > self.effort.controls else self.num_asked - 1
        if place < self.effort.controls:  # each question is as likely to be among those that are kept
            known = nats[row, : question.position + 1].copy()
            self.samples[place : place + 1] = [(question.rows[row], known, [*self.history, question.rows[:row]])]
        self.history.append(question.rows)
        return nats

    def _predict(self, asked: Asked, position: int) -> np.ndarray:
        """(V,) log-probabilities at a position, from the true prefix alone, suspicious unless they sum to 1."""

        def log_p(other: Asked) -> np.ndarray:
            given = other.predict(self.true[:position])
            if np.isnan(given).any():
                raise JobFailed(f"a log-probability predicted after {position} tokens is not a number")
            return given

        given = log_p(asked)
        self._weigh(
            position,
            f"predicted after {position} tokens",
            sum_of(-given),
            is_whole=True,
            again=lambda other: sum_of(-log_p(other)),
        )
        return given

    def _look_at_past(self, question: Question, nats: np.ndarray) -> None:
        """Scores before the position, and at it where the true token stands there, are those of the true text."""
        k, tally = question.position, self.tallies["future"]
        off = moved(nats[:, : k + 1], self.scores[: k + 1])
        off[question.tokens != self.true[k], k] = 0.0
        row, at = divmod(int(off.argmax()), k + 1)
        tally.num_scored += len(nats)
        tally.worst = max(tally.worst, float(off.max()))
        self._cover("future", question)
        if off.max() <= self.margin:
            return
        tokens, same = question.rows[row], k + int(question.tokens[row] == self.true[k])

        def again(other: Asked) -> float:
            return float(moved(self._ask(other, tokens[None], same - 1)[0, :same], self.scores[:same]).max())

        text = f"from {self.scores[at]:.6g} to {nats[row, at]:.6g} nats when tokens from position {same} on changed"
        breach = _breach("future", at, self.scores[at], nats[row, at], f"the token at position {at} went {text}")
        before = [*self.history, question.rows[:row]]
        self._suspect(_Suspicion(breach, float(off.max()), again, self.margin, before))

    def _look_at_sum(self, question: Question, nats: np.ndarray) -> None:
        """The probabilities of all tokens sum to 1, and those of some to no more."""
        k, is_whole = question.position, question.covers == "all"
        if question.covers != "few":
            self.tallies["normalisation"].num_scored += len(nats)
            self._cover("normalisation", question)
        total = sum_of(nats[:, k])
        if question.covers == "sample":
            self.sampled = max(self.sampled, (total, sum_of(nats[:, k] - np.log(question.stands_for))))
        self._weigh(
            k,
            f"of {'all' if is_whole else f'{len(nats)} of'} {self.vocab_size} tokens at position {k}",
            total,
            is_whole=is_whole,
            again=lambda other: sum_of(self._ask(other, question.rows, k)[:, k]),
        )

    def _weigh(
        self,
        position: int,
        which: str,
        total: float,
        *,
        is_whole: bool,
        again: Callable[[Asked], float],
    ) -> None:
        """Note a sum of probabilities; `again` asks another process for it."""

        def excess(total: float) -> float:
            return abs(total - 1) if is_whole else max(0.0, total - 1)

        tally, off = self.tallies["normalisation"], excess(total)
        tally.worst = max(tally.worst, off)
        if off > self.sum_margin:
            text = f"the probabilities {which} sum to {total:.6g}"
            if total < 1:
                text += (
                    ": that only costs the scorer, and is no distribution. Renormalise, or is it another --vocab-size?"
                )
            breach = _breach("normalisation", position, 1.0, total, text)
            history = list(self.history)
            self._suspect(_Suspicion(breach, off, lambda other: excess(again(other)), self.sum_margin, history))

    def _suspect(self, suspicion: _Suspicion) -> None:
        """Remember a suspicion; of those that rounding could explain, a few."""
        small = [known for known in self.suspicions if known.off <= ROUNDING_NATS]
        if suspicion.off > ROUNDING_NATS or len(small) < BREACHES_MAX:
            self.suspicions.append(suspicion)

    # --- concluding

    def _cover(self, name: ProbeName, question: Question) -> None:
        tally = self.tallies[name]
        tally.positions.add(question.position)
        if question.is_random and (name == "future" or question.covers != "sample"):
            tally.drawn.add(question.position)

    def _settle(self, name: ProbeName, outcome: ProbeOutcome, text: str) -> None:
        """Say what a probe came to; nothing is clean under noise."""
        if outcome == "clean" and self.margin > TOLERANCE_NATS:
            outcome, text = (
                "undecided",
                f"nothing deviates by more than {self.margin:.3g} nats, {NOISE_FACTOR} × the noise",
            )
        self.tallies[name].outcome, self.tallies[name].text = outcome, text

    def _break(self, breach: Breach, off: float) -> None:
        """A deviation that was seen again: a breach, unless rounding explains one of this size."""
        if off <= ROUNDING_NATS:
            self._settle(breach.probe, "undecided", f"{breach.text}: rounding, or very little of a violation")
            return
        self.breaches.append(breach)
        if self.tallies[breach.probe].outcome != "violated":
            self._settle(breach.probe, "violated", breach.text)

    def _blame_memory(self, suspicion: _Suspicion) -> None:
        """Something deviates where more was asked before: because of that, if asking the same again shows it again."""
        with self.fresh() as asked:
            for rows in suspicion.before:
                if len(rows):
                    asked.score(rows)
            remembers = _same(suspicion.again(asked), suspicion.off, suspicion.margin)
        if remembers:
            text = f"{suspicion.breach.text}; only in a process that has scored similar text before"
            self._break(suspicion.breach.model_copy(update={"probe": "memory", "text": text}), suspicion.off)
        else:
            text = f"not reproducible: {suspicion.breach.text}, once and not again"
            self._settle(suspicion.breach.probe, "undecided", text)

    def _probe(self, name: ProbeName) -> Probe:
        tally = self.tallies[name]
        is_sampled = name in ("future", "normalisation") and tally.outcome == "clean" and tally.drawn
        return Probe(
            name=name,
            outcome=tally.outcome,
            text=tally.text,
            num_positions=len(tally.positions),
            num_scored=tally.num_scored,
            worst=tally.worst if tally.positions and math.isfinite(tally.worst) else None,
            tolerance=SUM_TOLERANCE if name == "normalisation" else TOLERANCE_NATS,
            share_max=share_max(len(tally.drawn)) if is_sampled else None,
        )

    def _settled(self) -> int:
        """Positions drawn where a score was seen to rest on the past alone and on a whole distribution."""
        return len(self.tallies["future"].drawn & self.tallies["normalisation"].drawn)

    def _hidden_gain(self) -> float | None:
        """Nats per token: ln V at every position that may be in violation, and what the tolerances let pass."""
        if not self._settled():
            return None
        return share_max(self._settled()) * math.log(self.vocab_size) + TOLERANCE_NATS + SUM_TOLERANCE

    def _notes(self, verdict: AuditVerdict, hidden: float | None) -> list[str]:
        notes = []
        if self.gaps:
            notes.append(
                f"predict and score differ by up to {max(self.gaps):.3g} nats: a certificate would be of another score"
            )
        if verdict == "causal" and hidden is not None:
            notes.append(self._advice())
        if self.effort.num_positions > self.last:
            notes.append(
                f"{self.effort.num_positions} positions were asked for, and {self.true.size} tokens have {self.last} "
                f"that can be asked about: --tokens {self.effort.num_positions + 1}"
            )
        return notes

    def _advice(self) -> str:
        """What it takes to see every gain that makes a record."""
        needed = positions_needed(RECORD_NATS, self.vocab_size)
        if self.can_predict:
            each_s = self.probe_s / max(1, len(self.tallies["future"].positions))
        else:
            each_s = self._sum_time()
        seconds = math.ceil(each_s * needed * (needed + 1) / self.true.size)
        spend = "" if self.can_predict else f" --sum-time {seconds}"
        spend += f" --time-limit {2 * seconds}" if seconds > 600 else ""
        return (
            f"{self._settled()} of {len(self.tallies['future'].drawn)} positions drawn were settled; to see every gain "
            f"of {RECORD_NATS} nats per token takes {needed}: --tokens {needed + 1} --positions {needed}{spend}, about "
            f"{seconds} s here; a certificate sees any"
        )


def share_max(num_clean: int) -> float:
    """Upper bound, at 95 % confidence, on the share of positions with a violation after so many drawn without one."""
    return 1 - (1 - CONFIDENCE) ** (1 / num_clean)


def positions_needed(gain_nats: float, vocab_size: int) -> int:
    """Clean positions after which a gain of so many nats per token could no longer have stayed unseen."""
    share = min(1.0, gain_nats / math.log(vocab_size))
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-share)) if share < 1 else 1


def moved(nats: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """How far scores are from others, in nats; 0 where both are the same infinity."""
    with np.errstate(invalid="ignore"):
        off = np.abs(nats - reference)
    return np.where(nats == reference, 0.0, np.nan_to_num(off, nan=np.inf, posinf=np.inf))


def spread(passes: Sequence[np.ndarray]) -> np.ndarray:
    """How far apart several scores of the same tokens are, in nats."""
    return moved(np.max(passes, axis=0), np.min(passes, axis=0))


def _rank(suspicion: _Suspicion) -> tuple[int, int]:
    """What looks ahead is told before what does not add up: its sums are off as well."""
    return get_args(ProbeName).index(suspicion.breach.probe), suspicion.breach.position


def _same(once: float, twice: float, margin: float) -> bool:
    return float(moved(np.array(once), np.array(twice))) <= margin


def sum_of(nats: np.ndarray) -> float:
    """The sum of the probabilities that nats stand for."""
    with np.errstate(over="ignore"):
        return float(np.exp(-nats).sum())


def _breach(probe: ProbeName, position: int, expected: float, found: float, text: str) -> Breach:
    found = float(found)
    return Breach(
        probe=probe,
        position=int(position),
        expected=float(expected),
        found=found if math.isfinite(found) else None,
        text=text,
    )
