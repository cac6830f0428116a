"""The page says what is known, and nothing that strangers wrote acts in it."""

import json

from fields import found, placed, program, ruling
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from golf.referee import brief
from golf.referee.bulletin import bulletin, code, text
from golf.referee.field import Field
from golf.referee.survey import survey
from golf.rulings import Evidence

ACTIVE = {"link_open", "image", "html_inline", "html_block", "autolink", "fence", "code_block"}


def tokens(page: str) -> list[str]:
    parser = MarkdownIt("gfm-like", {"linkify": False})
    found = parser.parse(page)
    return [one.type for token in found for one in (token, *(token.children or ()))]


def field(name: str = "a", words: str = "it does", before: dict[str, str] | None = None) -> Field:
    line = Evidence(file=words.strip() or "f", line=3, quote=words.strip() or "q")
    blocked = ruling("block", findings=[found("block", words.strip() or "w", line)], author=words, track=words or None)
    return survey(
        [
            placed(name, blocked, program(1, 1), "2026-04-01"),
            placed("#2 good", ruling(claimed_val_bpb=1.19, techniques=["xsa"]), program(0.95, 1), "2026-04-02"),
            placed("#3 open", ruling("review", (1.0,), claimed_val_bpb=1.0), program(0.6, 1), "2026-04-09"),
        ],
        "here",
        before,
    )


def test_the_page_has_each_part_with_its_evidence() -> None:
    page = bulletin(field(before={"#2 good": "block"}), title="Golf", day="2026-05-01")
    assert page.startswith("# Golf: live updates\n\n3 submissions on 2026-05-01: **1 blocked**")
    for line in (
        "| `a` | 1.20000 (3 seeds) | block | because |",
        "| `#2 good` | block → clear |",
        "| 1 | `#2 good` | - | 1.20000 (3 seeds) | 1.19000 | 2 | - |",
        "| `#3 open` | 1.00000 (1 seed) | 1 | open | because |",
        "### SIZE_OVER: 1",
        "| `a` | 1.20000 (3 seeds) | 0.90 | `it does:3` `it does` |",
        "| `#2 good` | clear | `a` | 95% |",
        "| `a` | 3 | 1 | `#2 good` | - |",
        "| 2026-W14 | 2 | 95% | - | 1 | `xsa` |",
        "| exclusive self-attention &#40;XSA&#41; | attention | 1 | 0 | 0 | 1 | 0 | `#2 good` |",
    ):
        assert line in page.splitlines(), line


def test_an_unchanged_field_says_so() -> None:
    same = {"a": "block", "#2 good": "clear", "#3 open": "review"}
    assert "Nothing changed." in bulletin(field(before=same))
    assert "Since the last run" not in bulletin(field())


signs = st.text(alphabet=st.sampled_from("`|*_[]()<>#!\\~&@:/\n\r\t .w-+1a\x1b\u202e\u2028"), max_size=60)
tricks = st.sampled_from(
    [
        "[click](https://example.org)", "![x](http://a/b.png)", "<script>alert(1)</script>", "@someone #1 ``` ```",
        "| a | b |\n| --- | --- |", "\n\n# Heading", "`` ` ``", "www.example.org", "<!-- -->", "&lt;b&gt;", "\\`",
        "- [ ] x",
    ]
)  # fmt: skip
hostile = signs | tricks


@given(hostile)
@settings(max_examples=150)
def test_nothing_strangers_wrote_links_loads_or_leaves_its_cell(words: str) -> None:
    plain, odd = tokens(bulletin(field())), tokens(bulletin(field(words.strip() or "n", words)))
    assert not ACTIVE & set(odd)
    for kind in ("tr_open", "td_open", "th_open", "heading_open", "table_open", "bullet_list_open"):
        assert odd.count(kind) == plain.count(kind), kind


@given(hostile)
def test_a_cell_is_one_line_that_nothing_breaks(words: str) -> None:
    for cell in (code(words), text(words)):
        assert cell.isprintable() and "|" not in cell
    assert "@" not in text(words) and "://" not in text(words) and "www." not in text(words)


def test_long_words_are_cut() -> None:
    assert len(code("x" * 10_000)) < 200 and len(text("x" * 10_000)) < 300


def test_a_long_list_is_counted_and_cut() -> None:
    many = [placed(f"#{number} x", ruling("block")) for number in range(100)]
    page = bulletin(survey(many, "here"))
    assert "and 70 more." in page and len(page) < 20_000


# --- in short


def test_a_summary_names_the_leaders_and_fits_in_two_kilobytes() -> None:
    many = [
        *[placed(f"#{number} {'x' * 90}", ruling("block")) for number in range(300)],
        *[placed(f"#{number} {'é' * 200}", ruling(track=f"track{number % 7}")) for number in range(400, 600)],
        placed("#9 best", ruling(scores=(0.9, 0.9, 0.9), claimed_val_bpb=0.89)),
    ]
    seen = survey(many, "here", {})
    short = brief.summary(seen, page="out/page.md", data="out/field.json")
    dumped = short.model_dump_json().encode()
    assert len(dumped) <= brief.SUMMARY_BYTES_MAX
    assert "10min_16mb 1: 0.90000 over 3 seeds, rank 1 by claim, #9 best" in short.leaders
    assert (short.num_submissions, short.num_blocked, short.num_clear, short.num_new) == (501, 300, 201, 501)
    assert short.page == "out/page.md" and short.blocked


def test_the_short_answer_holds_what_decides_and_no_notes() -> None:
    notes = [found("note", "good to know"), found("flag", "look at it")]
    seen = survey([placed("a", ruling("review", findings=[notes[1], notes[0]])), placed("b")], "here")
    answer = brief.triaged(seen)
    assert [entry.submission for entry in answer.submissions] == ["a", "b"]
    assert [finding.text for finding in answer.submissions[0].findings] == ["look at it"]
    assert json.loads(answer.model_dump_json())["submissions"][0]["findings"][0]["evidence"][0]["line"] == 3
