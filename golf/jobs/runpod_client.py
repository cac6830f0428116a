"""RunPod's API as we use it: one GraphQL mutation, REST v2 for the rest, and what its answers mean for money.

Only what is safe to ask again is asked again. Whether a create was heard decides between "nothing was started" and
"look for it": a connection that was never made and a rate limit were not heard, a lost answer and a 5xx may have been.
The account's key is read when it is needed, kept nowhere, and taken out of whatever the other side says.

Source: RunPod's REST v2 openapi.json (2.0.0, August 2026); errors are RFC 9457 problems.
"""

import json
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from re import IGNORECASE, fullmatch, search
from typing import Any
from urllib.parse import urlsplit

from golf.jobs.backend import BackendFailed, Refused, Uncertain, is_loopback
from golf.jobs.heard import told

KEY_NAME = "RUNPOD_API_KEY"
ANSWER_S = 20.0
"""Waited for one answer; asked at most ATTEMPTS times."""
ATTEMPTS = 3

CREATE = """mutation Create($input: PodFindAndDeployOnDemandInput!) {
  podFindAndDeployOnDemand(input: $input) { id name desiredStatus costPerHr }
}"""

PLAIN_NO = r"no longer any instances|not enough free gpus|no instances|balance|funds|spend limit"
"""In messages of creates that RunPod has turned down."""
PLAIN_CODES = {"BAD_USER_INPUT", "GRAPHQL_VALIDATION_FAILED", "GRAPHQL_PARSE_FAILED", "UNAUTHENTICATED", "FORBIDDEN"}


@dataclass(frozen=True)
class Answer:
    """One answer that is not an error; 404 is none, as what is gone is an answer too."""

    status: int
    body: dict[str, Any]
    at: datetime | None
    """The server's clock."""


class _Again(BackendFailed):
    """Worth asking again; it may have been heard."""

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class _Unheard(_Again):
    """Worth asking again, and nothing was done."""


def account_key() -> str:
    """The account's key, read now and kept nowhere.

    Raises:
        Refused: it is not set.
    """
    if key := os.environ.get(KEY_NAME, "").strip():
        return key
    raise Refused(f"{KEY_NAME} is not set. Make a key in RunPod's console (Settings, API Keys) and export it")


