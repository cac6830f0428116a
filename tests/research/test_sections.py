"""`program.md` keeps every byte that is somebody's own, and is not touched where it is unclear which those are."""

import itertools
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import BadConfig, NotFound, UnreadableInput
from golf.research import sections
from golf.research.sections import NAMES, NOTICE, Sections, begin, end, rewrite, rewritten
from golf.workspace import Workspace

SAID = Sections(research="- one\n- two", history="no run yet", competitors="| a |\n| --- |", verified="none")


def between(content: bytes, name: sections.Name) -> bytes:
    return content.split(begin(name).encode())[1].split(end(name).encode())[0]


def outside(content: bytes) -> list[bytes]:
    """What is left when the sections are taken out, markers included."""
    pattern = b"|".join(re.escape(begin(n).encode()) + b".*?" + re.escape(end(n).encode()) for n in NAMES)
    return re.split(pattern, content, flags=re.DOTALL)


def file(*own: bytes, line_break: bytes = b"\n", order: tuple[sections.Name, ...] = NAMES) -> bytes:
    """A program.md with `own` around its four sections."""
    pieces = itertools.chain(own, itertools.repeat(b""))
    parts = [next(pieces)]
    for name in order:
        parts += [begin(name).encode(), line_break, end(name).encode(), next(pieces)]
    return b"".join(parts)


def test_s50_all_four_sections_are_rewritten_and_the_rest_is_byte_identical(tmp_path: Path) -> None:
    path = tmp_path / "program.md"
    own = (
        b"\xef\xbb\xbf# Mine\r\n\xff\xfe broken \x00\r",
        b"\r\n\r\n\ttext  \r\n",
        b"\n",
        b" \x85 ",
        b"\r\nno last break",
    )
    path.write_bytes(file(*own, line_break=b"\r\n"))
    assert rewrite(path, SAID)
    after = path.read_bytes()
    assert outside(after) == list(own)
    for name in NAMES:
        text = b"\r\n".join(getattr(SAID, name).encode().split(b"\n"))
        assert between(after, name) == b"\r\n" + NOTICE.encode() + b"\r\n" + text + b"\r\n"


def test_s50_a_thousand_rewrites_are_stable(tmp_path: Path) -> None:
    path = tmp_path / "program.md"
    own = (b"# Mine\r\n", b"\n**SOTA: 1.2244 bpb. Baseline: 1.2244 bpb.**\n", b"\xff", b"-->", b"<!--")
    path.write_bytes(file(*own))
    texts = [SAID, SAID.model_copy(update={"research": "<!-- caddie:research:end -->\r\n\r\n\\1 \\g<0>"})]
    assert rewrite(path, texts[0], 1.1)
    first = path.read_bytes()
    content = first
    for turn in range(1, 1000):
        content = rewritten(content, texts[turn % 2], 1.1 - turn / 10_000)
    assert len(content) != len(first)
    path.write_bytes(content)
    assert rewrite(path, texts[0], 1.1)
    assert path.read_bytes() == first
    assert not rewrite(path, texts[0], 1.1)


no_marker = st.binary(max_size=60).filter(lambda text: b"caddie:" not in text)
comment_like = st.sampled_from(
    [b"<!--", b"-->", b"<!-- caddie:", b":begin -->", b"\r\n", b"\r", b"\xef\xbb\xbf", b"\xff\x00"]
)
own_bytes = (
    st.lists(no_marker | comment_like, max_size=4).map(b"".join).filter(lambda text: not sections._MARKER.search(text))
)
words = st.text(max_size=200) | st.sampled_from([begin("history"), end("research"), "<!--", "--", "\\g<1>", "\ud800"])


@given(st.lists(own_bytes, min_size=5, max_size=5), st.permutations(NAMES), words, words)
def test_s50_whatever_surrounds_the_sections_and_whatever_they_say_the_rest_is_untouched(
    own: list[bytes], order: list[sections.Name], one: str, other: str
) -> None:
    before = file(*own, order=tuple(order))
    if len(sections._MARKER.findall(before)) != 8 or outside(before) != own:
        return  # a piece and a marker together read as another marker
    text = Sections(research=one, history=other, competitors=one + other, verified="")
    after = rewritten(before, text)
    assert outside(after) == own
    assert rewritten(after, text) == after
    assert outside(rewritten(after, SAID)) == own


@pytest.mark.parametrize("name", NAMES)
def test_s51_a_section_has_its_markers_and_the_notice(name: sections.Name) -> None:
    content = rewritten(sections.outline().encode(), SAID)
    assert between(content, name).decode().splitlines()[1] == NOTICE
    assert "do not edit it by hand" in NOTICE


