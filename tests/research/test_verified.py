"""A verified record has a score before and after, sources and a brief, and is about a graded Tier A item."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from golf.errors import BadConfig, GolfError, NotFound, RuleBroken, UnreadableInput
from golf.research import verified
from golf.research.nouns import Graded, Verified
from golf.workspace import Workspace

NOW = datetime(2026, 3, 27, tzinfo=UTC)


def grade(total: int = 12, **said: Any) -> Graded:
    facts: dict[str, Any] = {
        "item_id": "arxiv:1", "title": "Idea", "url": "https://arxiv.org/abs/1", "source": "arxiv", "bpb_impact": 2,
        "size_compatibility": 3, "time_compatibility": 2, "implementability": 3, "novelty": 2, "total": total,
        "tier": "A" if total >= 10 else "B" if total >= 7 else "C", "reason": "r", "graded_by": "rules",
        "graded_at": NOW,
    }  # fmt: skip
    return Graded.model_validate(facts | said)


def record(**said: Any) -> Verified:
    facts: dict[str, Any] = {
        "item_id": "arxiv:1", "title": "Idea", "url": "https://arxiv.org/abs/1", "before": 12, "after": 9,
        "sources": ["https://arxiv.org/abs/1", "https://example.org/reproduction"],
        "brief": "Replace the MLP's\nactivation.", "verified_at": NOW,
    }  # fmt: skip
    return Verified.model_validate(facts | said)


def test_s49_a_record_has_before_and_after_sources_and_brief_and_is_read_back(workspace: Workspace) -> None:
    kept = verified.verify(workspace, record(), [grade()])
    again = verified.verify(workspace, record(after=11), [grade()])
    assert verified.read(workspace) == [kept, again]
    assert (kept.before, kept.after, kept.brief) == (12, 9, "Replace the MLP's\nactivation.")
    assert kept.sources == ["https://arxiv.org/abs/1", "https://example.org/reproduction"]
    assert verified.path(workspace) == workspace.root / ".golf" / "research" / "verified.jsonl"


@pytest.mark.parametrize(
    ("said", "grades", "error", "message"),
    [
        ({"sources": []}, [grade()], BadConfig, "0 sources besides the item itself"),
        ({"sources": [" ", ""]}, [grade()], BadConfig, "0 sources"),
        ({"sources": ["https://arxiv.org/abs/1", "arxiv:1"]}, [grade()], BadConfig, "0 sources"),
        ({"sources": ["http://www.arxiv.org/pdf/1v2.pdf#page=3"]}, [grade()], BadConfig, "0 sources"),
        ({"sources": ["https://a.org@b.org/x"]}, [grade()], NotFound, "is no address"),
        ({"sources": ["I know it"]}, [grade()], NotFound, "'I know it' is no address"),
        ({"sources": ["https://"]}, [grade()], NotFound, "is no address"),
        ({"sources": ["nowhere.md"]}, [grade()], NotFound, "and no file"),
        ({"sources": [f"https://a.org/{n}" for n in range(21)]}, [grade()], BadConfig, "give 1 to 20"),
        ({"brief": " \u200b\n-"}, [grade()], BadConfig, "how to build it here"),
        ({"brief": "x" * 4_001}, [grade()], BadConfig, "4001 characters"),
        ({"item_id": "arxiv:2"}, [grade()], NotFound, "no item 'arxiv:2' was graded"),
        ({}, [], NotFound, "no item 'arxiv:1' was graded"),
        ({"before": 9}, [grade(9)], RuleBroken, "Tier B with 9 points"),
        ({"before": 0}, [grade(0)], RuleBroken, "Tier C"),
        ({}, [grade(12), grade(8, graded_at=NOW + timedelta(hours=6))], RuleBroken, "Tier B"),
        ({"before": 13}, [grade()], BadConfig, "before is 13, and arxiv:1 was graded 12"),
    ],
)
def test_s49_what_was_not_verified_is_refused_and_nothing_is_kept(
    workspace: Workspace, said: dict[str, Any], grades: list[Graded], error: type[GolfError], message: str
) -> None:
    with pytest.raises(error, match=message):
        verified.verify(workspace, record(**said), grades)
    assert verified.read(workspace) == [] and not verified.path(workspace).exists()


def test_s49_files_and_other_graded_items_are_sources_too(workspace: Workspace) -> None:
    (workspace.root / "paper.md").write_text("x")
    sources = ["paper.md", "paper.md:12", "arxiv:2", "paper.md"]
    kept = verified.verify(workspace, record(sources=sources), [grade(), grade(item_id="arxiv:2")])
    assert kept.sources == sources[:3]


def test_a_record_torn_by_a_kill_costs_only_itself(workspace: Workspace) -> None:
    first = verified.verify(workspace, record(), [grade()])
    file = verified.path(workspace)
    file.write_bytes(file.read_bytes() + file.read_bytes()[:100])
    assert verified.read(workspace) == [first]
    second = verified.verify(workspace, record(after=3), [grade()])
    assert verified.read(workspace) == [first, second]


def test_a_record_without_its_line_break_is_a_whole_one(workspace: Workspace) -> None:
    first = verified.verify(workspace, record(), [grade()])
    file = verified.path(workspace)
    file.write_bytes(file.read_bytes().rstrip(b"\n"))
    second = verified.verify(workspace, record(after=3), [grade()])
    assert verified.read(workspace) == [first, second]


def test_a_line_that_is_no_record_is_named_and_not_skipped(workspace: Workspace) -> None:
    verified.verify(workspace, record(), [grade()])
    file = verified.path(workspace)
    file.write_bytes(b'{"item_id": 1}\n' + file.read_bytes())
    with pytest.raises(UnreadableInput, match=r"verified\.jsonl:1 is no verified record"):
        verified.read(workspace)


def test_a_record_s_words_are_kept_clean_and_its_address_is_one(workspace: Workspace) -> None:
    said = {"url": "javascript:x\ud800", "title": "a\x1b[31m\u202eb", "brief": "x\ud800y\u200b"}
    kept = verified.verify(workspace, record(**said), [grade()])
    assert (kept.url, kept.title, kept.brief) == ("https://arxiv.org/abs/1", "a[31mb", "xy")
    assert verified.read(workspace) == [kept]
