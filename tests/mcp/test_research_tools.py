"""Research through the tools: short answers, strangers' words as data, a model's grades taken whole or not at all."""

import asyncio
import json
import subprocess
import sys
import unicodedata
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from mcp import Client, MCPError
from mcp_types import CallToolResult
from reading import INJECTION, PAPER, PULL, check, good, grades, hostile, read, surveyed

from golf.answers import GradedItem
from golf.research import grades as kept_grades
from golf.research import outlook, place, sections, verified
from golf.workspace import Workspace
from mcp_server import server

ROOT = Path(__file__).parents[2]
READING = ("research_digest", "next_directions", "leaderboard")


def call(name: str, arguments: dict[str, Any] | None = None, mode: str = "auto") -> CallToolResult:
    async def main() -> CallToolResult:
        async with Client(server.build(), mode=mode) as client:
            return await client.call_tool(name, arguments or {})

    return asyncio.run(main())


def ask(name: str, **arguments: Any) -> dict[str, Any]:
    result = call(name, arguments)
    assert not result.is_error, result.content[0].text
    assert result.structured_content is not None
    return result.structured_content


def resource(uri: str, mode: str = "auto") -> str:
    async def main() -> str:
        async with Client(server.build(), mode=mode) as client:
            try:
                return (await client.read_resource(uri)).contents[0].text
            except MCPError as error:
                return f"refused: {error}"

    return asyncio.run(main())


def by_codex(workspace: Workspace) -> list[str]:
    return [one.item_id for one in kept_grades.read(workspace) if one.graded_by == "codex"]


@pytest.fixture
def shelf(workspace: Workspace) -> Workspace:
    """A workspace in which a paper and a pull request were read."""
    read(workspace, good())
    return workspace


@pytest.fixture
def crowd(workspace: Workspace) -> Workspace:
    """Five hundred bad items, three hundred competitors."""
    read(workspace, [*good(), *hostile(498)])
    surveyed(workspace, 300)
    return workspace


def test_of_the_four_only_grading_writes_and_doing_it_twice_is_doing_it_once() -> None:
    async def main() -> dict[str, Any]:
        async with Client(server.build()) as client:
            return {tool.name: tool.annotations for tool in (await client.list_tools()).tools}

    hints = asyncio.run(main())
    assert all(hints[name].read_only_hint for name in READING)
    assert (hints["grade_research"].read_only_hint, hints["grade_research"].idempotent_hint) == (False, True)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("name", [*READING, "grade_research"])
def test_each_answers_with_fields_in_both_eras_though_none_are_announced(
    shelf: Workspace, name: str, mode: str
) -> None:
    answer = call(name, {}, mode)
    assert not answer.is_error
    assert answer.structured_content == json.loads(answer.content[0].text)
    assert len(answer.structured_content) > 2


def test_before_anything_was_read_each_says_so(workspace: Workspace) -> None:
    assert "Research: none" in ask("research_digest")["digest"]
    judged = ask("grade_research")
    assert (judged["graded"], judged["prompt_path"], judged["best"]) == (0, None, [])
    assert ask("leaderboard")["surveyed"].startswith("nothing yet")
    assert ask("next_directions")["items"] == 0


def test_s58_the_digest_fits_with_its_paths_and_no_line_of_it_is_cut(crowd: Workspace) -> None:
    ask("grade_research")
    told = ask("research_digest")
    assert len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()) <= 1900
    assert (told["program_path"], told["folder"]) == (str(crowd.root / "program.md"), str(place.folder(crowd)))
    head, *lines = told["digest"].splitlines()
    assert "strangers'" in head
    assert "Research (" in told["digest"] and "Competitors (" in told["digest"]
    whole = ("none", "):", '"', "…", "]", "int6", "#74", "01234")  # as a heading, a title, an id or a list may end
    assert not [line for line in lines if not line.endswith(whole)]
    assert len(lines) > 8


def test_the_rules_grade_and_the_second_opinion_is_asked_for_in_a_file(shelf: Workspace) -> None:
    sections.begin_file(shelf.root / "program.md")
    judged = ask("grade_research")
    assert (judged["graded"], judged["program"]) == (2, "rewritten")
    assert {one["id"] for one in judged["best"]} == {PULL, PAPER}
    prompt = Path(judged["prompt_path"])
    assert prompt == place.folder(shelf) / "grading-prompt.md"
    assert "BigramHash embeddings" in prompt.read_text() and "Int6 embeddings" in prompt.read_text()
    assert "BigramHash" in (shelf.root / "program.md").read_text()
    written = (place.folder(shelf) / "grades.jsonl").read_bytes()
    assert ask("grade_research") == {**judged, "program": "unchanged"}
    assert (place.folder(shelf) / "grades.jsonl").read_bytes() == written


