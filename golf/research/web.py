"""The one HTTP client of research: what strangers' servers may make us do, and no more.

An answer is read up to `BODY_BYTES_MAX` as it comes, unpacked within the same limit. A redirect never leads from https
to anything else, nor onto this machine. One `Web` serves one source for one visit, and all its questions, waits and
answers end within that visit's deadline.

Surprising: what makes the next question a conditional one (ETag, Last-Modified) is kept only when the caller says that
the answers are stored (`Web.keep`). Kept earlier, a crash between answer and storage would lose the items for good: the
server would go on saying that nothing has changed.
"""

import functools
import json
import os
import random
import re
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from golf.errors import BadConfig
from golf.jobs.backend import is_loopback
from golf.jobs.heard import told
from golf.research.addresses import WebFailed, checked_redirect, checked_url, host_of
from golf.research.foreign import moment
from golf.research.validators import Validators

BODY_BYTES_MAX = 8_000_000
"""Of one answer, unpacked."""
ANSWER_S = 20.0
"""Waited for the next piece of an answer."""
ATTEMPTS = 3
REDIRECTS_MAX = 5
BACKOFF_S, BACKOFF_MAX_S = 1.0, 30.0
"""First wait before asking again, doubled each time, and the longest that is waited."""
BUSY = (429, 502, 503, 504)


class _Busy(WebFailed):
    """Worth asking again within the deadline."""


@dataclass(frozen=True)
class Answer:
    """What a server said to one question."""

    url: str
    """Where it came from, redirects followed."""
    body: bytes
    is_unchanged: bool = False
    """304: as it was when its validators were kept; the body is empty then."""

    def json(self) -> Any:
        """The body as JSON.

        Raises:
            WebFailed: it is none.
        """
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            raise WebFailed(f"{host_of(self.url)} answered with something that is not JSON") from None


