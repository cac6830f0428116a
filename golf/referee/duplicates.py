"""How close two programs are, whatever their names, layout, comments, numbers and order of functions.

A script becomes a stream of tokens in which a name is coded by how far back it last occurred (Baker, "Parameterized
pattern matching", 1993), so that renaming changes nothing; layout, comments, docstrings, commas and parentheses are
gone, and every number and string is just one. Runs of `RUN` tokens are hashed function by function, and a sketch of
fixed size is kept whose agreement estimates how much two programs share (Broder, "On the resemblance and containment of
documents", 1997).
"""

import keyword
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from golf.referee.case import Case

Hashes = npt.NDArray[np.uint64]

Sketch = npt.NDArray[np.uint32]
"""`PERMUTATIONS` entries."""

RUN = 16
"""Tokens in a run, a power of two: two to four lines."""

FACTOR = 0x100000001B3
"""Of the rolling hash; any odd number does."""

SAMPLED = 16
"""One hash in so many is kept, chosen by its own value: the same ones for the same text, wherever it stands."""

PERMUTATIONS = 128
"""Entries of a sketch; the standard error of a similarity is at most 0.044."""

SCRIPTS_MAX = 20
"""Scripts of one submission that are compared; the training script comes first."""

SAMPLE_MIN = 24
"""Programs with fewer hashes in their sample say too little to be compared."""

TOKEN = re.compile(
    r"""[ \t\r\f]*+(
      [A-Za-z_]\w*+(?!["'])
    | [^\w\s"'\#]
    | \n
    | \d[\w.]*+
    | \#[^\n]*+
    | [rbfuRBFU]{0,2}(?:
          "{3}[^\\"]*+(?:(?:\\.|"(?!""))[^\\"]*+)*+(?:"{3}|\Z)
        | '{3}[^\\']*+(?:(?:\\.|'(?!''))[^\\']*+)*+(?:'{3}|\Z)
        | "[^"\\\n]*+(?:\\.[^"\\\n]*+)*+"?
        | '[^'\\\n]*+(?:\\.[^'\\\n]*+)*+'?)
    | \w++)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
"""Python's tokens, near enough, line breaks among them; linear in the text, whether quotes are closed or not."""

DROPPED, BREAK, NUMBER, STRING, SIGN, WORD, NAME = 0, 1, 2, 3, 4, 1 << 15, 1 << 16
"""Codes of tokens; signs, words of the language and names have as many as they need from theirs on."""


def tokens(source: str) -> list[str]:
    """The tokens of a script, comments and line breaks included."""
    return TOKEN.findall(source)


class _Codes(dict[str, int]):
    """Token → code, names in order of their first occurrence."""

    def __missing__(self, token: str) -> int:
        first = token[0]
        if token == "\n":
            code = BREAK
        elif first in "#;\\(),:" or token.endswith(('"""', "'''")):
            code = DROPPED
        elif token[-1] in "\"'" or '"' in token or "'" in token:
            code = STRING
        elif first.isdigit():
            code = NUMBER
        elif keyword.iskeyword(token):
            code = _word(token)
        elif first.isalpha() or first == "_":
            code = NAME + len(self)
        else:
            code = SIGN + ord(first) % (WORD - SIGN)
        self[token] = code
        return code


@dataclass(frozen=True)
class Runs:
    """The runs of `RUN` tokens inside the functions of one script, in its order, repetitions included."""

    tokens: Sequence[str]
    hashes: Hashes
    places: npt.NDArray[np.int64]
    """Where in `tokens` each begins."""

    @cached_property
    def lines(self) -> npt.NDArray[np.int64]:
        """The line each begins on, counted from 1."""
        count = len(self.tokens)
        breaks = np.fromiter((token.count("\n") if "\n" in token else 0 for token in self.tokens), np.int64, count)
        return (1 + np.cumsum(breaks) - breaks)[self.places]


def runs_of(case: Case) -> Mapping[str, Runs]:
    """The runs of a case's scripts by name, made once for all who ask."""
    kept = vars(case)  # as a cached property of the case would be
    if "runs" not in kept:
        kept["runs"] = {script.name: runs(script.text) for script in case.scripts[:SCRIPTS_MAX]}
    return kept["runs"]


def runs(script: str) -> Runs:
    """The runs of a script.

    None reaches from one `def` or `class` into the next, so that their order makes no difference.
    """
    source = tokens(script)
    numbers, parts, places = _coded(source)
    hashes, width = _mixed(numbers), 1
    while width < RUN:  # a run of twice the length is two runs, one behind the other
        hashes = hashes[:-width] * np.uint64(pow(FACTOR, width, 1 << 64)) + hashes[width:]
        width *= 2
    is_inside = parts[: len(hashes)] == parts[len(parts) - len(hashes) :]
    return Runs(source, _mixed(hashes[is_inside]), places[: len(hashes)][is_inside])


def _coded(
    source: Sequence[str],
) -> tuple[npt.NDArray[np.uint64], npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Tokens as numbers that renaming and reformatting leave as they are; the function and the place of each."""
    codes = np.fromiter(map(_Codes().__getitem__, source), np.int64, len(source))
    places = np.flatnonzero(codes != DROPPED)
    docstrings = np.zeros(len(places), bool)
    kept = codes[places]
    docstrings[1:-1] = (kept[1:-1] == STRING) & (kept[:-2] == BREAK) & (kept[2:] == BREAK)
    places = places[~docstrings & (kept != BREAK)]
    kept = codes[places]
    joined = np.zeros(len(places), bool)
    joined[1:] = (kept[:-1] == STRING) & (kept[1:] == STRING)
    places = places[~joined]
    codes = codes[places]
    parts = np.cumsum((codes == _word("def")) | (codes == _word("class")))
    names = np.flatnonzero(codes >= NAME)
    order = names[np.argsort(codes[names], kind="stable")]
    back = np.zeros(len(codes), np.int64)
    again = (codes[order[1:]] == codes[order[:-1]]) & (parts[order[1:]] == parts[order[:-1]])
    back[order[1:][again]] = (order[1:] - order[:-1])[again]
    numbers = np.where(codes >= NAME, NAME + np.where(back < RUN, back, 0), codes)
    return numbers.astype(np.uint64), parts, places


def _word(keyword_: str) -> int:
    return WORD + keyword.kwlist.index(keyword_)


def sketch(scripts: Iterable[Runs]) -> Sketch | None:
    """The sketch of a program in one or more scripts; None when there is too little of it."""
    kept = np.unique(np.concatenate([np.empty(0, np.uint64), *(_sample(script.hashes) for script in scripts)]))
    if len(kept) < SAMPLE_MIN:
        return None
    random = np.random.default_rng(1997)
    factors = random.integers(0, 1 << 63, PERMUTATIONS, np.uint64) * np.uint64(2) + np.uint64(1)
    return ((kept[:, None] * factors) >> np.uint64(32)).min(axis=0).astype(np.uint32)


def _sample(hashes: Hashes) -> Hashes:
    return hashes[hashes % np.uint64(SAMPLED) == 0]


def similarities(sketches: npt.NDArray[np.uint32], one: Sketch) -> npt.NDArray[np.float64]:
    """How much of their samples each program (rows) shares with `one`: 1 is all of both, 0 nothing. Shape (rows,)."""
    return (sketches == one).mean(axis=1)


def _mixed(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Well-spread hashes (the finaliser of splitmix64; Steele, Lea and Flood, 2014)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
