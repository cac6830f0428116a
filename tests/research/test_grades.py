"""Grades are kept beside each other, rules' and Codex's; an answer is taken whole or not at all."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from samples import NOW, row

from golf.answers.research import GradedItem, ResearchGrade
from golf.errors import NotFound
from golf.play import ledger
from golf.research import grades, place, prompt
from golf.research.cache import RawCache
from golf.research.nouns import Competitor, Item
from golf.workspace import Workspace

TEXTS = {
    "bigram": "Adding a BigramHash embedding to a language model improves val loss by 0.006 bpb.",
    "folding": "Ten thousand proteins were folded; the folds and their energies are tabulated for every species.",
    "smear": "A SmearGate mixes every token's embedding with the one before it, which helps small transformers learn.",
}
ITEMS = [
    Item(id=f"url:{name}", source="arxiv", title=f"On {name}", url=f"https://x/{name}", text=text, fetched_at=NOW)
    for name, text in TEXTS.items()
]


def cached(workspace: Workspace, items: list[Item] = ITEMS) -> Workspace:
    RawCache(place.folder(workspace) / place.RAW_CACHE).add(items)
    return workspace


def given(item: Item, **fields: Any) -> GradedItem:
    said = {
        "title": item.title, "url": item.url, "bpb_impact": 2, "size_compatibility": 3, "time_compatibility": 2,
        "implementability": 3, "novelty": 2, "competitor_validated": None, "needs_new_dependency": False,
        "needs_more_bytes": False, "needs_more_time": False, "techniques": ["bigram_hash"], "reason": "it says so",
    }  # fmt: skip
    return GradedItem(**{**said, **fields})


def accepted(workspace: Workspace, *items: GradedItem, **said: Any) -> list[grades.Graded]:
    return grades.accept(workspace, ResearchGrade(items=list(items)), **said)


def test_grades_are_kept_and_read_back(workspace: Workspace) -> None:
    assert grades.read(workspace) == []
    found = grades.grade_all(workspace, ITEMS, now=NOW)
    assert [one.item_id for one in found] == [item.id for item in ITEMS]
    assert grades.read(workspace) == found


def test_s57_grading_again_after_an_outcome_replaces_the_grade(workspace: Workspace) -> None:
    before = grades.grade_all(workspace, ITEMS, now=NOW)
    ledger.append(workspace.ledger, row("add BigramHash"))
    grades.grade_all(workspace, ITEMS, now=NOW + timedelta(hours=6))
    after = {one.item_id: one for one in grades.read(workspace)}
    assert after["url:bigram"].total < before[0].total
    assert after["url:folding"] == before[1]


def test_a_grade_that_says_nothing_new_is_not_written_again(workspace: Workspace) -> None:
    grades.grade_all(workspace, ITEMS, now=NOW)
    path = place.folder(workspace) / grades.GRADES
    size = path.stat().st_size
    grades.grade_all(workspace, ITEMS, now=NOW + timedelta(hours=6))
    assert path.stat().st_size == size


def test_a_torn_line_costs_itself_alone(workspace: Workspace) -> None:
    grades.grade_all(workspace, ITEMS[:2], now=NOW)
    path = place.folder(workspace) / grades.GRADES
    path.write_bytes(path.read_bytes()[:-40])
    grades.grade_all(workspace, ITEMS[2:], now=NOW)
    assert [one.item_id for one in grades.read(workspace)] == ["url:bigram", "url:smear"]


def test_two_that_grade_at_once_keep_each_grade_once(workspace: Workspace) -> None:
    folder = place.folder(workspace)
    found = grades.grade_all(workspace, ITEMS, now=NOW)
    kept = (folder / grades.GRADES).read_bytes()
    (folder / grades.GRADES).unlink()
    other = threading.Thread(target=grades.grade_all, args=(workspace, ITEMS), kwargs={"now": NOW})
    with place.locked(folder):
        other.start()
        other.join(0.5)  # it has to wait; one that does not is done by now, and what follows is there twice
        with open(folder / grades.GRADES, "ab") as file:
            file.write(kept)
    other.join(60)
    assert (folder / grades.GRADES).read_bytes() == kept
    assert grades.read(workspace) == found


def test_s39_codex_s_grades_are_added_up_here_and_stand_beside_the_rules(workspace: Workspace) -> None:
    cached(workspace)
    [rules, *_] = grades.grade_all(workspace, ITEMS, now=NOW)
    [codex] = accepted(workspace, given(ITEMS[0], bpb_impact=0), now=NOW)
    assert (codex.total, codex.tier, codex.graded_by) == (10, "A", "codex")
    opinion = next(one for one in grades.opinions(workspace) if one.item_id == "url:bigram")
    assert (opinion.rules, opinion.codex) == (rules, codex)
    widest = opinion.differences[0]
    assert (widest.dimension, widest.rules, widest.codex) == ("bpb_impact", rules.bpb_impact, 0)
    assert opinion.rank == (rules.total + codex.total) / 2


def test_the_newest_answer_of_codex_counts_and_the_rules_grade_stays(workspace: Workspace) -> None:
    cached(workspace)
    [rules] = grades.grade_all(workspace, ITEMS[:1], now=NOW)
    accepted(workspace, given(ITEMS[0]), now=NOW)
    [newest] = accepted(workspace, given(ITEMS[0], novelty=0), now=NOW)
    assert grades.read(workspace) == [rules, newest]


def test_an_item_is_known_by_its_address_or_else_by_its_title(workspace: Workspace) -> None:
    odd = Item(id="note:x", source="notes", title="A <b>bold</b>\u200b  title", text="t", fetched_at=NOW)
    cached(workspace, [*ITEMS, odd])
    by_url, by_title = accepted(
        workspace, given(ITEMS[1], title="said otherwise"), given(odd, title=prompt.shown_title(odd), url=None), now=NOW
    )
    assert (by_url.item_id, by_url.title) == ("url:folding", "On folding")
    assert by_title.item_id == "note:x"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (given(ITEMS[1], title="Never read", url="https://x/never"), "'Never read' (not among them)"),
        (given(ITEMS[0]), "'On bigram' (graded twice)"),
    ],
)
def test_an_answer_about_something_unread_is_refused_by_name_and_nothing_is_taken(
    workspace: Workspace, wrong: GradedItem, words: str
) -> None:
    cached(workspace)
    with pytest.raises(NotFound) as refused:
        accepted(workspace, given(ITEMS[0]), wrong, now=NOW)
    assert words in str(refused.value)
    assert grades.read(workspace) == []


def test_a_title_that_several_items_have_needs_the_address(workspace: Workspace) -> None:
    twins = [item.model_copy(update={"title": "Same"}) for item in ITEMS[:2]]
    cached(workspace, twins)
    with pytest.raises(NotFound, match="give its url"):
        accepted(workspace, given(twins[0], url=None), now=NOW)
    assert accepted(workspace, given(twins[1]), now=NOW)[0].item_id == "url:folding"


def test_s41_codex_s_word_on_competitors_counts_only_where_any_are_known(workspace: Workspace) -> None:
    cached(workspace)
    [without] = accepted(workspace, given(ITEMS[0], competitor_validated=2), now=NOW)
    [with_them] = accepted(
        workspace, given(ITEMS[0], competitor_validated=2), competitors=[Competitor(name="PR #1")], now=NOW
    )
    assert (without.competitor_validated, with_them.competitor_validated) == (None, 2)
    assert with_them.total == without.total + 2


def test_s42_what_either_rules_out_ranks_last(workspace: Workspace) -> None:
    cached(workspace)
    grades.grade_all(workspace, ITEMS, now=NOW)
    assert grades.opinions(workspace)[0].item_id != "url:folding"
    best = grades.opinions(workspace)[0].item_id
    accepted(workspace, given(next(one for one in ITEMS if one.id == best), needs_more_time=True), now=NOW)
    opinion = next(one for one in grades.opinions(workspace) if one.item_id == best)
    assert opinion.is_ruled_out
    assert opinion.rank == 0
    assert grades.opinions(workspace)[-1].item_id == best


def test_codex_s_techniques_become_the_catalogue_s_and_its_words_one_line(workspace: Workspace) -> None:
    cached(workspace)
    [graded] = accepted(
        workspace, given(ITEMS[0], techniques=["BigramHash", "ema", "sorcery"], reason="a\x1b[2J\nb " * 900), now=NOW
    )
    assert graded.techniques == ["bigram_hash", "ema"]
    assert graded.reason.isprintable()
    assert len(graded.reason) <= grades.REASON_CHARS_MAX
