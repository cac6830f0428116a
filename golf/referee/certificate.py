"""Text through a scorer into bits and back: the proof of a score that cannot be argued with.

A score in bits per byte is the length of a code. Here the code is written: an entropy coder turns the tokens into bits
with the scorer's distribution at each position, and a fresh process turns the bits back with nothing but the scorer.
A scorer that saw what it should not have seen says something else when only the past is there, and the text comes
back wrong. One whose probabilities sum to more than one has no code at all (Kraft's inequality).

The model's arithmetic is the difficulty: encoder and decoder must compute the very same floats. Both take the same
steps on one thread; what still differs is told apart from cheating by encoding twice, and refused.
"""

import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from golf.errors import RuleBroken, UnreadableInput
from golf.referee import coding
from golf.referee.exchange import Remote
from golf.rulings import Certificate

Fresh = Callable[[], Any]
"""Starts a process with the scorer: a context manager of a `Remote`."""

SLACK = 0.001
"""How far the predictions may fall short of the score, as a share: float32 rounds the same sums to 1e-5."""

Progress = Callable[[str, int, int, str], None]
"""Called with `encoding` or `decoding`, the steps done, the steps to do, and about how long all of it takes."""

_TRIED_S, _TRIED_SHARE = 5.0, 0.05
"""Encoding so far, before it is told how long all of it takes."""


def certify(
    fresh: Fresh,
    tokens: np.ndarray,
    wanted: int,
    count_bytes: Callable[[np.ndarray], int],
    *,
    target: str,
    claimed_bpb: float | None = None,
    settings: Sequence[str] = (),
    time_limit_s: float = math.inf,
    progress: Progress = lambda what, done, total, note: None,
) -> Certificate:
    """Send the beginning of a text through a scorer and back.

    Args:
        fresh: Starts a process with the scorer that can read neither the text nor anything another one wrote.
        tokens: (T,) ids of the text that there is.
        wanted: How many of them to certify; rounded to whole windows where the scorer lets a stream be cut.
        count_bytes: Bytes that the tokens after the first stand for.
        target: What the scorer is called.
        claimed_bpb: What is claimed for the whole split, bits per byte.
        settings: What makes the arithmetic repeatable.
        time_limit_s: What would clearly take longer is not begun, or given up early.
        progress: For whoever waits.

    Raises:
        UnreadableInput: the scorer gives no distributions, or none that repeat; the text is none; it would take too
            long.
        GolfError: as the scorer's process.
    """
    begin = time.monotonic()
    with fresh() as writer:
        lanes = coding.cut(wanted, tokens.size, writer.period)
        tokens = tokens[: lanes.num_tokens]
        num_bytes = count_bytes(tokens)
        if not num_bytes:
            raise UnreadableInput(f"{tokens.size} tokens of the text stand for 0 bytes: there is nothing to certify")
        scored = float(writer.score(tokens[None])[0, 1 - tokens.size :].sum())
        clock = _Clock(time_limit_s, num_bytes, progress)
        told: dict[str, Any] = {
            "target": target,
            "claimed_bpb": claimed_bpb,
            "scored_bpb": scored / math.log(2) / num_bytes,
            "text_bytes": num_bytes,
            "num_tokens": tokens.size,
            "settings": [*settings, *_side_by_side(lanes)],
            "certified_bpb": None,
            "coded_bytes": None,
            "first_difference": None,
        }

        def certificate(verdict: str, reason: str, **found: Any) -> Certificate:
            facts = {**told, **found, "verdict": verdict, "reason": reason, "elapsed_s": time.monotonic() - begin}
            return Certificate.model_validate(facts)

        try:
            encoded = _encode(writer, tokens, lanes, clock.report)
        except RuleBroken as error:
            return certificate("no_code", str(error))
    coded_bytes = math.ceil(encoded.num_bits / 8)
    with fresh() as reader:
        difference, why = _read_back(reader, tokens, lanes, encoded, clock.report)
    if difference is None:
        is_true = encoded.nats <= scored * (1 + SLACK)
        reason = f"{num_bytes} bytes of text came back whole from {coded_bytes} bytes"
        if not is_true:
            reason += f", and its score says {scored / math.log(2) / 8:.0f}: it scores otherwise than it predicts"
        return certificate(
            "certified" if is_true else "refuted",
            reason,
            certified_bpb=encoded.num_bits / num_bytes,
            coded_bytes=coded_bytes,
        )
    with fresh() as again:
        is_repeated = np.array_equal(_encode(again, tokens, lanes).words, encoded.words)
    if not is_repeated:
        with fresh() as again:  # as the first one, whose first question was the whole text
            again.score(tokens[None])
            is_state = np.array_equal(_encode(again, tokens, lanes).words, encoded.words)
        if not is_state:
            raise UnreadableInput(
                "two fresh processes encode the same text differently: the scorer's arithmetic does not repeat, so "
                "nothing can be certified. Let it run on one CPU thread in float32, with fixed seeds and no timing"
            )
        reason = (
            "the scorer remembers what it was asked: a fresh process, which has not scored the text, says something "
        )
        reason += f"else from token {difference} on{why}"
        return certificate("not_decoded", reason, coded_bytes=coded_bytes, first_difference=difference)
    reason = f"with nothing but the past, the scorer says something else from token {difference} on{why}"
    return certificate("not_decoded", reason, coded_bytes=coded_bytes, first_difference=difference)


