"""Sources in parallel, the cache, the schedule, and `golf research refresh` from end to end (rows S31-S38)."""

import json
import multiprocessing
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fixture_server import BAD_DAYS, WEB_SOURCES, FixtureServer
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import eventually
from test_sources import KEYS

from golf.cli import main
from golf.errors import UnreadableInput
from golf.research import cache, place, refresh, schedule, twins, web
from golf.research.cache import RawCache
from golf.research.gather import Outcome, gather
from golf.research.nouns import Item
from golf.research.schedule import Health
from golf.research.validators import Validators
from golf.workspace import ResearchSettings, Workspace

NOW = datetime(2026, 3, 27, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def server() -> Iterator[FixtureServer]:
    patch = pytest.MonkeyPatch()
    patch.setattr(web, "BACKOFF_S", 0.001)
    for name, key in KEYS.items():
        patch.setenv(name, key)
    with FixtureServer() as running:
        yield running
    patch.undo()


@pytest.fixture
def researched(workspace: Workspace, server: FixtureServer) -> Workspace:
    """A workspace whose golf.toml points every source at the fixture server."""
    server.has_a({})
    (workspace.root / "notes").mkdir()
    (workspace.root / "notes" / "ideas.md").write_text("# Int5 with a shared codebook\nWhy not?")
    (workspace.root / "golf.toml").write_text(server.toml('notes = "notes"'))
    return Workspace(workspace.root)


def item(id: str, title: str = "", **more: object) -> Item:
    fields = {"source": "feeds", "title": title or f"Title of {id}", "fetched_at": NOW, **more}
    return Item.model_validate({"id": id, **fields})


def raw(workspace: Workspace) -> Path:
    return workspace.state / "research" / "raw_cache.jsonl"


# --- S32, S33: in parallel, and a failing one costs the others nothing ---------------------------


def visited(server: FixtureServer, bad: dict[str, str]) -> dict[str, Outcome]:
    """Every source once; what hangs is let go when nothing else is left."""
    server.has_a(bad)
    since = dict.fromkeys(WEB_SOURCES, datetime.now(UTC) - timedelta(days=14))
    hanging = {name for name, kind in bad.items() if kind == "hang"}
    outcomes: dict[str, Outcome] = {}
    if hanging == set(WEB_SOURCES):
        server.release()
    for outcome in gather(since, server.settings()):
        outcomes[outcome.name] = outcome
        if set(WEB_SOURCES) - set(outcomes) == hanging:
            server.release()
    return outcomes


@settings(max_examples=25)
@given(st.dictionaries(st.sampled_from(WEB_SOURCES), st.sampled_from(BAD_DAYS)))
def test_s33_every_subset_of_failing_sources_still_yields_the_rest(server: FixtureServer, bad: dict[str, str]) -> None:
    outcomes = visited(server, bad)
    assert set(outcomes) == set(WEB_SOURCES)
    for name, outcome in outcomes.items():
        if name in bad:
            assert (outcome.state, outcome.items) == ("failed", []) and outcome.error, (name, bad[name])
        else:
            assert outcome.state == "ok" and outcome.items and not outcome.error, (name, outcome.error)


@pytest.mark.parametrize("kind", BAD_DAYS)
@pytest.mark.parametrize("name", WEB_SOURCES)
def test_s33_each_source_s_own_bad_day_is_told_in_words(server: FixtureServer, name: str, kind: str) -> None:
    outcome = visited(server, {name: kind})[name]
    assert outcome.state == "failed" and len(outcome.error) > 10
    assert (outcome.retry_after_s is not None) == (kind == "429")


def test_s32_the_sources_are_asked_at_the_same_time(server: FixtureServer) -> None:
    """All eight hang at once, each in its first question, before one of them is let go."""
    server.has_a(dict.fromkeys(WEB_SOURCES, "hang"))
    since = dict.fromkeys(WEB_SOURCES, NOW)
    ended: list[Outcome] = []
    all_of_them = threading.Thread(target=lambda: ended.extend(gather(since, server.settings())), daemon=True)
    all_of_them.start()
    eventually(lambda: {name for name, *_ in server.asked} == set(WEB_SOURCES))
    assert not ended
    server.release()
    all_of_them.join(60)
    assert len(ended) == len(WEB_SOURCES)


def test_s33_a_source_that_does_not_even_end_at_its_deadline_is_given_up(
    server: FixtureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    never = threading.Event()
    monkeypatch.setattr("golf.research.sources.arxiv.fetch", lambda *_: never.wait())
    (outcome,) = gather({"arxiv": NOW}, server.settings(deadline_s=0.1), grace_s=0.1)
    never.set()
    assert outcome.state == "failed" and "given up" in outcome.error


def test_s33_a_source_with_a_bug_fails_alone(server: FixtureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    server.has_a({})
    monkeypatch.setattr("golf.research.sources.arxiv.fetch", lambda *_: 1 // 0)
    outcomes = {outcome.name: outcome for outcome in gather({"arxiv": NOW, "openreview": NOW}, server.settings())}
    assert (outcomes["arxiv"].state, outcomes["openreview"].state) == ("failed", "ok")


# --- S36: each thing once -----------------------------------------------------------------------

SAME = [
    ("https://arxiv.org/abs/2603.01234", "http://export.arxiv.org/pdf/2603.01234v3.pdf"),
    ("https://arxiv.org/abs/2603.01234", "https://doi.org/10.48550/arXiv.2603.01234"),
    ("https://openreview.net/forum?id=abc", "https://openreview.net/pdf?id=abc"),
    ("https://openreview.net/forum?id=abc", "https://www.openreview.net/forum?id=abc&noteId=xyz"),
    ("https://github.com/A/b/pull/7", "https://github.com/a/B/pull/7/files#diff-1"),
    ("https://blog.example.com/post/?utm_source=x&a=1", "http://www.blog.example.com/post?a=1&utm_medium=rss#top"),
]
DIFFERENT = [
    ("https://arxiv.org/abs/2603.01234", "https://arxiv.org/abs/2603.01235"),
    ("https://github.com/a/b/pull/7", "https://github.com/a/b/pull/77"),
    ("https://blog.example.com/post?p=1", "https://blog.example.com/post?p=2"),
    ("https://blog.example.com/Post", "https://blog.example.com/other"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_s36_the_same_address_written_otherwise_is_the_same(one: str, other: str) -> None:
    assert twins.canonical(one) == twins.canonical(other) == twins.canonical(twins.canonical(f"https://{one[8:]}"))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_s36_another_address_is_another(one: str, other: str) -> None:
    assert twins.canonical(one) != twins.canonical(other)


LONG = " ".join(f"word{chr(97 + i % 26)}{chr(97 + i // 26)}" for i in range(200))


@pytest.mark.parametrize(
    ("second", "is_known"),
    [
        (item("a", "Another title altogether, really"), True),
        (item("b", "Something else", url="http://example.com/x/?utm_source=rss"), True),
        (item("c", "TERNARY weights for tiny language-models!", source="arxiv"), True),
        (item("d", "Ternary weights for tiny vision models", source="arxiv"), False),
        (item("e", "Ternary weights for tiny language models 2", source="arxiv"), False),
        (item("f", "Words of its own", text=LONG + " and some more at the end"), True),
        (item("g", "Words of its own", text=" ".join(LONG.split()[:60])), False),
        (item("h", "Ternary weights for tiny language models", text=LONG[::-1]), False),
    ],
)
def test_s36_the_same_item_by_id_url_or_near_duplicate_title_is_stored_once(
    tmp_path: Path, second: Item, is_known: bool
) -> None:
    first = item("a", "Ternary weights for tiny language models", url="https://example.com/x", text=LONG)
    stored = RawCache(tmp_path / "raw_cache.jsonl")
    assert stored.add([first, first]) == [first]
    assert stored.add([second]) == ([] if is_known else [second])
    assert RawCache(tmp_path / "raw_cache.jsonl").add([first, second]) == []


def test_s36_two_pull_requests_with_one_readme_are_two(tmp_path: Path) -> None:
    pulls = [item(f"github:a/b#{n}", "Record: the same words again", text=LONG) for n in (1, 2)]
    assert RawCache(tmp_path / "raw_cache.jsonl").add(pulls) == pulls


def test_s36_a_thing_that_was_revised_is_stored_again_and_its_newest_version_is_read(tmp_path: Path) -> None:
    versions = [item("github:a/b#1", text=text, details={"version": text}) for text in ("old", "new")]
    assert RawCache(tmp_path / "raw_cache.jsonl").add([*versions, versions[1]]) == versions
    assert cache.read(tmp_path / "raw_cache.jsonl") == [versions[1]]


def test_s36_a_source_that_lags_behind_another_stores_nothing_again(tmp_path: Path) -> None:
    """A clone that was not fetched, beside GitHub: each round would append both versions for good."""
    old, new = (
        item("github:a/b#1", text=text, source=source, details={"version": text})
        for source, text in (("clone", "old"), ("github_pulls", "new"))
    )
    stored = RawCache(tmp_path / "raw_cache.jsonl")
    assert stored.add([old, new]) == [old, new]
    assert RawCache(tmp_path / "raw_cache.jsonl").add([old, new, old, new]) == []
    assert cache.read(tmp_path / "raw_cache.jsonl") == [new]
    fetched = new.model_copy(update={"source": "clone"})
    assert stored.add([fetched]) == []


def test_s36_a_note_that_was_changed_back_is_stored_again(tmp_path: Path) -> None:
    one, other = (item("note:a.md", text=text, source="notes", details={"version": text}) for text in ("one", "other"))
    assert RawCache(tmp_path / "raw_cache.jsonl").add([one, other, one, one]) == [one, other, one]


@pytest.mark.parametrize("url", ["http://[::1", "http://a\u2100b.com/x"])
def test_s36_an_address_that_is_none_is_compared_as_it_is_written(tmp_path: Path, url: str) -> None:
    first = item("a", "Ternary weights", url=url)
    assert RawCache(tmp_path / "raw_cache.jsonl").add([first, item("b", "Something else", url=url)]) == [first]


@given(st.lists(st.frozensets(st.integers(0, 12)), max_size=20), st.frozensets(st.integers(0, 12)))
def test_s36_the_few_that_are_compared_hold_all_that_share_enough(
    sets: list[frozenset[int]], asked: frozenset[int]
) -> None:
    alike = twins._Alike(0.8, 2)
    for one in sets:
        alike.add(one)
    assert alike.find(asked) == {
        place
        for place, one in enumerate(sets)
        if min(len(one), len(asked)) >= 2 and len(one & asked) / len(one | asked) >= 0.8
    }


def test_s36_a_round_on_the_fixtures_stores_the_paper_that_two_sources_have_once(researched: Workspace) -> None:
    refresh.refresh(researched)
    ids = [one.id for one in cache.read(raw(researched))]
    assert len(ids) == len(set(ids)) and ids.count("arxiv:2603.01234") == 1


# --- S38: the cache survives --------------------------------------------------------------------


@given(st.integers(0, 400), st.booleans())
def test_s38_a_torn_line_costs_only_itself(tmp_path_factory: pytest.TempPathFactory, cut: int, again: bool) -> None:
    path = tmp_path_factory.mktemp("cache") / "raw_cache.jsonl"
    kept, torn, new = item("kept"), item("torn", "A wholly different thing"), item("new", "Third of its kind")
    RawCache(path).add([kept, torn])
    whole = path.read_bytes()
    end = max(whole.index(b"\n") + 1, len(whole) - 1 - cut)
    path.write_bytes(whole[:end])
    is_lost = end < len(whole) - 1
    RawCache(path).add([torn, new] if again else [new])
    assert {one.id for one in cache.read(path)} == {"kept", "new"} | ({"torn"} if again or not is_lost else set())
    assert all(line.startswith(b"{") for line in path.read_bytes().splitlines())


def _add(path: Path, start: int) -> None:
    stored = RawCache(path)
    for number in range(start, start + 15):
        stored.add([item(f"id{number % 20}", f"Thing called {number % 20} here")])


def test_s38_processes_that_append_at_once_store_each_thing_once_and_whole(tmp_path: Path) -> None:
    path = tmp_path / "raw_cache.jsonl"
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_add, args=(path, start)) for start in (0, 5)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(120)
        assert writer.exitcode == 0
    lines = path.read_text().splitlines()
    assert sorted(json.loads(line)["id"] for line in lines) == sorted(f"id{n}" for n in range(20))


def test_s38_new_items_are_json_lines_in_the_workspace(researched: Workspace) -> None:
    done = refresh.refresh(researched)
    lines = raw(researched).read_text().splitlines()
    assert len(lines) == done.new == len(done.items) > 10
    assert [Item.model_validate_json(line).id for line in lines] == [one.id for one in done.items]


def test_s38_a_cache_that_was_deleted_is_filled_again_although_nothing_has_changed(researched: Workspace) -> None:
    first = refresh.refresh(researched)
    assert refresh.refresh(researched, force=True).new == 0
    raw(researched).unlink()
    assert {one.id for one in refresh.refresh(researched, force=True).items} == {one.id for one in first.items}


# --- S31, S35: the schedule ---------------------------------------------------------------------


def test_s31_a_source_is_due_every_six_hours_and_breaking_news_every_hour() -> None:
    """Source: "Parameter Golf Auto Research", 2026-03-27, "The Research Pipeline"."""
    defaults = ResearchSettings()
    for name, hours in (("arxiv", 6), ("notes", 6), ("tavily_breaking", 1)):
        last = schedule.visited(None, Health(name=name, state="ok"), defaults, NOW)
        assert not schedule.is_due(last, NOW + timedelta(hours=hours, seconds=-1))
        assert schedule.is_due(last, NOW + timedelta(hours=hours))
    assert schedule.is_due(None, NOW)


@given(st.integers(1, 40), st.none() | st.floats(0, 1e7))
def test_s31_a_failed_source_is_tried_sooner_and_never_before_it_asked_to_be(
    failures: int, retry_after_s: float | None
) -> None:
    last = None
    for _ in range(failures):
        failed = Health(name="arxiv", state="failed", error="x")
        last = schedule.visited(last, failed, ResearchSettings(), NOW, retry_after_s)
    assert last is not None and last.next_due_at is not None
    wait_s = (last.next_due_at - NOW).total_seconds()
    own_s = min(6 * 3600.0, 600.0 * 2 ** (failures - 1))
    assert wait_s == pytest.approx(max(own_s, min(retry_after_s or 0.0, 86_400.0)), abs=1e-3)
    assert last.failures == failures and last.succeeded_at is None
    assert schedule.visited(last, Health(name="arxiv", state="ok"), ResearchSettings(), NOW).failures == 0


def test_s31_a_clock_that_was_ahead_does_not_silence_a_source() -> None:
    last = schedule.visited(None, Health(name="arxiv", state="ok"), ResearchSettings(), NOW + timedelta(days=900))
    assert schedule.is_due(last, NOW)


@pytest.mark.parametrize("said", ["", "[1]", "[" * 100_000, '{"arxiv": {"name": "arxiv", "checked_at": "2026-03-27"}}'])
def test_s31_a_damaged_record_of_visits_makes_everything_due(tmp_path: Path, said: str) -> None:
    (tmp_path / "kept.json").write_text(said)
    assert schedule.is_due(schedule.read(tmp_path / "kept.json").get("arxiv"), NOW)
    assert Validators(tmp_path / "kept.json").read().get("https://a.example/") is None


def test_s31_a_visit_without_a_time_zone_is_none() -> None:
    with pytest.raises(ValueError, match="timezone"):
        Health.model_validate({"name": "arxiv", "state": "ok", "checked_at": "2026-03-27T00:00:00"})


def test_s31_what_appeared_while_nobody_looked_is_asked_for() -> None:
    seen = schedule.visited(None, Health(name="arxiv", state="ok"), ResearchSettings(), NOW)
    partly = Health(name="arxiv", state="ok", error="one of four failed")
    later = schedule.visited(seen, partly, ResearchSettings(), NOW + timedelta(days=60))
    start = schedule.since(later, ResearchSettings(), NOW + timedelta(days=90))
    assert start == NOW - timedelta(days=14)


def test_s31_a_round_visits_what_is_due_and_nothing_else(researched: Workspace, server: FixtureServer) -> None:
    first = refresh.refresh(researched, now=NOW)
    assert {health.state for health in first.sources} == {"ok", "off"}  # off: no clone is named
    server.has_a({})
    early = refresh.refresh(researched, now=NOW + timedelta(minutes=59))
    assert {health.state for health in early.sources} == {"not_due", "off"} and server.asked == []
    hour = refresh.refresh(researched, now=NOW + timedelta(minutes=60))
    assert [health.name for health in hour.sources if health.state == "ok"] == ["tavily_breaking"]
    six = refresh.refresh(researched, now=NOW + timedelta(hours=6))
    assert {health.state for health in six.sources} == {"ok", "off"} and six.new == 0


def test_s35_breaking_news_that_hangs_holds_up_no_batch(researched: Workspace, server: FixtureServer) -> None:
    server.has_a({"tavily_breaking": "hang"})
    stop, told = threading.Event(), list[Health]()
    watching = threading.Thread(target=refresh.watch, args=(researched, stop), kwargs={"say": told.append}, daemon=True)
    watching.start()
    eventually(lambda: {health.name for health in told} >= {*WEB_SOURCES, "notes"} - {"tavily_breaking"})
    assert "tavily_breaking" in {name for name, *_ in server.asked}
    assert len(cache.read(raw(researched))) > 10
    assert "tavily_breaking" not in {health.name for health in told}
    server.release()
    eventually(lambda: "tavily_breaking" in {health.name for health in told})
    stop.set()
    watching.join(60)
    assert not watching.is_alive()


def test_s35_a_watch_sleeps_until_something_is_due(researched: Workspace, server: FixtureServer) -> None:
    stop, told = threading.Event(), list[Health]()
    watching = threading.Thread(target=refresh.watch, args=(researched, stop), kwargs={"say": told.append}, daemon=True)
    watching.start()
    eventually(lambda: len(told) == len(WEB_SOURCES) + 2)
    begun = time.process_time()
    assert not stop.wait(0.5)
    assert time.process_time() - begun < 0.25 and len(told) == len(WEB_SOURCES) + 2
    stop.set()
    watching.join(60)


def test_a_watch_that_can_store_nothing_ends_with_the_reason(researched: Workspace) -> None:
    place.folder(researched)
    raw(researched).mkdir()
    with pytest.raises(UnreadableInput, match="is no file"):
        refresh.watch(researched, threading.Event())


# --- the verbs ----------------------------------------------------------------------------------


def test_golf_research_refresh_reads_everything_and_lists_it(
    researched: Workspace, server: FixtureServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.has_a({"semantic_scholar": "garbage", "feeds": "500"})
    assert main(["research", "refresh", "--json"]) == 0
    said = capsys.readouterr()
    done = json.loads(said.out)
    states = {health["name"]: health["state"] for health in done["sources"]}
    assert [name for name, state in states.items() if state == "failed"] == ["semantic_scholar", "feeds"]
    assert states["clone"] == "off" and done["new"] == len(done["items"]) > 10
    assert "semantic_scholar: failed" in said.err and "arxiv: 2 found, 2 new" in said.err
    assert not any(key in said.out + said.err for key in KEYS.values())

    server.has_a({})
    assert main(["research", "refresh", "--only", "feeds", "--force"]) == 0
    assert "new: 2" in capsys.readouterr().out
    assert main(["research", "list", "--last", "2", "--json"]) == 0
    assert [row["source"] for row in json.loads(capsys.readouterr().out)] == ["feeds", "feeds"]
    assert main(["research", "list"]) == 0
    assert "Speedrun notes: which kernels matter" in capsys.readouterr().out


def test_golf_research_refresh_says_when_nothing_answered(
    researched: Workspace, server: FixtureServer, capsys: pytest.CaptureFixture[str]
) -> None:
    server.has_a(dict.fromkeys(WEB_SOURCES, "500"))
    assert main(["research", "refresh", "--only", "arxiv", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["sources"][0]["state"] == "failed"
    assert main(["research", "refresh", "--only", "reddit"]) == 2
    assert "there are: arxiv" in capsys.readouterr().err


def test_a_workspace_without_keys_and_settings_has_its_sources_and_no_error(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    off = ["tavily", "github_code", "notes", "clone", "tavily_breaking"]
    assert main(["research", "refresh", "--json", *(word for name in off for word in ("--only", name))]) == 0
    assert {health["state"] for health in json.loads(capsys.readouterr().out)["sources"]} == {"off"}
    assert main(["research", "list"]) == 0
    assert "nothing was read yet" in capsys.readouterr().out


def test_an_endpoint_off_https_is_refused_by_name(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "golf.toml").write_text('[research.endpoints]\narxiv = "http://example.com"\n')
    assert main(["research", "refresh", "--only", "arxiv"]) == 2
    assert "only https" in capsys.readouterr().err
    (workspace.root / "golf.toml").write_text("[research]\nbatch_hours = 3\n")
    assert main(["research", "refresh"]) == 2
    assert "research.batch_hours" in capsys.readouterr().err