def test_a_model_s_grades_are_taken_and_their_totals_added_up_here(shelf: Workspace) -> None:
    paper, pull = good()
    asked = Path(ask("grade_research")["prompt_path"])
    judged = ask("grade_research", items=[grades(paper)])
    assert {one["id"]: one["total"] for one in judged["best"]}[PAPER] == 1 + 3 + 2 + 2 + 2
    assert paper.title not in asked.read_text() and pull.title in asked.read_text()  # one is left to ask about
    judged = ask("grade_research", items=[grades(pull, needs_more_bytes=True)])
    assert [one["id"] for one in judged["best"]] == [PAPER]  # ruled out, whatever its grades
    assert judged["prompt_path"] is None
    assert not asked.exists()
    assert f'A10 "{paper.title}"' in ask("research_digest")["digest"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"total": 15}, "items.1.total: Extra inputs are not permitted"),
        ({"tier": "A"}, "items.1.tier: Extra"),
        ({"novelty": 4}, "items.1.novelty: Input should be less than or equal to 3 (got 4)"),
        ({"novelty": True}, "items.1.novelty: Input should be a valid integer (got True)"),
        ({"bpb_impact": 2.0}, "items.1.bpb_impact"),
        ({"reason": " "}, "items.1.reason"),
        ({"sources": ["https://example.org"]}, "items.0.sources: Field required"),
        ({"title": "Another", "url": "https://example.org/never-read"}, "'Another' (not among them)"),
        ({"title": "\ud800"}, "items.1.title"),
    ],
)
def test_a_wrong_entry_is_refused_by_its_place_and_takes_the_right_ones_with_it(
    shelf: Workspace, wrong: dict[str, Any], said: str
) -> None:
    paper, pull = good()
    ask("grade_research")
    before = {path.name: path.read_bytes() for path in place.folder(shelf).iterdir() if path.is_file()}
    answer = call("grade_research", {"items": [grades(paper), grades(pull, **wrong)]})
    assert answer.is_error
    assert said in answer.content[0].text
    assert {path.name: path.read_bytes() for path in place.folder(shelf).iterdir() if path.is_file()} == before


@pytest.mark.parametrize("missing", sorted(GradedItem.model_fields))
def test_an_entry_without_one_of_its_fields_is_told_which(shelf: Workspace, missing: str) -> None:
    entry = grades(good()[0])
    del entry[missing]
    answer = call("grade_research", {"items": [entry]})
    assert answer.is_error
    assert f"items.0.{missing}: Field required" in answer.content[0].text
    assert by_codex(shelf) == []


def test_what_is_no_list_of_objects_is_refused(shelf: Workspace) -> None:
    for items in ("all of them", [1], [["title"]], {"title": "x"}):
        assert call("grade_research", {"items": items}).is_error
    assert call("grade_research", {"item": []}).is_error
    assert by_codex(shelf) == []


def test_s49_verification_keeps_the_total_before_and_after_and_says_so_in_the_digest(shelf: Workspace) -> None:
    paper, _ = good()
    ask("grade_research")
    ask("grade_research", items=[grades(paper)])
    entry = check(paper, bpb_impact=0)
    for _ in range(2):
        ask("grade_research", items=[entry])
        last = verified.read(shelf)[-1]
        assert (last.item_id, last.before, last.after, last.sources) == (PAPER, 10, 9, entry["sources"])
    told = ask("research_digest")["digest"]
    assert f'10 → 9 "{paper.title}": "{entry["brief"]}"' in told
    whole = resource(f"golf://research/{quote(PAPER, safe='')}")
    assert "10 → 9" in whole and f"| {entry['brief']}" in whole and "| https://example.org/replication" in whole


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"sources": []}, "0 sources besides the item itself"),
        ({"sources": ["https://arxiv.org/abs/2511.01234"]}, "0 sources besides the item itself"),
        ({"sources": ["hearsay"]}, "'hearsay' is no address"),
        ({"brief": "x" * 5000}, "5000 characters"),
    ],
)
def test_what_was_held_against_nothing_else_is_not_verified(
    shelf: Workspace, said: dict[str, Any], message: str
) -> None:
    paper, _ = good()
    ask("grade_research", items=[grades(paper)])
    answer = call("grade_research", {"items": [check(paper, **said)]})
    assert answer.is_error
    assert message in answer.content[0].text
    assert verified.read(shelf) == []


