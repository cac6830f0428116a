"""Whether two ideas are one: said again, paraphrased, or with another knob value.

An idea is a set of weighted concepts. A phrase of the referee's catalogue is a concept (`smear gate`), a phrase of the
field's vocabulary below is one (`learning rate` is `lr`), any other word is one by its stem; numbers are none, they are
knob values. What is surprising: words say *what is done to what*, so a pair whose two sides each name a target that the
other does not (matrix and scalar learning rate, embedding and MLP) is two ideas, however many words they share.

Whether two items that were read are one thing is another question (`golf.research.twins`).
"""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from golf.referee import techniques

Likeness = Literal["same idea", "paraphrased", "another knob value"]
"""same idea: the same words; another knob value: the same but for numbers; paraphrased: the same said differently."""

TEXT_CHARS_MAX = 600
"""Of an idea's text that is compared: a hypothesis, not its discussion."""

LIKE = 0.36
"""Weighted share of concepts in common (Dice) from which two ideas are one; the lowest that keeps 85 % precision on
the tuning half of the pairs in tests/research/pairs.jsonl."""

VOCABULARY: Mapping[str, tuple[str, ...]] = {
    "lr": ("learning rate", "lr", "step size"),
    "weight decay": ("weight decay", "wd"),
    "warmdown": ("warmdown", "cooldown", "warm down", "cool down", "lr decay"),
    "warmup": ("warmup", "warm up"),
    "momentum": ("momentum", "beta 1"),
    "layers": ("layers", "blocks", "depth", "deeper", "deepen", "shallower", "num layers"),
    "width": ("model dim", "model width", "wider", "width", "broader", "hidden size", "d model"),
    "mlp": ("mlp", "feed forward", "ffn", "feedforward"),
    "vocabulary": ("vocabulary", "vocab", "tokenizer", "tokeniser", "vocab size"),
    "embedding": ("embedding", "embedding table", "token embedding", "embed"),
    "output head": ("output head", "lm head", "unembedding", "output embedding", "output projection"),
    "sequence": ("sequence length", "seq len", "sequence", "context length", "context", "train seq len"),
    "batch": ("batch", "batch size", "train batch tokens"),
    "quantise": (
        "quantise", "quantize", "qat", "fake quantise", "quantisation aware", "quantisation", "quantization",
        "bits",
    ),
    "evaluate": ("evaluation", "eval", "evaluate", "test time"),
    "average": ("moving average", "averaging", "average"),
    "initialise": ("init", "initialise", "initialize", "initialisation", "initialization"),
    "normalise": ("norm", "normalise", "normalize", "normalisation", "normalization", "rms norm", "layer norm"),
    "half precision": ("fp 16", "half precision", "float 16"),
    "fp8": ("fp 8", "float 8"),
    "compress": ("compress", "compression", "compressor"),
    "share": (
        "share weights", "shared weights", "same parameters", "loop", "recurrence", "weight sharing",
        "recurrent",
    ),
    "skips": ("skip connections", "skips", "u net", "unet"),
    "gate": ("gate", "gating", "gated"),
    "experts": ("experts", "moe", "mixture of experts"),
    "untie": ("untie", "weight tying", "untied", "tie", "tied"),
    "heads": ("heads", "num heads", "head"),
    "clip": ("clip", "clipping"),
    "gradient": ("gradient", "grad"),
    "window": ("window", "local"),
    "temperature": ("temperature",),
    "distil": ("distil", "distill", "distillation", "teacher"),
    "prune": ("prune", "pruning", "sparsify"),
    "orthogonalise": ("newton schulz", "orthogonalisation", "orthogonalization", "orthogonalise"),
    "query key": ("qk", "queries and keys", "query key", "queries keys", "q and k"),
    "value": ("values", "v"),
    "rank": ("rank", "low rank"),
    "no": ("no", "remove", "drop", "without", "disable", "turn off", "skip"),
    "case": ("lower case", "case", "capitals", "casefold", "upper case"),
    "predict ahead": ("multi token prediction", "next two tokens", "future tokens"),
    "parallel": ("parallel",),
    "smooth": ("smooth", "smoothing"),
    "loss": ("loss", "objective"),
    "late": ("late", "last", "end", "final", "finish"),
    "attention": ("attention", "attend"),
}  # fmt: skip
"""Concept → what practitioners write for it; compared by the words' stems."""

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
    )
)  # fmt: skip
"""Words that say nothing about which idea it is; directions of change are knob values."""

