"""The duplicate guard on pairs by another author, who labelled them before seeing the guard or its vocabulary.

Measured, not aimed at: 0.85 is not reached. As found, the guard had a precision of 0.68 and a recall of 0.69 on all 200
pairs. Learning from the mistakes on lines 1, 3, 5, ... brought the other lines, which were held out, to a precision of
0.73 (95 %: 0.59 to 0.84) and left their recall at 0.66 (0.52 to 0.78): those are its figures on ideas it has not met.
Misses are paraphrases in words that it does not know; the same idea with another knob value is found 39 times of 40.
The floors below are what was measured; `bench/research_duplicates.py` prints the table.
"""

import json
from pathlib import Path

import pytest

from golf.research.likeness import likeness

LINES = Path(__file__).with_name("pairs_fresh.jsonl").read_text(encoding="utf-8").splitlines()
PAIRS = [json.loads(line) for line in LINES]


@pytest.mark.parametrize(
    ("pairs", "precision", "recall"),
    [(PAIRS, 0.84, 0.79), (PAIRS[1::2], 0.73, 0.66)],
    ids=["all, half of them learned from", "held out"],
)
def test_the_duplicate_guard_holds_on_pairs_by_another_author(
    pairs: list[dict[str, str | bool]], precision: float, recall: float
) -> None:
    judged = [(bool(pair["same"]), likeness(str(pair["a"]), str(pair["b"])) is not None) for pair in pairs]
    right = sum(is_one and is_found for is_one, is_found in judged)
    assert right / sum(is_found for _, is_found in judged) >= precision
    assert right / sum(is_one for is_one, _ in judged) >= recall
