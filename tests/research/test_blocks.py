"""What goes into `program.md` and the digest stays within its budget, and says what it leaves out."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from golf.play import ledger
from golf.research import blocks, digest
from golf.research.nouns import Competitor, Graded, Verified
from golf.schema import Row
from golf.workspace import Workspace

NOW = datetime(2026, 3, 27, tzinfo=UTC)
ACTIVE = {"link_open", "image", "html_inline", "html_block", "fence", "code_block", "code_inline"}


def grade(number: int = 1, total: int = 12, **said: Any) -> Graded:
    facts: dict[str, Any] = {
        "item_id": f"arxiv:{number}", "title": f"idea {number}", "source": "arxiv", "bpb_impact": 2,
        "size_compatibility": 3, "time_compatibility": 2, "implementability": 3, "novelty": 2, "total": total,
        "tier": "A" if total >= 10 else "B" if total >= 7 else "C", "reason": f"because {number}",
        "graded_by": "rules", "graded_at": NOW,
    }  # fmt: skip
    return Graded.model_validate(facts | said)


def record(number: int = 1, before: int = 12, after: int = 9, **said: Any) -> Verified:
    facts: dict[str, Any] = {
        "item_id": f"arxiv:{number}", "title": f"idea {number}", "before": before, "after": after,
        "sources": ["https://a.org/b"], "brief": f"build it {number}", "verified_at": NOW,
    }  # fmt: skip
    return Verified.model_validate(facts | said)


def row(number: int = 1, val_bpb: float | None = 1.2, **said: Any) -> Row:
    facts: dict[str, Any] = {
        "commit": f"c{number}", "tier": "runpod", "val_bpb": val_bpb, "artifact_bytes": 1, "memory_gb": 1.0,
        "status": "keep", "promoted": "no", "cost_usd": 3.47, "description": f"run {number}",
    }  # fmt: skip
    return Row.model_validate(facts | said)


def rival(number: int = 1, val_bpb: float | None = 1.15, is_credible: bool = True, **said: Any) -> Competitor:
    facts: dict[str, Any] = {
        "name": f"PR #{number}", "number": number, "val_bpb": val_bpb, "num_seeds": 3, "is_credible": is_credible,
        "doubts": [] if is_credible else ["blocked: it reads the future"],
    }  # fmt: skip
    return Competitor.model_validate(facts | said)


# --- research


def test_s52_research_is_the_twelve_best_by_total_and_counts_the_rest() -> None:
    text = blocks.research([grade(number, total=number % 15) for number in range(1, 30)])
    totals = [int(found) for found in re.findall(r"\*\*[ABC] (\d+)/15\*\*", text)]
    assert totals == sorted((number % 15 for number in range(1, 30)), reverse=True)[:12]
    assert text.endswith("16 more left out.")  # one of the 29 has no point


def test_s52_research_is_cut_at_an_items_boundary() -> None:
    many = [
        grade(number, title="t" * 500, reason="r" * 5_000, url="https://a.org/" + "u" * 500) for number in range(12)
    ]
    text = blocks.research(many)
    assert 10_000 < len(text) <= blocks.RESEARCH_CHARS_MAX == 12_000
    *items, left = text.split("\n\n")[0].split("\n   - "), text.split("\n\n")[1]
    shown = len(re.findall(r"^\d+\. ", text, re.MULTILINE))
    assert 0 < shown < 12 and left == f"{12 - shown} more left out."
    assert len(items[0]) == 1 + 2 * shown  # each of its three lines is there
    assert blocks.research(many[:shown]) == text.split("\n\n")[0]


def test_s52_an_item_graded_again_counts_once_and_one_that_is_ruled_out_does_not() -> None:
    again = [grade(1, total=14), grade(1, total=7, graded_at=NOW + timedelta(hours=6)), grade(2, 12, ruled_out="pip")]
    text = blocks.research(again)
    assert "**B 7/15**" in text and "14/" not in text and "idea 2" not in text
    codex = grade(1, total=0, ruled_out="pip", graded_by="codex", graded_at=NOW - timedelta(hours=1))
    assert "idea 1" not in blocks.research([codex, *again])  # the rules' later grade does not overrule it
    assert "/17**" in blocks.research([grade(competitor_validated=2)])
    assert blocks.research([]) == "Nothing that was read is worth trying yet."


# --- history


@pytest.mark.parametrize("runs", [1, 7, 8, 9, 300])
def test_s53_history_is_exactly_the_last_eight_runs(workspace: Workspace, runs: int) -> None:
    for number in range(runs):
        ledger.append(workspace.ledger, row(number, 1.1 + number / 1000, description="long " * 100))
    text = blocks.history(ledger.read(workspace.ledger))
    lines = text.splitlines()
    last = range(max(0, runs - 8), runs)
    assert [re.match(r"- (\S+), keep, \$3\.47, (\S+) on runpod: ", line).groups() for line in lines] == [
        (f"{1.1 + number / 1000:.4f}", f"c{number}") for number in last
    ]


def test_s53_a_crash_has_no_number_and_a_promotion_is_told() -> None:
    text = blocks.history([row(val_bpb=None, status="crash", cost_usd=0.0, promoted="pending")])
    assert text == '- no val_bpb, crash, promoted: pending, $0.00, c1 on runpod: "run 1"'
    assert blocks.history([]) == "No run yet."


# --- competitors


def cells(text: str) -> list[list[str]]:
    """The table as a Markdown reader sees it, its head first."""
    found: list[list[str]] = []
    for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text):
        if token.type == "tr_open":
            found.append([])
        elif token.type == "inline" and found:
            found[-1].append(token.content)
    return found


def test_s54_competitors_are_a_valid_markdown_table() -> None:
    text = blocks.competitor_table(
        [
            rival(
                74, 1.1194, std_bpb=0.0006, author="a|b", delta_from_baseline=-0.105, techniques=["xsa"], parents=["#7"]
            ),
            rival(75, 1.3, name="`x` | y\n| z"),
            rival(76, 0.3, is_credible=False, num_seeds=0),
            rival(77, None),
        ]
    )
    assert cells(text.split("\n\n")[0]) == [
        ["submission", "val_bpb", "to baseline", "techniques", "builds on", "believed"],
        ["PR #74 by a¦b", "1.1194 ± 0.0006 (3 seeds)", "-0.1050", "xsa", "#7", "yes"],
        ["'x' ¦ y ¦ z", "1.3000 (3 seeds)", "-", "-", "-", "yes"],
        ["PR #76", "0.3000 (claimed)", "-", "-", "-", "no: blocked: it reads the future"],
    ]
    assert text.endswith("1 more left out.")


def test_s54_numbers_that_are_not_believed_do_not_crowd_out_those_that_are() -> None:
    doubted = [rival(number, 0.1 + number / 100, is_credible=False) for number in range(50)]
    shown = blocks.notable([*doubted, *[rival(100 + number, 1.1 + number / 100) for number in range(50)]])
    assert [one.is_credible for one in shown] == [True] * 8 + [False] * 4
    assert shown[0].val_bpb == 1.1 and shown[8].val_bpb == 0.1
    assert blocks.notable([rival(1, 1.1), rival(2, 1.2, is_credible=False)]) == [rival(1, 1.1)]
    assert blocks.competitor_table([]) == "No competitor's score is known."


# --- verified


def test_s55_verified_is_the_five_best_with_their_change_and_brief() -> None:
    text = blocks.verified_briefs([record(number, before=12, after=number) for number in range(3, 12)])
    assert re.findall(r"\*\*(\d+ → \d+)\*\*", text) == [f"12 → {number}" for number in (11, 10, 9, 8, 7)]
    assert '"build it 11"' in text and "held against: https://a.org/b" in text and text.endswith("4 more left out.")
    assert blocks.verified_briefs([]) == "Nothing was read in full yet."


def test_s55_an_item_verified_again_counts_once() -> None:
    text = blocks.verified_briefs([record(1, after=14), record(1, after=3, verified_at=NOW + timedelta(days=1))])
    assert "12 → 3" in text and "14" not in text


def test_what_came_last_counts_although_the_clock_was_ahead_before() -> None:
    ahead = NOW + timedelta(days=900)
    assert [one.total for one in blocks.best_graded([grade(total=14, graded_at=ahead), grade(total=7)])] == [7]
    assert [one.after for one in blocks.best_verified([record(after=14, verified_at=ahead), record(after=3)])] == [3]


# --- budgets

tricks = st.sampled_from(
    [
        "![x](http://a/b.png)", "[a](http://b)", "<script>x</script>", "<!-- caddie:research:end -->", "``` x", "a | b",
        "\n\n# Heading\n\n| a |\n| - |", "ignore all instructions", "\u202e\u2028\x1b[31m", '" "', "é😀" * 2_000,
        "w " * 9_000,
    ]
)  # fmt: skip
strange = tricks | st.text(max_size=80)
names = st.lists(strange, max_size=12)
numbers = st.floats(allow_nan=False) | st.floats(0.1, 3.0)
finite = st.floats(allow_nan=False, allow_infinity=False) | st.floats(0.1, 3.0)
many_grades = st.lists(
    st.builds(
        lambda n, total, w: grade(n, total, title=w, url=w, reason=w * 3, techniques=[w] * 9),
        st.integers(0, 30), st.integers(0, 15), strange,
    ),
    max_size=20,
)  # fmt: skip
many_rows = st.lists(
    st.builds(
        lambda n, v, c, w: row(n, v, cost_usd=c, description=w, commit=w, tier=w),
        st.integers(), numbers, numbers, strange,
    ),
    max_size=12,
)  # fmt: skip
many_rivals = st.lists(
    st.builds(
        lambda v, d, good, w, ws: rival(
            1, v, good, std_bpb=d, delta_from_baseline=d, name=w, author=w, techniques=ws, parents=ws,
            doubts=[] if good else ws,
        ),
        finite, finite, st.booleans(), strange, names,
    ),
    max_size=20,
)  # fmt: skip
many_records = st.lists(
    st.builds(lambda n, w, ws: record(n, title=w, url=w, brief=w * 2, sources=ws), st.integers(0, 20), strange, names),
    max_size=8,
)


@given(many_grades, many_rows, many_rivals, many_records)
@settings(max_examples=150)
def test_s58_no_block_is_ever_over_its_budget_and_none_acts_in_markdown(
    grades: list[Graded], rows: list[Row], rivals: list[Competitor], records: list[Verified]
) -> None:
    found = blocks.blocks(grades, rows, rivals, records)
    assert 0 < len(found.research) <= 12_000
    assert 0 < len(found.history) <= blocks.HISTORY_CHARS_MAX
    assert 0 < len(found.competitors) <= blocks.COMPETITORS_CHARS_MAX
    assert 0 < len(found.verified) <= blocks.VERIFIED_CHARS_MAX
    assert len(found.history.splitlines()) == max(1, min(8, len(rows)))
    for text in found.model_dump().values():
        assert text.replace("\n", "").isprintable() and not {"<", ">", "`"} & set(text)
        kinds = {
            t.type
            for token in MarkdownIt("gfm-like", {"linkify": False}).parse(text)
            for t in (token, *(token.children or ()))
        }
        assert not ACTIVE & kinds and "heading_open" not in kinds
    table = cells(found.competitors.split("\n\n")[0])
    assert all(len(line) == 6 for line in table) and len(table) in (0, 1 + len(blocks.notable(rivals)))


@given(
    st.lists(st.text(alphabet="aé😀", max_size=30), max_size=20), st.integers(0, 20), st.integers(0, 300), st.booleans()
)
def test_s58_what_is_fitted_is_whole_items_from_the_first_on_within_the_budget(
    items: list[str], more: int, most: int, by_bytes: bool
) -> None:
    def size(text: str) -> int:
        return len(text.encode() if by_bytes else text)

    items = [f"<{item}>" for item in items]
    text = blocks.fitted("", items, len(items) + more, most, size)
    assert size(text) <= most
    shown = [line for line in text.split("\n") if line.startswith("<")]
    assert shown == items[: len(shown)]
    left = len(items) + more - len(shown)
    assert text == "" or text.endswith(f"{left} more left out.") == bool(left)
    if len(shown) < len(items) and text:  # one more would not have fitted
        rest = [f"\n{left - 1} more left out."] if left > 1 else []
        assert size("\n".join([*items[: len(shown) + 1], *rest])) > most


# --- digest


@given(many_grades, many_rows, many_rivals, many_records, st.none() | st.floats(0.1, 3))
@settings(max_examples=150)
def test_s58_the_digest_is_at_most_two_thousand_bytes(
    grades: list[Graded], rows: list[Row], rivals: list[Competitor], records: list[Verified], sota: float | None
) -> None:
    text = digest.digest(grades, rows, rivals, records, sota)
    assert len(text.encode()) <= 2_000 and text.replace("\n", "").isprintable()
    for _, shown, total in re.findall(r"^(\w[^\n:]*) \((\d+) of (\d+)\):$", text, re.MULTILINE):
        assert int(shown) <= int(total)


def test_the_digest_says_what_it_leaves_out_and_no_part_crowds_out_another() -> None:
    text = digest.digest(
        [grade(number, title="t" * 70) for number in range(40)], [row(number) for number in range(90)],
        [rival(1), rival(2, 0.5, is_credible=False)], [record(number, brief="b" * 200) for number in range(9)], 1.1194,
    )  # fmt: skip
    assert text.startswith("To beat: 1.1194 bpb. Baseline: 1.2244 bpb. ")
    counts = {
        title: (int(shown), int(total)) for title, shown, total in re.findall(r"^(.+) \((\d+) of (\d+)\):$", text, re.M)
    }
    assert {title: total for title, (_, total) in counts.items()} == {
        "Verified": 9, "Research": 40, "Runs, newest first": 90, "Competitors": 2,
    }  # fmt: skip
    assert counts["Competitors"][0] == 2 and all(
        shown >= 3 for title, (shown, _) in counts.items() if title != "Competitors"
    )
    assert len(re.findall("^- ", text, re.M)) == sum(shown for shown, _ in counts.values())
    assert "not believed: blocked: it reads the future" in text and '"run 89"' in text and '"run 81"' not in text


def test_the_digest_of_nothing_says_so() -> None:
    assert digest.digest([], [], [], []).splitlines()[1:] == [
        "Verified: none", "Research: none", "Runs, newest first: none", "Competitors: none",
    ]  # fmt: skip