@pytest.mark.parametrize("count", [1, 5, 8])
def test_directions_are_left_out_whole_from_the_last_one_on(crowd: Workspace, count: int) -> None:
    told = ask("next_directions", count=count)
    every = [step.model_dump(mode="json") for step in outlook.outlook(crowd, count).steps]
    assert 1 <= len(told["steps"]) <= count
    for step, whole in zip(told["steps"], every, strict=False):
        assert {**whole, "failed": whole["failed"][: len(step["failed"])]} == step


@pytest.mark.parametrize("count", [0, 9, "many"])
def test_so_many_directions_are_not_to_be_had(shelf: Workspace, count: object) -> None:
    answer = call("next_directions", {"count": count})
    assert answer.is_error
    assert "count" in answer.content[0].text


def test_the_leaderboard_believes_only_the_credible(crowd: Workspace) -> None:
    told = ask("leaderboard")
    assert (told["submissions"], told["credible"], told["doubted_total"]) == (300, 100, 2)
    assert told["leaders"][0]["name"].startswith("PR #297 ")
    assert told["target_bpb"] == told["leaders"][0]["val_bpb"] == pytest.approx(1.1703)
    assert all(one["doubt"] for one in told["doubted"])
    assert told["leaders"][0]["note"].count("; ") == 1  # two, each cut
    assert len(json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()) <= 1900


@pytest.mark.parametrize("mode", ["auto", "legacy"])
@pytest.mark.parametrize("id", [PULL, PAPER])
def test_an_item_is_a_resource_by_its_id_percent_encoded(shelf: Workspace, id: str, mode: str) -> None:
    ask("grade_research", items=[grades(one) for one in good()])
    wanted = next(one for one in good() if one.id == id)
    whole = resource(f"golf://research/{quote(id, safe='')}", mode)
    assert f"Id: {id}\nAddress: {wanted.url}\n" in whole
    assert f"| {wanted.title}\n" in whole and f"| {wanted.text}\n" in whole
    for grader in ("rules", "codex"):
        assert f"Graded by {grader}: Tier A" in whole
    assert "| val loss falls by 0.006 bpb" in whole


@pytest.mark.parametrize("id", ["arxiv:1", "../../etc/passwd", "/etc/passwd", "\0", "note:x#y"])
def test_what_was_not_read_is_no_resource(shelf: Workspace, id: str) -> None:
    assert resource(f"golf://research/{quote(id, safe='')}").startswith("refused: nothing was read with the id")


def test_s57_strangers_words_stay_data_in_every_answer(crowd: Workspace) -> None:
    """Nothing invisible, nothing that ends a quotation; a line of theirs is never one of ours."""
    sections.begin_file(crowd.root / "program.md")
    said = [ask("grade_research"), *(ask(name) for name in READING)]
    for text in texts(said):
        strange = {unicodedata.name(c, hex(ord(c))) for c in text if not c.isprintable() and c != "\n"}
        assert not strange, text
    digest = said[1]["digest"]
    assert INJECTION[:40] in digest
    for line in digest.splitlines():
        if (at := line.find(INJECTION[:20])) >= 0:
            assert line.startswith("- ")
            assert line.count('"', 0, at) == 1 or "PR #" in line  # within quotes, or a name on its own line
    bad = hostile(1)[0]
    for name in (bad.id, next(line.rsplit(" ", 1)[1] for line in digest.splitlines() if "note:0000" in line)):
        whole = resource(f"golf://research/{quote(name, safe='')}")
        ours = [line for line in whole.splitlines() if not line.startswith("| ")]
        assert not [line for line in ours if INJECTION[:20] in line and not line.startswith('Authors: "')]
        assert all(c.isprintable() or c == "\n" for c in whole)
        assert "| | not quoted" in whole and "| END" in whole


def texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in texts(one)]


def test_a_damaged_file_is_named_and_nothing_is_lost(shelf: Workspace) -> None:
    cache = place.folder(shelf) / place.RAW_CACHE
    cache.write_text("no item\n" + cache.read_text())
    before = cache.read_bytes()
    answer = call("grade_research")
    assert answer.is_error
    assert f"{cache}:1 is no item record" in answer.content[0].text
    assert cache.read_bytes() == before


def test_a_broken_marker_of_program_md_is_told_and_the_grades_are_kept(shelf: Workspace) -> None:
    program = shelf.root / "program.md"
    program.write_text(f"{sections.begin('research')}\n")
    answer = call("grade_research", {"items": [grades(good()[0])]})
    assert answer.is_error
    assert "marker" in answer.content[0].text or "missing" in answer.content[0].text
    assert by_codex(shelf) == [PAPER]


def test_the_server_starts_without_what_research_reads_and_grades_with() -> None:
    wanted = ("golf.research.loop", "golf.research.outlook", "golf.research.web", "httpx", "feedparser")
    script = (
        f"import sys; from mcp_server import server; server.build(); print([n for n in {wanted} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"
