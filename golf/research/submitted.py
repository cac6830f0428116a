"""What the submission.json of a pull request claims, as an item's details carry it.

Where it has a key for the score, that is the claim, and `null` or a word such as `TBD` in it claims nothing; a score
under any other key (`comparison_baseline_bpb`, one of a parent's or of an earlier stage) is somebody else's or no final
one. A README is read for the score (`golf.research.readme_scores`) only where no submission.json has such a key.
"""

import json
import math
import re
import statistics
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from golf import rules
from golf.referee import stated
from golf.research import foreign
from golf.research.nouns import Item
from golf.schema import Noun

NOTHING = "null"
"""The score of one that claims none, among the details."""

SEEDS_MAX = 20
"""More are not kept."""

STD = (
    "val_bpb_std", "std_val_bpb", "val_bpb_3seed_std", "val_bpb_std_3seed", "three_seed_std_bpb", "seed_std_val_bpb",
    "std_bpb", "bpb_std", "std",
)  # fmt: skip
"""Keys of the spread over seeds."""

COUNT = ("num_seeds", "n_seeds", "seeds_completed", "seeds")
"""Keys of a number of seeds, where it is a number."""

NEAR_BPB = rules.DISAGREEMENT_BPB / 5
"""Equal, as far as four digits and a rounding of each tell."""

_FILE = re.compile(r"^\[(records/[^\]\n]{1,300})\]\n", re.MULTILINE)
"""Where a file begins in the text of an item."""
_DAY = re.compile(r"/(20\d\d)-?([01]\d)-?([0-3]\d)")


class Submitted(Noun):
    """What one submission.json claims."""

    path: str
    files: int
    """How many of the pull request's have a key for a score."""
    val_bpb: float | None
    """None: it claims none."""
    std_bpb: float | None
    seeds: list[int]
    """As it lists them; empty where it does not."""
    num_seeds: int
    """Seeds it has a score for, else those it lists or counts; 0 where it says nothing of them."""
    scores: dict[int, float]
    """Seed → its score, where it states one."""

    @property
    def doubt(self) -> str | None:
        """What its own numbers show: that the claim is a single seed's and not the mean."""
        if self.val_bpb is None or len(self.scores) < 2:
            return None
        mean = math.fsum(self.scores.values()) / len(self.scores)
        if abs(self.val_bpb - mean) <= NEAR_BPB:
            return None
        digits = len(repr(self.val_bpb).partition(".")[2])
        near = [score for score in self.scores.values() if round(score, digits) == self.val_bpb]
        if not near:
            return None  # its table may have another stage, or seeds that it does not count
        which = "its best seed's" if min(self.scores.values()) in near else "a single seed's"
        return f"its val_bpb {self.val_bpb:.4f} is {which}; the mean of its {len(self.scores)} is {mean:.4f}"


def order(path: str) -> tuple[bool, int, int]:
    """Sorts files of several folders: the record track's first, then the newest by its name, then the outer ones."""
    day = _DAY.search(path)
    return "/track_non_record" in path, -int("".join(day.groups())) if day else 0, path.count("/")


def details(files: Iterable[tuple[str, str]]) -> dict[str, str]:
    """The claim among these files (path, content) for an item's details; nothing where none has a key for a score.

    Of several the first in `order` that states a score. The keys: `submission`, its path; `submissions`, how many there
    are; `val_bpb`, a number or `null`; and `val_bpb_std`, `seeds`, `num_seeds`, `seed_results`, where it states them.
    """
    found = sorted(_claims(files), key=lambda one: (one.val_bpb is None, order(one.path), len(one.path), one.path))
    if not found:
        return {}
    one = found[0]
    told = {
        "submission": foreign.line(one.path),
        "submissions": str(len(found)),
        "val_bpb": NOTHING if one.val_bpb is None else repr(one.val_bpb),
        "val_bpb_std": "" if one.std_bpb is None else repr(one.std_bpb),
        "seeds": ", ".join(map(str, one.seeds)),
        "num_seeds": str(one.num_seeds) if one.num_seeds else "",
        "seed_results": ", ".join(f"{seed}: {score!r}" for seed, score in one.scores.items()),
    }
    return {name: value for name, value in told.items() if value}


def claim(item: Item) -> Submitted | None:
    """The claim of an item's submission.json; None where it brought none with a key for a score.

    An item that was read before its details had it tells it by its text.
    """
    told = item.details if "val_bpb" in item.details else details(_files(item.text))
    if "val_bpb" not in told:
        return None
    pairs = (part.split(":") for part in told.get("seed_results", "").split(",") if part.count(":") == 1)
    scores = {
        int(seed): score
        for seed, value in pairs
        if seed.strip().isdecimal() and (score := stated.score(value)) is not None
    }
    std, count = stated.number_of(told.get("val_bpb_std")), told.get("num_seeds", "")
    return Submitted(
        path=told.get("submission", ""),
        files=int(told["submissions"]) if told.get("submissions", "").isdecimal() else 1,
        val_bpb=stated.score(told["val_bpb"]),
        std_bpb=std,
        seeds=[int(seed) for seed in told.get("seeds", "").split(", ") if seed.isdecimal()],
        num_seeds=int(count) if count.isdecimal() else 0,
        scores=scores,
    )


def prose(text: str) -> str:
    """The text of an item without its JSON files."""
    return "".join(part for path, part in _parts(text) if not path.lower().endswith(".json"))


def _files(text: str) -> Iterator[tuple[str, str]]:
    return ((path, part.partition("\n")[2]) for path, part in _parts(text) if path)


def _parts(text: str) -> Iterator[tuple[str, str]]:
    """The item's own words under no path, then each file with the line that names it."""
    found = list(_FILE.finditer(text))
    starts = [0, *(match.start() for match in found)]
    for path, start, end in zip(["", *(match[1] for match in found)], starts, [*starts[1:], len(text)], strict=True):
        yield path, text[start:end]


def _claims(files: Iterable[tuple[str, str]]) -> Iterator[Submitted]:
    for path, text in files:
        if not path.lower().endswith(".json"):
            continue
        try:
            table = json.loads(text)
        except (ValueError, RecursionError):
            continue
        if isinstance(table, dict) and (any(key in table for key in stated.BPB) or stated.read(table).bpb is not None):
            yield _claim(path, table)


def _claim(path: str, table: Mapping[str, Any]) -> Submitted:
    said = stated.read(table)
    by_seed = sorted((seed, score) for seed, score in said.expected.items() if seed is not None)
    scores = dict(by_seed[:SEEDS_MAX])
    seeds = list(dict.fromkeys(said.seeds))[:SEEDS_MAX]
    counted = [table.get(key) for key in COUNT]
    numbers = [number for number in counted if isinstance(number, int) and 0 < number <= SEEDS_MAX]
    is_one = stated.seed_of(table.get("seed")) is not None
    spread = next((std for key in STD if (std := stated.number_of(table.get(key))) is not None and 0 <= std < 1), None)
    if spread is None and said.bpb is not None and len(scores) > 1:
        mean = math.fsum(scores.values()) / len(scores)
        spread = statistics.stdev(scores.values()) if abs(mean - said.bpb) <= NEAR_BPB else None
    return Submitted(
        path=path,
        files=1,
        val_bpb=said.bpb,
        std_bpb=spread if said.bpb is not None else None,
        seeds=seeds,
        num_seeds=len(scores) or len(seeds) or (numbers[0] if numbers else int(is_one)),
        scores=scores,
    )
