"""Whether two ideas are one: said again, paraphrased, or with another knob value.

An idea is a set of weighted concepts. A phrase of the referee's catalogue is a concept (`smear gate`), a phrase of the
field's vocabulary below is one (`learning rate` is `lr`), any other word is one by its stem; numbers are none, they are
knob values. What is surprising: words say *what is done to what*, so a pair whose two sides each name a target that the
other does not (matrix and scalar learning rate, embedding and MLP) is two ideas, however many words they share, and so
is a pair that puts the same thing at two places, or of which one says that it adds something to the other.

Whether two items that were read are one thing is another question (`golf.research.twins`).
"""

import functools
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from golf.referee import techniques

Likeness = Literal["same idea", "paraphrased", "another knob value"]
"""same idea: the same words; another knob value: the same but for numbers; paraphrased: the same said differently."""

TEXT_CHARS_MAX = 600
"""Of an idea's text that is compared: a hypothesis, not its discussion."""

LIKE = 0.38
"""Weighted share of concepts in common (Dice) from which two ideas are one; chosen on the halves that may be learned
from (bench/research_duplicates.py), where 0.32 to 0.42 do much the same."""

VOCABULARY: Mapping[str, tuple[str, ...]] = {
    concept: tuple(phrases.split(", "))
    for concept, phrases in {
        "lr": "learning rate, lr, step size", "weight decay": "weight decay, wd, l 2", "l1": "l 1",
        "warmdown": "warmdown, cooldown, warm down, cool down, lr decay", "warmup": "warmup, warm up",
        "momentum": "momentum, beta 1", "layers": "layers, blocks, depth, deeper, deepen, shallower, num layers",
        "width": "model dim, model width, wider, width, broader, hidden size, d model",
        "mlp": "mlp, feed forward, ffn, feedforward", "vocabulary": "vocabulary, vocab, tokenizer, tokeniser",
        "embedding": "embedding, embedding table, token embedding, embed, model input, input embedding",
        "output head": "output head, lm head, unembedding, output embedding, output projection",
        "logits": "logits, output logits, softmax, output softmax, output distribution",
        "sequence": "sequence length, seq len, sequence, context length, context, train seq len",
        "batch": "batch, batch size, train batch tokens",
        "quantise": "quantise, quantize, qat, fake quantise, fake quant, quantisation aware, bits",
        "evaluate": "evaluation, eval, evaluate, test time", "train": "train on, train at, train with",
        "average": "moving average, averaging, average", "checkpoint": "checkpoint, snapshot",
        "technique:ema": "exponential moving average", "initialise": "init, initialise, initialize, starts at",
        "normalise": "norm, normalise, normalize, rms norm, layer norm",
        "technique:qk_norm": "normalise queries and keys, normalize queries and keys, normalise q and k",
        "half precision": "fp 16, half precision, float 16", "fp8": "fp 8, float 8",
        "compress": "compress, compressor, compressible, entropy coder",
        "share": "share weights, same parameters, loop, recurrence, weight sharing, recurrent",
        "skips": "skip connections, skips, u net, unet, skip weights", "gate": "gate, gating, gated",
        "experts": "experts, moe, mixture of experts", "heads": "heads, num heads",
        "untie": "untie, weight tying, untied, tie, tied, own matrix, separate matrix",
        "technique:gqa": "kv heads, key value heads", "clip": "clip",
        "gradient": "gradient, grad", "window": "window, local", "temperature": "temperature, sharpen",
        "distil": "distil, distill, distillation, teacher",
        "prune": "prune, sparsify, sparsity, zero the smallest, zero out, smallest weights",
        "orthogonalise": "newton schulz, orthogonalise, orthogonalize", "rank": "rank, low rank",
        "query key": "qk, queries and keys, query key, queries keys, q and k", "value": "values, v",
        "no": "no, remove, drop, without, disable, turn off, throw out, throw away, filter, discard, exclude",
        "case": "lower case, lowercase, case, caps, capitals, capitalisation, casefold, upper case, uppercase",
        "marker": "marker, control symbol, control token", "document": "document, doc",
        "perplexity": "perplexity, surprise, surprising", "duplicate": "duplicate, near duplicate, dedup, deduplicate",
        "difficulty": "difficulty, difficult, easy, hard",
        "technique:knn_lm": "nearest neighbours, neighbours, nearest, retrieve",
        "predict ahead": "multi token prediction, next two tokens, future tokens", "parallel": "parallel",
        "smooth": "smooth", "loss": "loss, objective, cross entropy", "late": "late, last, end, final, finish, tail",
        "attention": "attention, attend", "code": "code, script, source",
        "everything": "full weight, all parameters, all weights, whole model", "compile": "compile, pre compile",
        "untimed": "before the clock, timed region, untimed, before timing, outside the timer",
        "fuse": "fuse, merge", "export": "export, ship", "learn": "learn, learnable, trainable",
    }.items()
}  # fmt: skip
"""Concept → what practitioners write for it; compared by the words' stems."""