SOFT = frozenset(
    (
        "evaluate", "quantise", "compress", "share", "average", "late", "attention", "no", "query key", "value", "loss",
        "predict ahead",
    )
)  # fmt: skip
"""Concepts that follow from others or name none of a change's parts: on either side alone they part nobody."""


class Idea(NamedTuple):
    """A text as the concepts it names."""

    words: tuple[str, ...]
    """Its words and numbers, in order."""
    concepts: Mapping[str, float]
    """Concept → weight."""
    within: Mapping[str, str]
    """Concept of words that lie in a technique's phrase → that technique's concept."""

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
    phrase: list[str | None] = [None] * len(words)
    is_taken = [False] * len(words)
    for kind in ("code", "prose"):
        for start, end, id in techniques.phrases(words, kind):
            concept = "quantise" if id == "ptq" or re.fullmatch(r"int\d", id) else f"technique:{id}"
            found[concept] = 2.0
            for place in range(start, end):
                phrase[place] = concept
                is_taken[place] |= len(words[place]) < 3 and not words[place][0].isdigit()  # of RoPE, MoE, QK: pieces
    stems = tuple(map(_stem, words))
    for start, end, concept in _phrases_in(stems):
        if not all(is_taken[start:end]):
            found.setdefault(concept, 1.5)
            is_taken[start:end] = [True] * (end - start)
            _note(within, concept, phrase[start:end])
    for place, (word, stem) in enumerate(zip(words, stems, strict=True)):
        is_idle = len(word) < 2 or word[0].isdigit() or word in IDLE or stem in IDLE
        if not is_taken[place] and not is_idle:
            found.setdefault(stem, 1.0)
            _note(within, stem, phrase[place : place + 1])
    return Idea(words, found, within)


def _note(within: dict[str, str], concept: str, phrases: Sequence[str | None]) -> None:
    if phrases[0] is not None and len(set(phrases)) == 1 and phrases[0] != concept:
        within.setdefault(concept, phrases[0])


def similarity(one: Idea, other: Idea) -> float:
    """Weighted share of concepts in common, 0 to 1 (Dice, 1945)."""
    total = sum(one.concepts.values()) + sum(other.concepts.values())
    if not total:
        return 0.0
    common = sum(weight for concept, weight in one.concepts.items() if concept in other.concepts)
    return 2 * common / total


def likeness(a: str, b: str) -> Likeness | None:
    """How two texts are one idea; None when they are two."""
    one, other = idea(a), idea(b)
    if one.words == other.words and one.words:
        return "same idea"
    if not one.concepts or not other.concepts:
        return None
    if one.concepts.keys() == other.concepts.keys():
        return "another knob value" if _numbers(one) != _numbers(other) else "paraphrased"
    one, other = one.beside(other), other.beside(one)
    if _parts(one, other) and _parts(other, one):
        return None
    return "paraphrased" if similarity(one, other) >= LIKE else None


def _parts(one: Idea, other: Idea) -> bool:
    """Whether `one` names a technique or a part of the model that `other` has neither by name nor by a wider one."""
    for concept in one.concepts.keys() - other.concepts.keys() - SOFT:
        if concept.startswith("technique:"):
            family = techniques.with_parents([concept.removeprefix("technique:")])
            if not any(f"technique:{id}" in other.concepts for id in family):
                return True
        elif one.concepts[concept] > 1:
            return True
    return False


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
    "ers", "er", "ed", "es", "s", "e",
)  # fmt: skip
"""Of English words, the longest first where one ends another."""


def _stem(word: str) -> str:
    """A word without its English ending, for comparing."""
    for ending in ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending)
    return word
