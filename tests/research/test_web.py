"""What a stranger's server may make the client do, and what it may not."""

import gzip
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import fixture_server as fixture
import pytest
from fixture_server import FixtureServer

from golf.errors import BadConfig
from golf.research import web
from golf.research.addresses import WebFailed, checked_redirect
from golf.research.validators import Validators
from golf.research.web import Web


@pytest.fixture(scope="module")
def server() -> Iterator[FixtureServer]:
    with FixtureServer() as running:
        yield running


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "BACKOFF_S", 0.001)


def asked(server: FixtureServer, bad: str | None = None, deadline_s: float = 60.0) -> bytes:
    server.has_a({} if bad is None else {"feeds": bad})
    with Web(deadline_s) as client:
        return client.get(f"{server.url}/feeds/rss.xml").body


def test_an_answer_is_its_body(server: FixtureServer) -> None:
    assert asked(server) == fixture.RSS.encode()


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("500", "answered 500"),
        ("429", "wait for 3600 s"),
        ("drop", "cannot be reached"),
        ("huge", "over the limit of 8000000 bytes"),
        ("bomb", "over the limit of 8000000 bytes"),
        ("loop", "more than 5 times"),
        ("to_file", "not followed"),
    ],
)
def test_a_bad_day_is_an_error_that_says_what_happened(server: FixtureServer, bad: str, reason: str) -> None:
    with pytest.raises(WebFailed, match=reason) as failed:
        asked(server, bad)
    assert failed.value.retry_after_s == (3600.0 if bad == "429" else None)
    assert len(server.asked) == {"drop": web.ATTEMPTS, "loop": 1 + web.REDIRECTS_MAX}.get(bad, 1)


def test_a_server_that_hangs_is_left_at_the_deadline(server: FixtureServer) -> None:
    with pytest.raises(WebFailed, match="did not answer"):
        asked(server, "hang", deadline_s=0.3)
    server.release()


def test_a_busy_server_is_asked_again_as_late_as_it_says(
    server: FixtureServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []
    calls = iter([(503, {"retry-after": "7"}), (429, {}), (200, {})])

    def once(*_: object) -> tuple[int, dict[str, str], bytes]:
        status, said = next(calls)
        if status != 200:
            raise web._Busy("busy", web.retry_after_s(said))
        return status, said, b"at last"

    with Web(60.0, sleep=waits.append) as client:
        monkeypatch.setattr(client, "_once", once)
        assert client.get(f"{server.url}/x").body == b"at last"
    assert waits[0] == 7.0 and 0 < waits[1] <= 0.002


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "soon"}, None),
        ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "99999999999"}, None),
        ({}, None),
    ],
)
def test_retry_after_is_seconds_or_unknown(said: dict[str, str], seconds: float | None) -> None:
    assert web.retry_after_s(said) == seconds


def test_retry_after_may_be_a_date_and_github_s_limit_ends_at_a_moment() -> None:
    then = datetime.now(UTC) + timedelta(seconds=1000)
    for said in (
        {"retry-after": format_datetime(then, usegmt=True)},
        {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(then.timestamp()))},
    ):
        assert 900 < (web.retry_after_s(said) or 0) <= 1000
    assert web.retry_after_s({"retry-after": "Mon, 01 Jan 2001 00:00:00 GMT"}) == 0.0


# --- conditional questions ----------------------------------------------------------------------


def test_what_has_not_changed_is_not_sent_again(server: FixtureServer, tmp_path: Path) -> None:
    server.has_a({})
    validators, url = Validators(tmp_path / "v.json"), f"{server.url}/feeds/rss.xml"
    with Web(60.0, validators) as client:
        assert not client.get(url).is_unchanged
        client.keep()
    with Web(60.0, validators) as client:
        answer = client.get(url)
    assert answer.is_unchanged and answer.body == b""
    assert "if-none-match" in server.asked[-1][2]


def test_a_crash_before_the_items_are_stored_leaves_the_next_question_unconditional(
    server: FixtureServer, tmp_path: Path
) -> None:
    server.has_a({})
    validators, url = Validators(tmp_path / "v.json"), f"{server.url}/feeds/rss.xml"
    with Web(60.0, validators) as client:
        client.get(url)  # and no keep
    with Web(60.0, validators) as client:
        assert client.get(url).body == fixture.RSS.encode()


def test_what_was_heard_of_a_failed_part_is_forgotten(server: FixtureServer, tmp_path: Path) -> None:
    server.has_a({})
    validators = Validators(tmp_path / "v.json")
    with Web(60.0, validators) as client:
        client.get(f"{server.url}/feeds/rss.xml")
        mark = client.mark()
        client.get(f"{server.url}/feeds/atom.xml")
        client.forget_since(mark)
        client.keep()
    assert list(validators.read()) == [f"{server.url}/feeds/rss.xml"]


def test_a_damaged_file_of_validators_costs_nothing_but_time(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text('{"a": ')
    validators = Validators(tmp_path / "v.json")
    assert validators.read() == {}
    validators.add({"https://a.example/": {"If-None-Match": '"1"'}})
    assert validators.read() == {"https://a.example/": {"If-None-Match": '"1"'}}
    assert Validators(tmp_path / "v.json", is_void=True).read() == {}


# --- addresses and secrets ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/feed", "file:///etc/passwd", "ftp://example.com/", "https://", "https://a:b@example.com/",
        "https://2130706433/", "https://0x7f.0.0.1/", "https://127.1/", "//example.com", "https://[::1", "",
    ],
)  # fmt: skip
def test_only_https_is_asked_and_plain_http_on_this_machine(url: str) -> None:
    with pytest.raises(BadConfig, match="https"), Web(5.0) as client:
        client.get(url)


@pytest.mark.parametrize(
    "target",
    [
        "http://example.com/", "http://127.0.0.1/", "https://127.0.0.1/", "https://localhost./", "https://x.localhost/",
        "https://169.254.169.254/latest", "https://10.0.0.1/", "https://[::ffff:127.0.0.1]/", "https://[fe80::1]/",
        "data:text/plain,x", "javascript:alert(1)",
    ],
)  # fmt: skip
def test_no_redirect_leads_off_https_or_into_this_network(target: str) -> None:
    with pytest.raises(WebFailed, match="not followed"):
        checked_redirect("https://example.com/", target)


def test_a_redirect_to_another_public_place_is_fine() -> None:
    checked_redirect("https://example.com/", "https://www.example.org/x")


def test_no_error_shows_a_key(server: FixtureServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TAVILY_API_KEY", "tvly-topsecret-1")
    server.has_a({"feeds": "to_file"})
    with pytest.raises(WebFailed) as failed, Web(5.0) as client:
        client.get(f"{server.url}/feeds/tvly-topsecret-1?key=tvly-topsecret-1")
    assert "topsecret" not in str(failed.value)
    monkeypatch.setenv("TAVILY_API_KEY", "tvly-top\nsecret")
    with pytest.raises(BadConfig, match="TAVILY_API_KEY") as refused:
        web.secret("TAVILY_API_KEY")
    assert "tvly" not in str(refused.value)


def test_an_answer_is_unpacked_piece_by_piece_up_to_the_limit() -> None:
    with Web(60.0) as client:
        packed = gzip.compress(b"hello" * 1000)
        halves = [packed[:20], packed[20:]]
        assert client._read("https://a.example/", halves, {"content-encoding": "gzip"}) == b"hello" * 1000
        with pytest.raises(ValueError, match="not asked for"):
            client._read("https://a.example/", [b"x"], {"content-encoding": "br"})