SAME = {
    "ptq": "quantise", "warmdown": "warmdown", "temperature": "temperature", "mtp": "predict ahead", "moe": "experts",
    "magnitude_pruning": "prune", "distillation": "distil", "unet_skips": "skips", "tied_embeddings": "untie",
    "case_ops": "case", "casefold": "case", "weight_averaging": "average", "torch_compile": "compile",
}  # fmt: skip
"""Technique → the concept of the vocabulary that it is, beside the widths of integers."""

IDLE = frozenset(
    (
        "a", "add", "added", "adding", "after", "ahead", "all", "an", "and", "are", "as", "at", "be", "before",
        "big", "bigger", "by", "change", "changed", "changes", "down", "during", "each", "else", "equal", "every",
        "everything", "fewer", "first", "for", "four", "from", "get", "higher", "in", "increase", "increased",
        "instead", "into", "is", "it", "iteration", "iterations", "its", "keep", "larger", "leave", "less", "longer",
        "lower", "make", "makes", "model", "more", "network", "never", "new", "of", "on", "one", "only", "or",
        "other", "others", "out", "over", "own", "parameter", "per", "raise", "rather", "reduce", "replace",
        "replaced", "replacing", "run", "set", "shorter", "small", "smaller", "so", "step", "stronger", "swap",
        "switch", "than", "that", "the", "this", "three", "through", "to", "token", "train", "training", "tries",
        "try", "two", "up", "use", "used", "uses", "using", "value", "via", "weight", "with",
        "already", "among", "better", "between", "does", "has", "once", "rest", "some", "term", "them", "they", "while",
    )
)  # fmt: skip
"""Words that say nothing about which idea it is; directions of change are knob values."""

SOFT = frozenset(
    (
        "evaluate", "quantise", "compress", "share", "average", "late", "attention", "no", "query key", "value", "loss",
        "predict ahead", "train", "logits", "export", "learn", "everything", "checkpoint", "code", "marker", "untimed",
    )
)  # fmt: skip
"""Concepts that follow from others or name none of a change's parts: on either side alone they part nobody."""

TARGETS = frozenset(
    (
        "attention", "code", "embedding", "evaluate", "everything", "logits", "loss", "mlp", "output head", "skips",
        "train",
    )
)  # fmt: skip
"""Where a change is made: two that each name a place the other does not are two."""

COMBINED = re.compile(r"\b(?:combin\w+|(?:together|along) with|plus|both|on top of|stack\w*)\b|[+&]", re.IGNORECASE)


class Idea(NamedTuple):
    """A text as the concepts it names."""

    words: tuple[str, ...]
    """Its words and numbers, in order."""
    concepts: Mapping[str, float]
    """Concept → weight."""
    within: Mapping[str, str]
    """Concept of words that lie in a technique's phrase → that technique's concept."""
    bound: Mapping[str, str]
    """Concept → the target named right after it: of `Muon for attention`."""
    is_combined: bool
    """Whether it says that several things are done at once."""

    def beside(self, other: "Idea") -> "Idea":
        """Without the words of techniques that both name, however either spells them."""
        kept = {key: weight for key, weight in self.concepts.items() if self.within.get(key) not in other.concepts}
        return self._replace(concepts=kept)