class Web:
    """One source's visit; a context manager that hangs up at its end."""

    def __init__(
        self,
        deadline_s: float,
        validators: Validators | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._until = time.monotonic() + deadline_s
        self._deadline_s = deadline_s
        self._validators = validators
        self._known = validators.read() if validators else {}
        self._seen: dict[str, dict[str, str]] = {}
        self._sleep = sleep
        self._clients: dict[bool, Any] = {}

    def __enter__(self) -> "Web":
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._clients.values():
            client.close()

    def get(
        self, url: str, params: Mapping[str, str | int] | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One answer; conditional where this address has answered before.

        Raises:
            BadConfig: an address that is not asked.
            WebFailed: no usable answer.
        """
        full = f"{url}?{urlencode(params)}" if params else url
        checked_url(full)
        asked = {**(headers or {}), **self._known.get(full, {})}
        came_from = full
        for _ in range(1 + REDIRECTS_MAX):
            status, said, body = self._patiently("GET", came_from, asked, None)
            if status not in (301, 302, 303, 307, 308):
                break
            target = urljoin(came_from, said.get("location", ""))
            checked_redirect(came_from, target)
            if urlsplit(target).netloc != urlsplit(came_from).netloc:
                asked = {name: value for name, value in asked.items() if name.lower() not in SECRET_HEADERS}
            came_from = target
        else:
            raise WebFailed(f"{host_of(full)} redirects more than {REDIRECTS_MAX} times")
        kept = {
            header: said[name]
            for name, header in (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since"))
            if 0 < len(said.get(name, "")) <= 300 and said[name].isprintable()
        }
        if status == 304:
            if full not in self._known:
                raise WebFailed(f"{host_of(full)} answered 304 (not modified) to a question that was not conditional")
            return Answer(came_from, b"", is_unchanged=True)
        if kept:
            self._seen[full] = kept
        return Answer(came_from, body)

    def post(self, url: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None) -> Answer:
        """One answer to a JSON body; redirects are not followed.

        Raises:
            BadConfig: an address that is not asked.
            WebFailed: no usable answer.
        """
        checked_url(url)
        status, _, answered = self._patiently("POST", url, dict(headers or {}), dict(body))
        if status >= 300:
            raise WebFailed(f"{host_of(url)} answered {status}")
        return Answer(url, answered)

    def mark(self) -> set[str]:
        """The addresses heard so far, for `forget_since`."""
        return set(self._seen)

    def forget_since(self, mark: set[str]) -> None:
        """What was heard since is not stored, and is to be asked for in full again."""
        self._seen = {url: sent for url, sent in self._seen.items() if url in mark}

    def keep(self) -> None:
        """Everything heard is stored: next time, ask only for what has changed."""
        if self._validators:
            self._validators.add(self._seen)

    def _patiently(
        self, method: str, url: str, headers: Mapping[str, str], body: dict[str, Any] | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        """Asked again while the server is busy and there is time."""
        for attempt in range(ATTEMPTS):
            try:
                return self._once(method, url, headers, body)
            except _Busy as error:
                wait_s = error.retry_after_s
                if wait_s is None:
                    wait_s = min(BACKOFF_MAX_S, BACKOFF_S * 2**attempt * random.uniform(0.5, 1.0))
                if attempt == ATTEMPTS - 1 or wait_s > min(BACKOFF_MAX_S, self._left()):
                    raise WebFailed(str(error), error.retry_after_s) from None
                self._sleep(wait_s)
        raise AssertionError("unreachable")

    def _left(self) -> float:
        return self._until - time.monotonic()

    def _once(
        self, method: str, url: str, headers: Mapping[str, str], body: dict[str, Any] | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        import httpx2

        left_s = self._left()
        if left_s <= 0:
            raise WebFailed(f"{host_of(url)}: the source's {self._deadline_s:g} s are over")
        sent = {"User-Agent": "caddie", "Accept-Encoding": "gzip", **headers}
        try:
            with self._client(url).stream(
                method, url, headers=sent, json=body, timeout=min(ANSWER_S, left_s)
            ) as response:
                status, said = response.status_code, {k.lower(): v for k, v in response.headers.items()}
                text = b"" if 300 <= status < 400 else self._read(url, response.iter_raw(), said)
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.RemoteProtocolError, httpx2.ReadError) as error:
            raise _Busy(f"{host_of(url)} cannot be reached ({told(error) or type(error).__name__})") from None
        except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, ValueError, OSError, zlib.error) as error:
            raise WebFailed(f"{host_of(url)} did not answer ({told(error) or type(error).__name__})") from None
        if status < 400:
            return status, said, text
        message = f"{host_of(url)} answered {status}: {told(text[:300].decode(errors='replace')) or 'nothing'}"
        wait_s = retry_after_s(said)
        is_spent = status == 403 and (said.get("x-ratelimit-remaining") == "0" or wait_s is not None)  # GitHub's way
        if status in BUSY or is_spent:
            raise _Busy(f"{message}. {_when(wait_s)}", wait_s)
        raise WebFailed(message)

    def _read(self, url: str, chunks: Any, said: Mapping[str, str]) -> bytes:
        """The body, unpacked here so that a small answer cannot become a large one."""
        packed = said.get("content-encoding", "identity").strip().lower()
        if packed not in ("identity", "", "gzip", "x-gzip", "deflate"):
            raise ValueError(f"the answer is packed as {packed[:20]!r}, which was not asked for")
        unpack = None if packed in ("identity", "") else zlib.decompressobj(47)  # 47: gzip or zlib, by its head
        text = bytearray()
        for chunk in chunks:
            text += unpack.decompress(chunk, BODY_BYTES_MAX + 1 - len(text)) if unpack else chunk
            if len(text) > BODY_BYTES_MAX:
                raise ValueError(f"the answer is over the limit of {BODY_BYTES_MAX} bytes")
            if self._left() <= 0:  # a timeout of the client's is of one read: a trickle has none
                raise ValueError(f"the answer does not end within the source's {self._deadline_s:g} s")
        return bytes(text)

    def _client(self, url: str) -> Any:
        import httpx2

        is_here = is_loopback(urlsplit(url).hostname or "")
        if is_here not in self._clients:
            self._clients[is_here] = httpx2.Client(
                verify=_certificates(),
                trust_env=not is_here,  # no proxy between us and ourselves
            )
        return self._clients[is_here]


SECRET_HEADERS = ("authorization", "x-api-key", "cookie")
"""Never sent on to another host."""


def secret(name: str) -> str | None:
    """A key from the environment; None when there is none.

    Raises:
        BadConfig: it holds what no header may hold.
    """
    value = os.environ.get(name, "").strip()
    if value and not re.fullmatch(r"[!-~]+", value):
        raise BadConfig(f"{name} holds blanks or unprintable characters, which no key has. Export it anew")
    return value or None


def retry_after_s(said: Mapping[str, str]) -> float | None:
    """Seconds that a server asks to wait, by Retry-After (seconds or a date) or GitHub's x-ratelimit-reset."""
    wait = said.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", wait):
        return float(wait)
    if until := moment(wait):
        return max(0.0, (until - datetime.now(UTC)).total_seconds())
    reset = said.get("x-ratelimit-reset", "")
    if said.get("x-ratelimit-remaining") == "0" and re.fullmatch(r"\d{1,12}", reset):
        return max(0.0, float(reset) - time.time())
    return None


def _when(wait_s: float | None) -> str:
    return "Ask less often" if wait_s is None else f"It asks to wait for {wait_s:.0f} s"


@functools.cache
def _certificates() -> Any:
    """Whom we believe; read once, as that takes longer than most answers."""
    import httpx2

    return httpx2.create_ssl_context()