class RunPodClient:
    """One account at one endpoint."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def create(self, asked: dict[str, Any], until: float) -> str:
        """Create a pod; asked again only where the first question was surely not heard. Returns its id.

        Raises:
            Refused: nothing was created.
            Uncertain: something may have been.
        """
        try:
            answer = self.ask("POST", "/graphql", until, {"query": CREATE, "variables": {"input": asked}})
        except _Unheard as error:
            raise Refused(f"no pod was created: {error}") from None
        except _Again as error:
            raise Uncertain(f"RunPod has not answered whether it created a pod: {error}") from None
        if answer.status == 404:
            raise Refused(f"{self._host()} has no GraphQL; see options.endpoint")
        body = answer.body
        pod = as_dict(as_dict(body.get("data")).get("podFindAndDeployOnDemand"))
        if isinstance(pod.get("id"), str):
            return checked_id(pod["id"])
        said, is_no = _graphql_errors(body)
        if is_no:
            raise Refused(f"RunPod created no pod: {told(said)}")
        raise Uncertain(f"RunPod answered the create without a pod: {told(said) or 'and without a reason'}")

    def ask(self, method: str, path: str, until: float, body: dict[str, Any] | None = None) -> Answer:
        """One answer by `until` (monotonic); what is safe to ask again is, as late as a Retry-After says.

        Raises:
            Refused: a plain no: the key, or the question.
            BackendFailed: no answer.
        """
        from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay

        retrying = Retrying(
            retry=retry_if_exception_type(_Again if body is None else _Unheard),
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(max(0.0, until - time.monotonic() - 1.0)),
            wait=_wait,
            reraise=True,
        )
        return retrying(self._ask_once, method, path, until, body)

    def _ask_once(self, method: str, path: str, until: float, body: dict[str, Any] | None) -> Answer:
        import httpx

        key = account_key()
        until = min(until, time.monotonic() + ANSWER_S)
        is_here = is_loopback(urlsplit(self.endpoint).hostname or "")
        try:
            with (
                httpx.Client(timeout=max(0.1, until - time.monotonic()), trust_env=not is_here) as client,
                client.stream(
                    method, self.endpoint + path, json=body, headers={"Authorization": f"Bearer {key}"}
                ) as response,
            ):
                text = bytearray()
                for chunk in response.iter_bytes():  # a timeout of httpx's is of one read: a trickle has none
                    text += chunk
                    if time.monotonic() > until or len(text) > 1 << 24:
                        raise httpx.ReadTimeout("the answer does not end")
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            raise _Unheard(f"{self._host()} cannot be reached ({told(error)})") from None
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            raise _Again(f"{self._host()} did not answer ({told(error) or type(error).__name__})") from None
        return self._understood(response.status_code, dict(response.headers), bytes(text))

    def _understood(self, status: int, headers: Mapping[str, str], text: bytes) -> Answer:
        """The answer as what it means for us."""
        says = f"{self._host()} answered {status}: {told(_detail(text))}"
        wait = headers.get("retry-after", "")
        wait_s = float(wait) if wait.isdecimal() else None
        if status in (401, 403):
            raise Refused(f"{says}. The key in {KEY_NAME} is not accepted, or may not do this")
        if status == 429:
            raise _Unheard(f"{says}. Ask less often", 5.0 if wait_s is None else wait_s)
        if status >= 500 or status == 408:
            raise _Again(says, wait_s)
        if status >= 300 and status != 404:
            raise Refused(says)
        body = _json(text)
        if body is None and status != 404:
            raise _Again(f"{self._host()} answered {status} with something that is not JSON")
        at = None
        with suppress(ValueError, TypeError):
            at = parsedate_to_datetime(headers.get("date", ""))
        return Answer(status, body or {}, at)

    def _host(self) -> str:
        return urlsplit(self.endpoint).netloc


def checked_id(remote_id: str) -> str:
    """The id, fit to stand in a URL.

    Raises:
        Refused: it is not.
    """
    if not fullmatch(r"[A-Za-z0-9_-]{1,64}", remote_id):
        raise Refused(f"{remote_id[:80]!r} is no id of a pod")
    return remote_id


def as_dict(value: object) -> dict[str, Any]:
    """Itself where it is an object, else an empty one: half-made pods are shown in part."""
    return value if isinstance(value, dict) else {}


def _wait(state: Any) -> float:
    """Seconds until the next attempt: as the server says, else growing with some chance."""
    from tenacity import wait_random_exponential

    error = state.outcome.exception()
    return error.wait_s if error.wait_s is not None else wait_random_exponential(multiplier=0.5, max=4)(state)


def _graphql_errors(body: dict[str, Any]) -> tuple[str, bool]:
    """What they say, and whether it is a plain no; everything else may have created a pod."""
    errors = [as_dict(error) for error in body.get("errors") or [] if isinstance(body.get("errors"), list)]
    said = "; ".join(str(error.get("message", "")) for error in errors)
    codes = {str(as_dict(error.get("extensions")).get("code", "")) for error in errors}
    is_no = search(PLAIN_NO, said, IGNORECASE)
    return said, bool(errors) and (is_no is not None or codes <= PLAIN_CODES)


def _detail(text: bytes) -> str:
    """The reason in an error's body (RFC 9457), else its beginning."""
    body = _json(text)
    if body is None:
        return text[:200].decode(errors="replace")
    return str(body.get("detail") or body.get("message") or _graphql_errors(body)[0] or body.get("title") or "")


def _json(text: bytes) -> dict[str, Any] | None:
    if not text.strip():
        return {}
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, dict) else None
