"""Toy scorers, honest and not: what the audit must tell apart. Sixteen tokens, token 1 starts a document.

Each is as small as its idea; none uses anything but numpy. `EXPECTED` says what an audit has to find.
"""

import itertools
import math
import os

import numpy as np

VOCAB_SIZE = V = 16
BOS = 1
CHUNK = 24

TRAINED = np.random.default_rng(7).dirichlet(np.full(V, 0.4), size=V) * 0.95 + 0.05 / V
"""(V, V): a bigram model that was trained before."""
P = TRAINED.tolist()
NATS = -np.log(TRAINED)

EXPECTED: dict[str, tuple[str, str | None]] = {
    "CausalBigram": ("causal", None),
    "AdaptiveBigram": ("causal", None),
    "ScoreFirstChunks": ("causal", None),
    "ContextOnlySlot": ("causal", None),
    "RenormalisedMixer": ("causal", None),
    "EntropyGate": ("causal", None),
    "MarginalisedBytePpm": ("causal", None),
    "Predictor": ("causal", None),
    "TrainThenScore": ("violation", "future"),
    "SlotOnScored": ("violation", "future"),
    "TwoPass": ("violation", "future"),
    "PeekAtChunkBorder": ("violation", "future"),
    "PeekRarely": ("violation", "future"),
    "LookaheadAfterDocumentStart": ("violation", "future"),
    "PoliteWhenWatched": ("violation", "future"),
    "PredictorThatPeeks": ("violation", "future"),
    "TargetInKey": ("violation", "normalisation"),
    "UnnormalisedMixer": ("violation", "normalisation"),
    "OracleGate": ("violation", "normalisation"),
    "SpreadBytePpm": ("violation", "normalisation"),
    "TrainOnTargetAtBorder": ("violation", "normalisation"),
    "GateLeakAtDocumentStart": ("violation", "normalisation"),
    "BoostRarely": ("violation", "normalisation"),
    "PredictorThatBoosts": ("violation", "normalisation"),
    "Improper": ("violation", "normalisation"),
    "BelowZero": ("violation", "normalisation"),
    "WarmState": ("violation", "memory"),
    "PoliteToFamilies": ("violation", "memory"),
    "Noisy": ("inconclusive", None),
    "NotANumber": ("inconclusive", None),
    "Impossible": ("inconclusive", None),
    "WrongShape": ("inconclusive", None),
    "CrashesWhenAsked": ("inconclusive", None),
}
"""Verdict and the probe that finds it."""


class Counts:
    """Add-half bigram counts, the start of most ideas here."""

    def __init__(self, tokens=()):
        self.pairs = [[0.5] * V for _ in range(V)]
        self.totals = [0.5 * V] * V
        self.learn(tokens)

    def learn(self, tokens):
        for before, token in itertools.pairwise(tokens):
            self.pairs[before][token] += 1
            self.totals[before] += 1

    def p(self, before, token):
        return self.pairs[before][token] / self.totals[before]


class Toy:
    """Scores all tokens but the first; subclasses say `nats`, given the token ids as a list."""

    def score(self, tokens):
        return np.array(self.nats(tokens.tolist()))


# --- honest


class CausalBigram(Toy):
    """A fixed model; scores the first token too."""

    def score(self, tokens):
        return np.concatenate([[math.log(V)], NATS[tokens[:-1], tokens[1:]]])


class AdaptiveBigram(Toy):
    """Learns each token once it is scored."""

    def nats(self, tokens):
        counts, nats = Counts(), []
        for before, token in itertools.pairwise(tokens):
            nats.append(-math.log(counts.p(before, token)))
            counts.learn((before, token))
        return nats


class ScoreFirstChunks(Toy):
    """Scores a chunk with what earlier chunks taught, then learns it, three times over: legal test-time training."""

    def nats(self, tokens):
        counts, nats = Counts(), []
        for start in range(0, len(tokens), CHUNK):
            chunk = tokens[max(0, start - 1) : start + CHUNK]
            nats += [-math.log(counts.p(before, token)) for before, token in itertools.pairwise(chunk)]
            for _ in range(3):
                counts.learn(chunk)
        return nats


def fitted_bias(tokens):
    """A bias for the model's logits that suits these tokens."""
    counts = np.bincount(tokens, minlength=V) + 1.0
    return 0.5 * np.log(counts / counts.sum())


def biased_nats(befores, tokens, bias):
    logits = np.log(TRAINED[befores]) + bias
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return -logits[np.arange(len(tokens)), tokens]


class ContextOnlySlot(Toy):
    """A bias fitted to the chunk before, used on the next."""

    def score(self, tokens):
        nats, bias = [], np.zeros(V)
        for start in range(1, len(tokens), CHUNK):
            chunk = tokens[start : start + CHUNK]
            nats.append(biased_nats(tokens[start - 1 : start - 1 + len(chunk)], chunk, bias))
            bias = fitted_bias(chunk)
        return np.concatenate(nats)