class _Clock:
    """How long it takes: told once it can be, and a reason to give up when it is far more than there is."""

    def __init__(self, limit_s: float, num_bytes: int, progress: Progress) -> None:
        self._limit_s, self._num_bytes, self._progress = limit_s, num_bytes, progress
        self._begin = time.monotonic()
        self._note = ""

    def _expect(self, seconds: float) -> None:
        if seconds > 2 * self._limit_s:
            some = max(64, int(self._num_bytes * math.sqrt(self._limit_s / seconds) / 2))
            raise UnreadableInput(
                f"{self._num_bytes} bytes of text would take about {seconds:.0f} s there and back, over the limit of "
                f"{self._limit_s:g} s: take less (--text-bytes {some}), raise --time-limit, or give the scorer a "
                "predict(prefix)"
            )
        self._note = f"about {seconds:.0f} s in all"

    def report(self, what: str, done: int, total: int) -> None:
        """A step is done, and from the first ones follows how long all of them take.

        Raises:
            UnreadableInput: over twice as long as there is time.
        """
        spent, share = time.monotonic() - self._begin, done / total
        if not self._note and what == "encoding" and (spent > _TRIED_S or share > _TRIED_SHARE):
            self._expect(2 * spent / share)
        self._progress(what, done, total, self._note)


_Report = Callable[[str, int, int], None]


def _encode(asked: Remote, tokens: np.ndarray, lanes: coding.Lanes, report: _Report | None = None) -> coding.Encoded:
    steps = None if report is None else lambda done, total: report("encoding", done, total)
    return coding.encode(tokens, lanes, _predict(asked, tokens.size, tokens), steps)


def _read_back(
    asked: Remote, tokens: np.ndarray, lanes: coding.Lanes, encoded: coding.Encoded, report: _Report
) -> tuple[int | None, str]:
    """Position of the first token that came back wrong, None when none did; and what the scorer said of its own."""
    try:
        decoded = coding.decode(
            encoded.words,
            encoded.starts,
            lanes,
            _predict(asked, tokens.size),
            lambda done, total: report("decoding", done, total),
        )
    except (RuleBroken, UnreadableInput) as error:  # about a text that is no longer the true one
        return 0, f": {error}"
    differing = np.flatnonzero(tokens != decoded)
    return (int(differing[0]), "") if differing.size else (None, "")


def _predict(asked: Remote, num_tokens: int, known: np.ndarray | None = None) -> coding.Predict:
    """How a scorer predicts; of one that can only score, each token's probability is asked for in turn.

    The scorer then gets whole streams of `num_tokens`: the prefix, the token in question, and what follows. The encoder
    gives `known`, the true stream; a decoder has none, and zeros follow. A legal score cannot tell the two apart.
    """
    if asked.period is not None:
        return asked.predict_many
    if asked.can_predict:
        return lambda prefix: asked.predict(prefix[0])[None]
    stream = np.zeros(num_tokens, dtype=np.int64) if known is None else known.astype(np.int64)
    candidates = np.arange(asked.vocab_size)

    def ask(prefix: np.ndarray) -> np.ndarray:
        position = prefix.shape[1]
        streams = np.tile(stream, (candidates.size, 1))
        streams[:, :position] = prefix[0]
        streams[:, position] = candidates
        return -asked.score(streams)[None, :, position - num_tokens]  # from the end: the first may have no score

    return ask


def _side_by_side(lanes: coding.Lanes) -> list[str]:
    return [f"{lanes.count} lanes of {lanes.length} tokens side by side"] if lanes.count > 1 else []