def broken() -> dict[str, tuple[bytes, str]]:
    whole = rewritten(sections.outline().encode(), SAID)
    cut = whole.replace(end("history").encode(), b"")
    line = 1 + whole[: whole.index(begin("history").encode())].count(b"\n")
    swapped = (
        file().replace(begin("research").encode(), b"@").replace(end("research").encode(), begin("research").encode())
    )
    nested = b"\n".join(
        m.encode() for m in (begin("research"), begin("history"), end("history"), end("research"),
                             begin("competitors"), end("competitors"), begin("verified"), end("verified"))
    )  # fmt: skip
    crossed = b"\n".join(
        m.encode() for m in (begin("research"), begin("history"), end("research"), end("history"),
                             begin("competitors"), end("competitors"), begin("verified"), end("verified"))
    )  # fmt: skip
    return {
        "an end is missing": (cut, rf"{re.escape(end('history'))} is missing; line {line} has "),
        "a begin is missing": (whole.replace(begin("verified").encode(), b""), re.escape(begin("verified"))),
        "a section is missing": (
            whole.replace(begin("research").encode(), b"").replace(end("research").encode(), b""),
            "the section research is missing",
        ),
        "doubled": (whole + begin("history").encode(), rf"line \d+: .*history:begin --> stands in line {line} already"),
        "quoted in prose": (b"see `" + begin("history").encode() + b"`\n" + whole, "stands in line 1 already"),
        "swapped": (swapped.replace(b"@", end("research").encode()), "line 1: .*research:end --> stands before"),
        "nested": (nested, "line 2: .*history:begin --> stands within the section research"),
        "crossed": (crossed, "line 2: .*history:begin --> stands within the section research"),
        "misspelt": (whole.replace(b"caddie:history:begin", b"caddie:histroy:begin"), f"line {line}: .*histroy"),
        "neither begin nor end": (
            whole.replace(b"caddie:history:begin", b"caddie:history:start"),
            f"line {line}: .*start",
        ),
        "nothing at all": (b"", "the section research is missing"),
    }


@pytest.mark.parametrize("what", broken())
def test_s51_unclear_markers_are_an_error_that_names_them_and_the_file_stays_as_it_is(
    tmp_path: Path, what: str
) -> None:
    content, message = broken()[what]
    path = tmp_path / "program.md"
    path.write_bytes(content)
    before = path.stat()
    with pytest.raises(UnreadableInput, match=message) as error:
        rewrite(path, SAID, 1.1)
    assert str(path) in str(error.value)
    assert path.read_bytes() == content and path.stat().st_mtime_ns == before.st_mtime_ns
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    "words",
    [
        begin("history"),
        end("research"),
        "<!-- open",
        "<!--\ncaddie:research:end\n-->",
        "**SOTA: 0.1 bpb. Baseline: 1.2244 bpb.**",
    ],
)
def test_s51_what_a_section_says_can_be_neither_a_marker_nor_a_comment_nor_the_sota_line(words: str) -> None:
    said = Sections(research=words, history=words, competitors=words, verified=words)
    once = rewritten(sections.outline().encode(), said, 1.15)
    assert rewritten(once, said, 1.15) == once
    assert once.count(b"<!--") == once.count(b"-->") == 12
    assert once.count(b"**SOTA: 1.1500 bpb") == 1


def test_s56_the_sota_line_is_rewritten_and_rewriting_it_again_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "program.md"
    path.write_text(sections.outline())
    assert "**SOTA: 1.2244 bpb. Baseline: 1.2244 bpb.**" in path.read_text()
    rewrite(path, SAID, 1.11937)
    once = path.read_bytes()
    assert b"**SOTA: 1.1194 bpb. Baseline: 1.2244 bpb.**" in once
    assert not rewrite(path, SAID, 1.11937) and path.read_bytes() == once
    assert not rewrite(path, SAID) and path.read_bytes() == once


def test_s56_a_file_without_the_line_says_so_and_gets_none() -> None:
    assert sections.SOTA_LINE.search(sections.outline().encode())
    own = [b"# Mine: **SOTA: unknown**\n", b"", b"", b"", b"end"]
    content = rewritten(file(*own), SAID, 1.1)
    assert not sections.SOTA_LINE.search(b"".join(outside(content))) and outside(content) == own


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 0.0, -1.0, 1e300])
def test_s56_a_number_that_is_no_score_is_refused(tmp_path: Path, number: float) -> None:
    path = tmp_path / "program.md"
    path.write_text(sections.outline())
    with pytest.raises(UnreadableInput, match="is no score"):
        rewrite(path, SAID, number)
    assert path.read_text() == sections.outline()


def test_a_missing_file_is_answered_with_what_to_begin_it_with(tmp_path: Path) -> None:
    with pytest.raises(NotFound) as error:
        rewrite(tmp_path / "program.md", SAID)
    begun = str(error.value).split("\n\n", 1)[1]
    assert rewritten(begun.encode(), SAID) and not (tmp_path / "program.md").exists()


def test_a_link_is_written_through_and_may_not_lead_out_of_the_workspace(workspace: Workspace, tmp_path: Path) -> None:
    (workspace.root / "notes").mkdir()
    real = workspace.root / "notes" / "plan.md"
    real.write_text(sections.outline())
    link = workspace.root / "program.md"
    link.symlink_to(real)
    rewrite(sections.program(workspace), SAID)
    assert link.is_symlink() and b"no run yet" in real.read_bytes()
    link.unlink()
    link.symlink_to(tmp_path / "elsewhere.md")
    with pytest.raises(BadConfig, match="leads out"):
        sections.program(workspace)


def test_an_absurdly_large_file_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sections, "FILE_BYTES_MAX", 100)
    path = tmp_path / "program.md"
    path.write_text(sections.outline())
    with pytest.raises(UnreadableInput, match="over 100; it was left as it is"):
        rewrite(path, SAID)
