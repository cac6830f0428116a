"""The right skill is found by the words people use: in its description, and from the router that Codex always lists."""

import re
from pathlib import Path

import pytest
from bundle_skills import SKILLS, ranked
from situations import SITUATIONS, Situation

DESCRIPTIONS = {name: skill.fields["description"] for name, skill in SKILLS.items()}
ROW = re.compile(r"^\| (.+) \| ([a-z][a-z-]+) \|$", re.MULTILINE)
ROUTES = {name: job for job, name in ROW.findall(SKILLS["choosing-a-club"].body)}
"""The router's table: what a model reads that has not seen the descriptions."""

ROUTED = [situation for situation in SITUATIONS if situation.skill in ROUTES]


def test_every_skill_has_its_situation_and_every_situation_its_skill() -> None:
    assert sorted(situation.skill for situation in SITUATIONS) == sorted(SKILLS)


def test_every_situation_is_acted_out() -> None:
    sources = "".join(path.read_text() for path in Path(__file__).parent.glob("test_*_situations.py"))
    acted = re.findall(r'^@goes_wrong_without\("([a-z-]+)"\)\ndef test_', sources, re.MULTILINE)
    assert set(acted) == {situation.skill for situation in SITUATIONS}


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.skill)
def test_the_user_s_words_find_the_skill_first(situation: Situation) -> None:
    assert ranked(situation.words, DESCRIPTIONS)[0] == situation.skill


@pytest.mark.parametrize(
    ("words", "skill"), [(words, situation.skill) for situation in SITUATIONS for words in situation.also]
)
def test_other_words_find_it_among_the_first_three(words: str, skill: str) -> None:
    assert skill in ranked(words, DESCRIPTIONS)[:3]


def test_the_router_leads_to_every_skill_that_codex_does_not_list() -> None:
    assert set(ROUTES) == {name for name, skill in SKILLS.items() if not skill.is_listed}


@pytest.mark.parametrize("situation", ROUTED, ids=lambda situation: situation.skill)
def test_the_router_s_row_is_among_the_first_two_for_the_user_s_words(situation: Situation) -> None:
    assert situation.skill in ranked(situation.words, ROUTES)[:2]


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda situation: situation.skill)
def test_what_codex_lists_answers_to_the_user_s_words(situation: Situation) -> None:
    """Two descriptions are in every session; they must share a word with what is asked, or nothing is opened."""
    listed = {name: text for name, text in DESCRIPTIONS.items() if SKILLS[name].is_listed}
    assert len(listed) == 2
    assert ranked(situation.words, listed), "neither shares a word"