@functools.lru_cache(maxsize=1 << 14)
def idea(text: str) -> Idea:
    """The concepts of a text."""
    text = text[:TEXT_CHARS_MAX].replace("²", " squared ")
    words = tuple(techniques.pieces(text))
    found: dict[str, float] = {}
    within: dict[str, str] = {}
    places: list[tuple[int, str]] = []
    phrase: list[str | None] = [None] * len(words)
    is_taken = [False] * len(words)
    for kind in ("code", "prose"):
        for start, end, id in techniques.phrases(words, kind):
            concept = "quantise" if re.fullmatch(r"int\d", id) else SAME.get(id, f"technique:{id}")
            found[concept] = 2.0
            places.append((start, concept))
            for place in range(start, end):
                phrase[place] = concept
                is_taken[place] |= len(words[place]) < 3 and not words[place][0].isdigit()  # of RoPE, MoE, QK: pieces
    stems = tuple(map(_stem, words))
    for start, end, concept in _phrases_in(stems):
        if not all(is_taken[start:end]):
            found.setdefault(concept, 2.0 if concept.startswith("technique:") else 1.5)
            places.append((start, concept))
            is_taken[start:end] = [True] * (end - start)
            _note(within, concept, phrase[start:end])
    for place, (word, stem) in enumerate(zip(words, stems, strict=True)):
        is_idle = len(word) < 2 or word[0].isdigit() or word in IDLE or stem in IDLE
        if not is_taken[place] and not is_idle:
            found.setdefault(stem, 1.0)
            _note(within, stem, phrase[place : place + 1])
    named = itertools.pairwise(concept for _, concept in sorted(places))
    bound = {concept: target for concept, target in named if target in TARGETS and concept not in TARGETS}
    return Idea(words, found, within, bound, COMBINED.search(text) is not None)


def _note(within: dict[str, str], concept: str, phrases: Sequence[str | None]) -> None:
    if phrases[0] is not None and len(set(phrases)) == 1 and phrases[0] != concept:
        within.setdefault(concept, phrases[0])


def similarity(one: Idea, other: Idea) -> float:
    """Weighted share of concepts in common, 0 to 1 (Dice, 1945)."""
    total = sum(one.concepts.values()) + sum(other.concepts.values())
    shared = one.concepts.keys() & other.concepts.keys()
    return sum(one.concepts[concept] + other.concepts[concept] for concept in shared) / total if total else 0.0


def likeness(a: str, b: str) -> Likeness | None:
    """How two texts are one idea; None when they are two."""
    one, other = idea(a), idea(b)
    if one.words == other.words and one.words:
        return "same idea"
    is_elsewhere = any(other.bound.get(concept, target) != target for concept, target in one.bound.items())
    if is_elsewhere or not one.concepts or not other.concepts:
        return None
    if one.concepts.keys() == other.concepts.keys():
        return "another knob value" if _numbers(one) != _numbers(other) else "paraphrased"
    one, other = one.beside(other), other.beside(one)
    if (_parts(one, other) and _parts(other, one)) or _adds(one, other) or _adds(other, one):
        return None
    mine, theirs = (each.concepts.keys() & TARGETS for each in (one, other))
    if mine - theirs and theirs - mine:
        return None
    return "paraphrased" if similarity(one, other) >= LIKE else None


def _parts(one: Idea, other: Idea) -> bool:
    """Whether `one` names a technique or a part of the model that `other` has neither by name nor by a wider one."""
    for concept in one.concepts.keys() - other.concepts.keys() - SOFT:
        ids = techniques.with_parents([concept.removeprefix("technique:")]) if concept.startswith("technique:") else ()
        is_met = any(SAME.get(id, f"technique:{id}") in other.concepts for id in ids)
        if one.concepts[concept] > 1 and not is_met:
            return True
    return False


def _adds(one: Idea, other: Idea) -> bool:
    """Whether `one` says that it does what `other` does and more."""
    mine, theirs = ({key for key, weight in each.concepts.items() if weight == 2.0} for each in (one, other))
    return one.is_combined and not other.is_combined and bool(theirs) and mine > theirs


def _numbers(one: Idea) -> list[str]:
    return [word for word in one.words if word[0].isdigit()]


@functools.cache
def _vocabulary() -> Mapping[tuple[str, ...], str]:
    return {tuple(map(_stem, phrase.split())): concept for concept, phrases in VOCABULARY.items() for phrase in phrases}


def _phrases_in(words: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """The longest phrases of the vocabulary, from left to right."""
    known = _vocabulary()
    longest = max(map(len, known))
    found, start = [], 0
    while start < len(words):
        for end in range(min(len(words), start + longest), start, -1):
            if concept := known.get(words[start:end]):
                found.append((start, end, concept))
                start = end - 1
                break
        start += 1
    return found


ENDINGS = (
    "isation", "ization", "ations", "ation", "ions", "ion", "ised", "ized", "ising", "izing", "ise", "ize", "ing",
    "ings", "ibility", "ers", "er", "ed", "es", "s", "e",
)  # fmt: skip
"""Of English words, the longest first where one ends another."""


def _stem(word: str) -> str:
    """A word without its English ending, for comparing."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word.removesuffix(ending)
            break
    return word[:-1] if len(word) > 4 and word[-1] == word[-2] else word
