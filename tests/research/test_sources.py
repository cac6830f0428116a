"""What each source asks and understands, in the shapes in which they really answer (rows S32, S34, S37)."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import fixture_server as fixture
import pytest
from fixture_server import FixtureServer
from hypothesis import given
from hypothesis import strategies as st
from scene import git

from golf.errors import BadConfig, GolfError, UnreadableInput
from golf.research import foreign, sources
from golf.research.addresses import WebFailed
from golf.research.nouns import Item
from golf.research.sources import (
    Found,
    Off,
    arxiv,
    clone,
    feeds,
    github_code,
    github_pulls,
    notes,
    openreview,
    semantic_scholar,
    tavily,
)
from golf.research.web import Web
from golf.workspace import ResearchSettings, WebSearch

NOW = datetime(2026, 3, 27, tzinfo=UTC)
KEYS = {"TAVILY_API_KEY": "tvly-0123456789", "GITHUB_TOKEN": "ghp_0123456789", "S2_API_KEY": "s2-0123456789"}


@pytest.fixture(scope="module")
def server() -> Iterator[FixtureServer]:
    with FixtureServer() as running:
        yield running


@pytest.fixture
def fine(server: FixtureServer, monkeypatch: pytest.MonkeyPatch) -> FixtureServer:
    """A day on which everything answers, and every key is set."""
    server.has_a({})
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    return server


def visit(server: FixtureServer, name: str, **settings: object) -> Found:
    chosen = server.settings(**settings)
    with Web(60.0) as web:
        return sources.opened(name)(datetime.now(UTC) - timedelta(days=14), chosen, web)


# --- S32: every source, offline -----------------------------------------------------------------


@pytest.mark.parametrize("name", fixture.WEB_SOURCES)
def test_s32_every_source_of_the_web_brings_what_is_new_and_leaves_out_what_is_old(
    fine: FixtureServer, name: str
) -> None:
    found = visit(fine, name)
    assert found.items and not found.failures
    assert {item.source for item in found.items} == {name}
    assert all(item.published_at is None or item.published_at > fixture.LONG_AGO for item in found.items)
    assert all(item.title and item.url for item in found.items)


def test_s32_the_published_seven_are_there_and_breaking_news_apart() -> None:
    batch = [name for name, one in sources.SOURCES.items() if one.cadence == "batch"]
    assert batch[:7] == [
        "arxiv", "openreview", "semantic_scholar", "github_pulls", "feeds", "tavily", "github_code",
    ]  # fmt: skip
    assert [name for name, one in sources.SOURCES.items() if one.cadence == "breaking"] == ["tavily_breaking"]


def test_an_arxiv_paper_is_one_item_whatever_its_version() -> None:
    first = arxiv.parse(fixture.ARXIV.encode(), NOW)[0]
    assert (first.id, first.url) == ("arxiv:2603.01234", "https://arxiv.org/abs/2603.01234")
    assert first.title == "Ternary weights for tiny language models"
    assert first.authors == ["Ada Lovelace", "Alan Turing"]
    assert first.published_at == fixture.YESTERDAY
    assert first.text.startswith("We train small language models with low-bit weights & report")
    assert first.details == {"category": "cs.LG"}


def test_arxiv_is_asked_once_for_all_phrases_newest_first() -> None:
    asked = arxiv.asked(ResearchSettings(queries=['a "b"', "c"], categories=["cs.LG", "cs.CL"]))
    assert asked["search_query"] == '(all:"a  b" OR all:"c") AND (cat:cs.LG OR cat:cs.CL)'
    assert (asked["sortBy"], asked["sortOrder"]) == ("submittedDate", "descending")


def test_arxiv_s_feed_of_one_error_is_an_error() -> None:
    with pytest.raises(WebFailed, match="incorrect id format"):
        arxiv.parse(fixture.ARXIV_ERROR.encode(), NOW)


def test_openreview_s_envelopes_are_opened_and_its_absent_index_is_no_empty_result() -> None:
    item = openreview.parse(fixture.openreview("muon"), NOW)[1]
    assert (item.id, item.url) == ("openreview:a68SUt6zFt", "https://openreview.net/forum?id=a68SUt6zFt")
    assert item.published_at == fixture.YESTERDAY
    assert item.details == {"venue": "ICLR 2026 Poster"}
    with pytest.raises(WebFailed, match="not available"):
        openreview.parse({"notes": [], "count": 0, "searchUnavailable": True}, NOW)


def test_a_paper_of_semantic_scholar_that_is_on_arxiv_bears_arxiv_s_id() -> None:
    found = semantic_scholar.parse(fixture.SEMANTIC_SCHOLAR, NOW)
    assert [item.id for item in found] == [
        "arxiv:2603.01234", "semantic_scholar:0796f6cd7f0403a854d67d525e9b32af3b277331",
    ]  # fmt: skip
    assert found[1].text == "" and found[1].authors == ["Emmy Noether"]


def test_a_pull_request_brings_what_its_record_folder_says(fine: FixtureServer) -> None:
    found = {item.id: item for item in visit(fine, "github_pulls").items}
    item = found["github:openai/parameter-golf#1074"]
    assert "What it does." in item.text and "val_bpb: 1.1574 over 3 seeds." in item.text
    assert '"author": "ada"' in item.text and "import torch" not in item.text
    assert item.details["folders"] == "records/track_10min_16mb/2026-03-20_Int6_1074"
    assert item.details["version"] == f"{1074:040x}"
    assert found["github:openai/parameter-golf#1075"].details["state"] == "merged"


def test_a_file_that_github_leaves_out_of_the_patch_is_asked_for_by_itself(fine: FixtureServer) -> None:
    found = {item.id: item for item in visit(fine, "github_pulls").items}
    assert "1.1574 over 3 seeds" in found["github:openai/parameter-golf#1075"].text
    contents = [path for _, path, _, _ in fine.asked if "/contents/" in path]
    assert contents == [
        "/github/repos/openai/parameter-golf/contents/records/track_10min_16mb/2026-03-20_Int6_1075/README.md"
        f"?ref={1075:040x}"
    ]


def test_s34_the_three_repositories_are_watched(fine: FixtureServer) -> None:
    """Source: "Parameter Golf Auto Research", 2026-03-27, "The Research Pipeline"."""
    three = ["openai/parameter-golf", "KellerJordan/modded-nanogpt", "karpathy/autoresearch"]
    assert ResearchSettings().repositories == three
    visit(fine, "github_pulls")
    assert [path.split("?")[0] for _, path, _, _ in fine.asked if path.split("?")[0].endswith("/pulls")] == [
        f"/github/repos/{name}/pulls" for name in three
    ]


def test_code_search_is_off_without_a_token_and_shows_the_fragments_with_one(
    fine: FixtureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    item = github_code.parse(fixture.CODE, NOW)[0]
    assert item.id == "github-code:someone/golf/records/x/train_gpt.py"
    assert item.text == "Golf\n…\nval_bpb = 1.15"
    monkeypatch.delenv("GITHUB_TOKEN")
    with pytest.raises(Off, match="GITHUB_TOKEN"):
        visit(fine, "github_code")


# --- S37: Tavily --------------------------------------------------------------------------------


@given(st.floats(allow_nan=True, allow_infinity=True) | st.none() | st.just("0.9"))
def test_s37_only_a_number_of_at_least_0_4_is_relevant(score: object) -> None:
    answer = {"results": [{"url": "https://a.example/1", "title": "t", "content": "c", "score": score}]}
    found = tavily.parse(answer, "tavily", "ml", NOW)
    assert bool(found) == (isinstance(score, float) and 0.4 <= score < float("inf"))


def test_s37_a_relevance_of_0_40_is_kept_and_0_39_is_dropped(fine: FixtureServer) -> None:
    for name in ("tavily", "tavily_breaking"):
        assert {item.relevance for item in visit(fine, name).items} == {0.93, 0.40}


def test_s32_tavily_searches_in_three_scheduled_modes_and_apart_for_news(fine: FixtureServer) -> None:
    assert {item.details["mode"] for item in visit(fine, "tavily").items} == {"ml", "math", "systems"}
    assert {json.loads(said)["topic"] for _, _, _, said in fine.asked} == {"general"}
    fine.has_a({})
    assert {item.details["mode"] for item in visit(fine, "tavily_breaking").items} == {"breaking"}
    bodies = [json.loads(said) for _, _, _, said in fine.asked]
    assert {(body["topic"], body["time_range"]) for body in bodies} == {("news", "day")}
    assert {headers["authorization"] for _, _, headers, _ in fine.asked} == {f"Bearer {KEYS['TAVILY_API_KEY']}"}


def test_tavily_without_a_key_is_off(fine: FixtureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TAVILY_API_KEY")
    for name in ("tavily", "tavily_breaking"):
        with pytest.raises(Off, match="TAVILY_API_KEY is not set"):
            visit(fine, name)
    assert fine.asked == []


def test_domains_are_named_only_where_there_are_any() -> None:
    search = WebSearch(queries=["q"], domains=["arxiv.org"])
    assert tavily.asked(search, "q")["include_domains"] == ["arxiv.org"]
    assert "include_domains" not in tavily.asked(WebSearch(queries=["q"]), "q")


# --- feeds --------------------------------------------------------------------------------------


def test_a_feed_s_html_becomes_text_and_its_longest_part_is_read() -> None:
    item = feeds.parse(fixture.RSS.encode(), "https://blog.example.com/rss", NOW)[0]
    assert item.title == "Why rotary embeddings & norms quantise badly"
    assert "longer" in item.text and "<" not in item.text
    assert (item.authors, item.published_at) == (["Ada"], fixture.YESTERDAY)


def test_one_failing_feed_costs_neither_the_other_nor_the_source(fine: FixtureServer) -> None:
    both = [f"{fine.url}/feeds/missing.xml", f"{fine.url}/feeds/atom.xml"]
    found = visit(fine, "feeds", feeds=both)
    assert [item.title for item in found.items] == ["Speedrun notes: which kernels matter"]
    assert len(found.failures) == 1 and "404" in found.failures[0]
    with pytest.raises(WebFailed, match="404"):
        visit(fine, "feeds", feeds=both[:1])


FEED = '<rss version="2.0"><channel><title>&b;</title></channel></rss>'
ENTITIES = '<!DOCTYPE r [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;">]>' + FEED
FILE = '<!DOCTYPE r [<!ENTITY b SYSTEM "file:///etc/passwd">]>' + FEED
DEEP = '<rss version="2.0"><channel><item><title>t</title>' + "<b>" * 300_000
LONG = '<rss version="2.0"><channel><item><title>t &' + "<b x" * 300_000


@pytest.mark.parametrize(
    ("body", "reason"),
    [(ENTITIES, "entities"), (FILE, "entities"), (ENTITIES.encode("utf-16"), "entities"), (DEEP, "nested"),
     (LONG, "well-formed"), ("", "neither"), ("<html><body>hello</body></html>", "neither"), ('{"a": 1}', "neither")],
)  # fmt: skip
def test_a_feed_that_would_choke_a_parser_or_is_none_is_refused(body: str | bytes, reason: str) -> None:
    with pytest.raises(WebFailed, match=reason):
        feeds.parse(body.encode() if isinstance(body, str) else body, "https://a.example/", NOW)


def test_a_short_feed_may_be_slightly_malformed() -> None:
    body = '<rss version="2.0"><channel><item><title>A & B</title><link>https://a.example/1</link></item>'
    assert [item.title for item in feeds.parse(body.encode(), "https://a.example/", NOW)] == ["A & B"]


# --- the two folders ----------------------------------------------------------------------------


def test_notes_are_read_as_they_lie_and_links_are_not_followed(tmp_path: Path) -> None:
    folder = tmp_path / "notes"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub" / "ideas.md").write_text("intro\n# Try int5 #\nbecause\n")
    (folder / "plain.md").write_text("no heading")
    (folder / "image.png").write_bytes(b"x")
    (tmp_path / "secret.md").write_text("# secret")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    with Web(5.0) as web:
        found = notes.fetch(NOW, ResearchSettings(notes=str(folder)), web).items
        assert {(item.id, item.title) for item in found} == {
            ("note:sub/ideas.md", "Try int5"), ("note:plain.md", "plain.md"),
        }  # fmt: skip
        with pytest.raises(Off):
            notes.fetch(NOW, ResearchSettings(), web)


def test_a_clone_gives_the_same_items_as_github_and_checks_nothing_out(tmp_path: Path) -> None:
    repository = tmp_path / "clone"
    repository.mkdir()
    git(repository, "init", "--quiet", "-b", "main")
    git(repository, "config", "user.email", "a@example.com")
    git(repository, "config", "user.name", "ada")
    (repository / "README.md").write_text("the challenge")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "start")
    folder = repository / "records/track_10min_16mb/2026-03-20_Int6"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text(fixture.README)
    (folder / "submission.json").write_text(fixture.SUBMISSION)
    (folder / "train_gpt.py").write_text("x = 1")
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "a record")
    git(repository, "update-ref", "refs/remotes/origin/pr/1074", "HEAD")
    git(repository, "reset", "--hard", "--quiet", "HEAD~1")
    with Web(5.0) as web:
        (item,) = clone.fetch(NOW, ResearchSettings(clone=str(repository)), web).items
        assert (item.id, item.title) == ("github:openai/parameter-golf#1074", "Int6 embeddings")
        assert item.url == "https://github.com/openai/parameter-golf/pull/1074"
        assert "val_bpb: 1.1574" in item.text and "x = 1" not in item.text
        assert not folder.exists()
        with pytest.raises(Off):
            clone.fetch(NOW, ResearchSettings(), web)
        with pytest.raises(BadConfig, match="git -C"):
            clone.fetch(NOW, ResearchSettings(clone=str(tmp_path)), web)


# --- what strangers write -----------------------------------------------------------------------

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["notes", "data", "results", "items", "title", "content", "url", "score", "number", "id"]),
            inner,
            max_size=6,
        )
    ),
    max_leaves=25,
)


@given(json_values)
def test_whatever_json_comes_it_is_items_or_an_error_of_ours(answer: object) -> None:
    for parse in (
        lambda: openreview.parse(answer, NOW),
        lambda: semantic_scholar.parse(answer, NOW),
        lambda: github_pulls.parse(answer, "a/b", NOW),
        lambda: github_code.parse(answer, NOW),
        lambda: tavily.parse(answer, "tavily", "ml", NOW),
    ):
        try:
            found = parse()
        except UnreadableInput:
            continue
        assert all(Item.model_validate_json(item.model_dump_json()) for item in found)


@pytest.mark.parametrize("answer", [{}, [], None, {"notes": {}}, {"data": None}, {"items": 3}, {"results": "x"}])
def test_an_answer_without_its_list_is_an_error_and_not_nothing_found(answer: object) -> None:
    for parse in (openreview.parse, semantic_scholar.parse, github_code.parse):
        with pytest.raises(WebFailed, match="list"):
            parse(answer, NOW)


@given(st.text(st.characters(), max_size=200) | st.text(max_size=50))
def test_what_is_kept_of_a_text_is_printable_and_short(text: str) -> None:
    assert all(c.isprintable() for c in foreign.line(text)) and len(foreign.line(text, 20)) <= 20
    assert all(c.isprintable() or c == "\n" for c in foreign.prose(text))
    assert len(foreign.prose(text, 30)) <= 30 and len(foreign.plain(text, 30)) <= 30
    foreign.prose(text).encode()  # no half of a surrogate pair is left


@given(st.one_of(st.text(max_size=40), st.integers(), st.floats(), st.none(), st.binary(max_size=5)))
def test_a_date_is_a_moment_in_utc_or_none(said: object) -> None:
    found = foreign.moment(said)
    assert found is None or found.utcoffset() == timedelta(0)


def test_an_instruction_in_a_readme_stays_text_of_an_item(fine: FixtureServer) -> None:
    item = visit(fine, "github_pulls").items[0]
    assert "Ignore all previous instructions" in item.text
    own = {"repository", "number", "state", "updated_at", "version", "folders"}
    assert set(item.details) <= own | {"submission", "submissions", "val_bpb"}


def test_an_unknown_source_is_named_with_those_there_are() -> None:
    with pytest.raises(BadConfig, match=r"'reddit'; there are: arxiv"):
        sources.chosen(ResearchSettings(off=["reddit"]))
    with pytest.raises(GolfError):
        sources.chosen(ResearchSettings(), ["nope"])
    assert "feeds" not in sources.chosen(ResearchSettings(off=["feeds"]))


NO_ADDRESSES = [
    "http://[::1", "http://a\u2100b.com/x", "javascript:alert(1)", "file:///etc/passwd", "https://", "", "words",
    "https://arxiv.org@evil.example/", "https://a b.example/", "https://a.example/" + "x" * 1_000, None, 7,
]  # fmt: skip


@pytest.mark.parametrize("said", NO_ADDRESSES)
def test_what_is_no_address_of_the_web_is_not_kept_as_one(said: object) -> None:
    assert foreign.address(said) is None
    paper = {"paperId": "1", "title": "t", "url": said}
    assert semantic_scholar.parse({"data": [paper]}, NOW)[0].url is None
    good = {"url": "https://a.example/1", "title": "t", "content": "c", "score": 0.9}
    assert [item.url for item in tavily.parse({"results": [{**good, "url": said}, good]}, "tavily", "ml", NOW)] == [
        "https://a.example/1"
    ]


def test_a_feed_s_relative_links_lead_to_its_own_server_and_an_entry_without_title_or_link_is_none() -> None:
    entry = "<item><title>{}</title><link>{}</link></item>"
    bad = (("&lt;b&gt;&lt;/b&gt;", "/post/2"), ("C", "x:y"), ("D", ""))
    entries = entry.format("A", "/post/1") + "".join(entry.format(*one) for one in bad)
    body = f'<rss version="2.0"><channel>{entries}</channel></rss>'.encode()
    urls = [feeds.parse(body, url, NOW)[0].url for url in ("https://a.example/rss", "https://b.example/feed/rss")]
    assert urls == ["https://a.example/post/1", "https://b.example/post/1"]
    assert len(feeds.parse(body, "https://a.example/rss", NOW)) == 1


def test_a_feed_in_golf_toml_that_is_no_address_costs_the_others_nothing(fine: FixtureServer) -> None:
    found = visit(fine, "feeds", feeds=["http://[::1", f"{fine.url}/feeds/atom.xml"])
    assert len(found.items) == 1
    assert found.failures == ["http://[::1: 'http://[::1' is no address"]


def test_s37_true_is_no_relevance() -> None:
    answer = {"results": [{"url": "https://a.example/1", "title": "t", "content": "c", "score": True}]}
    assert tavily.parse(answer, "tavily", "ml", NOW) == []


@pytest.mark.parametrize(
    ("text", "heading"),
    [
        ("intro\n## Try int5 ##\n# later", "Try int5"),
        ("# ###\n#  \n# C", "C"),
        ("#none\nno heading", None),
        ("# a" + "#" * 200_000 + "b", "a" + "#" * 200_000 + "b"),
        ("#" + " " * 200_000 + "\nx", None),
    ],
    ids=["first", "empty", "none", "long", "blank"],
)
def test_a_heading_is_the_first_that_says_anything_and_found_in_linear_time(text: str, heading: str | None) -> None:
    """A pull request's README may be made for a search that takes quadratic time, in which nothing else runs."""
    started = time.process_time()
    assert notes.heading(text) == heading
    assert time.process_time() - started < 2.0  # milliseconds; a quadratic one takes minutes


@given(st.datetimes())
def test_a_date_without_a_zone_is_in_utc(said: datetime) -> None:
    assert foreign.moment(said) == foreign.moment(said.isoformat()) == said.replace(tzinfo=UTC)


@given(st.text())
def test_a_line_is_prose_without_its_line_breaks_and_both_are_the_same_cleaned_again(text: str) -> None:
    assert foreign.line(text) == foreign.line(foreign.prose(text))
    assert foreign.prose(foreign.prose(text)) == foreign.prose(text)
    assert foreign.line(foreign.line(text)) == foreign.line(text)