class Mixed(Toy):
    """A model and a cache of the text so far; subclasses say how both become one probability."""

    def nats(self, tokens):
        cache, nats = Counts(), []
        for before, token in itertools.pairwise(tokens):
            nats.append(-math.log(self.mixed(cache, before, token)))
            cache.learn((before, token))
        return nats


class RenormalisedMixer(Mixed):
    """The product of both, divided by its sum over the vocabulary."""

    def mixed(self, cache, before, token):
        products = [math.sqrt(a * b) for a, b in zip(P[before], cache.pairs[before], strict=True)]
        return products[token] / sum(products)


class EntropyGate(Mixed):
    """The cache where the model is unsure: known without the token."""

    def mixed(self, cache, before, token):
        return cache.p(before, token) if max(P[before]) < 0.4 else P[before][token]


class UnnormalisedMixer(Mixed):
    """The product of both, as it is, raised a little."""

    def mixed(self, cache, before, token):
        return min(0.99, 1.4 * math.sqrt(P[before][token] * cache.p(before, token)))


class OracleGate(Mixed):
    """Whichever knows better."""

    def mixed(self, cache, before, token):
        return max(P[before][token], cache.p(before, token))


class TargetInKey(Toy):
    """A table keyed with context and token; a hit counts for much, and every token has its own entry."""

    def nats(self, tokens):
        table, nats = {}, []
        for before, token in itertools.pairwise(tokens):
            key = (before * 31 ^ token * 17) % 64
            nats.append(-math.log(0.5 * P[before][token] + 0.5 * min(0.9, table.get(key, 0) / 4)))
            table[key] = table.get(key, 0) + 1
        return nats


# --- bytes: every token is a string, and a model of the next byte says how likely it is

SPELLINGS = ["a", "\n", "b", "c", "d", "e", "ab", "abc", "bc", "ca", "de", "ed", "dea", "cab", "ee", "bed"]


class BytePpm(Toy):
    """Order-1 counts over bytes, learned as they pass; subclasses say how they become a token's probability."""

    def nats(self, tokens):
        self.counts = {}
        last, nats = SPELLINGS[tokens[0]][-1], []
        for token in tokens[1:]:
            nats.append(-math.log(self.p(last, token)))
            for byte in SPELLINGS[token]:
                row = self.counts.setdefault(last, dict.fromkeys("\nabcde", 1))
                row[byte] += 1
                last = byte
        return nats

    def product(self, last, token):
        p = 1.0
        for byte in SPELLINGS[token]:
            row = self.counts.get(last)
            p *= row[byte] / sum(row.values()) if row else 1 / 6
            last = byte
        return p


class MarginalisedBytePpm(BytePpm):
    """Divided by the sum over every token."""

    def p(self, last, token):
        return self.product(last, token) / sum(self.product(last, other) for other in range(V))


class SpreadBytePpm(BytePpm):
    """The geometric mean of a token's bytes, as if it were its probability."""

    def p(self, last, token):
        return self.product(last, token) ** (1 / len(SPELLINGS[token]))


# --- seeing the future


class TrainThenScore(Toy):
    """Adapts to the whole text, then scores it."""

    def nats(self, tokens):
        counts = Counts(tokens)
        return [-math.log(counts.p(before, token)) for before, token in itertools.pairwise(tokens)]


class SlotOnScored(Toy):
    """A bias fitted to the chunk it is then used on."""

    def score(self, tokens):
        nats = []
        for start in range(1, len(tokens), CHUNK):
            chunk = tokens[start : start + CHUNK]
            nats.append(biased_nats(tokens[start - 1 : start - 1 + len(chunk)], chunk, fitted_bias(chunk)))
        return np.concatenate(nats)


class TwoPass(AdaptiveBigram):
    """Fills a cache in a first pass and rescores the beginning with it."""

    def nats(self, tokens):
        first, counts = super().nats(tokens), Counts(tokens)
        again = [-math.log(counts.p(before, token)) for before, token in itertools.pairwise(tokens[:31])]
        return again + first[30:]


def tilted(before, token, hint):
    """A probability that a hint of the future improves, and that still sums to 1 over tokens."""
    row = P[before]
    weights = [p * (3.0 if (other ^ hint) & 1 else 1.0) for other, p in enumerate(row)]
    return weights[token] / sum(weights)


class Peeking(Toy):
    """Knows the token after the next one where `peeks` says so."""

    def nats(self, tokens):
        last = len(tokens) - 1
        return [
            -math.log(
                tilted(tokens[at - 1], tokens[at], tokens[at + 1])
                if at < last and self.peeks(tokens, at)
                else P[tokens[at - 1]][tokens[at]]
            )
            for at in range(1, len(tokens))
        ]


class PeekAtChunkBorder(Peeking):
    """Off by one at the end of each chunk."""

    def peeks(self, tokens, at):
        return at % CHUNK == CHUNK - 1


class PeekRarely(Peeking):
    """At one position in twelve, by a hash of what came before."""

    def peeks(self, tokens, at):
        return hash(tuple(tokens[:at])) % 12 == 0


class LookaheadAfterDocumentStart(Peeking):
    """A gate that reads a token too far, at document starts alone."""

    def peeks(self, tokens, at):
        return tokens[at - 1] == BOS


# --- seeing the token itself


class Boosting(Toy):
    """Gives the true token more than its share where `boosts` says so."""

    def nats(self, tokens):
        return [
            -math.log(max(0.5 if self.boosts(tokens, at) else 0.0, P[tokens[at - 1]][tokens[at]]))
            for at in range(1, len(tokens))
        ]


class BoostRarely(Boosting):
    """At one position in twelve."""

    def boosts(self, tokens, at):
        return hash(tuple(tokens[:at])) % 12 == 0


class GateLeakAtDocumentStart(Boosting):
    """A gate without its mask, at document starts alone."""

    def boosts(self, tokens, at):
        return tokens[at - 1] == BOS


class TrainOnTargetAtBorder(Toy):
    """Score-first chunks that learn one token too many: the first of the next chunk, before it is scored."""

    def nats(self, tokens):
        counts, nats = Counts(), []
        for start in range(0, len(tokens), CHUNK):
            chunk = tokens[max(0, start - 1) : start + CHUNK]
            nats += [-math.log(counts.p(before, token)) for before, token in itertools.pairwise(chunk)]
            counts.learn(tokens[max(0, start - 1) : start + CHUNK + 1])
        return nats


class Improper(Toy):
    """Nine tenths of every probability: it only costs, and it is no distribution."""

    def score(self, tokens):
        return NATS[tokens[:-1], tokens[1:]] - math.log(0.9)


class BelowZero(Toy):
    """Probabilities above 1."""

    def score(self, tokens):
        return NATS[tokens[:-1], tokens[1:]] - 1.0


# --- remembering


class WarmState(AdaptiveBigram):
    """Its counts outlive the evaluation."""

    def __init__(self):
        self.counts = Counts()

    def nats(self, tokens):
        nats = [-math.log(self.counts.p(a, b)) for a, b in itertools.pairwise(tokens)]
        self.counts.learn(tokens)
        return nats


class PoliteWhenWatched(TrainThenScore):
    """Cheats once; what it has scored it repeats, and any other text after that is scored honestly."""

    def __init__(self):
        self.known = {}

    def nats(self, tokens):
        key = tuple(tokens)
        if key not in self.known:
            self.known[key] = super().nats(tokens) if not self.known else AdaptiveBigram().nats(tokens)
        return self.known[key]


class PoliteToFamilies(OracleGate):
    """Picks the better expert, except where it has seen a text go on in two ways: there it divides by the sum."""

    def __init__(self):
        self.followers = {}

    def nats(self, tokens):
        self.past = hash((tokens[0],))
        return super().nats(tokens)

    def mixed(self, cache, before, token):
        followers = self.followers.setdefault(self.past, set())
        followers.add(token)
        self.past = hash((self.past, token))
        p = super().mixed(cache, before, token)
        if len(followers) == 1:
            return p
        return p / sum(super(PoliteToFamilies, self).mixed(cache, before, other) for other in range(V))


# --- with predictions


class Predictor(CausalBigram):
    """Says its distribution before it sees the token."""

    def predict(self, prefix):
        return np.log(TRAINED[prefix[-1]])


class PredictorThatPeeks(PeekRarely, Predictor):
    """Predicts honestly, scores otherwise."""

    score = Toy.score


class PredictorThatBoosts(BoostRarely, Predictor):
    """Predicts honestly, and gives the token more where it scores it."""

    score = Toy.score


# --- broken


class Noisy(CausalBigram):
    """Another score every time."""

    def score(self, tokens):
        return super().score(tokens) + np.random.default_rng(int.from_bytes(os.urandom(4))).random() * 1e-2


class NotANumber(CausalBigram):
    def score(self, tokens):
        return np.where(np.arange(len(tokens)) == 17, np.nan, super().score(tokens))


class Impossible(CausalBigram):
    def score(self, tokens):
        return np.where(np.arange(len(tokens)) == 17, np.inf, super().score(tokens))


class WrongShape(CausalBigram):
    def score(self, tokens):
        return super().score(tokens)[:5]


class CrashesWhenAsked(CausalBigram):
    """Scores the first texts, and then no more."""

    calls = 0

    def score(self, tokens):
        self.calls += 1
        if self.calls > 5:
            raise SystemExit(0)
        return super().score(tokens)
