"""Whether two items are one thing that came in twice: by id, by address, or by nearly the same words.

Numbers count: "int6 embeddings" and "int8 embeddings" are two things, and so are two parts of a series. Two pull
requests are two things whatever they say: people submit the same README again with other seeds. One source may give
several things one title ("This week in…"), two sources hardly do.

Another question than whether two ideas are one (`golf.research.likeness`), where numbers are knob values and a
paraphrase is the same, or two programs (`golf.referee.duplicates`), where names and numbers are nothing.
"""

import math
import re
import zlib
from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, NamedTuple, TypeVar
from urllib.parse import parse_qsl, urlencode, urlsplit

from golf.research.nouns import Item

TITLE_WORDS_MIN = 4
"""A shorter title says too little."""
TITLE_SHARED_MIN = 0.8
"""Share of two titles' words, each counted once, that both have."""
TEXT_SHARED_MIN = 0.8
"""Likewise, of the runs of `RUN` words in two texts."""
RUN = 5
COMPARED_CHARS = 3_000
"""Of a text, from its beginning: an abstract and more."""
SAMPLED = 4
"""One run in so many is compared, chosen by its own hash: the same ones of the same text."""
SAMPLE_MIN = 8
"""A text with fewer of them, of some 40 words, says too little."""

TRACKING = re.compile(r"utm_\w+|fbclid|gclid|mc_[ce]id|ref|ref_src|source|share|spm")
"""Parameters that say where a reader came from, not what is read."""
ARXIV = re.compile(r"/(?:abs|pdf|html)/(?P<id>[\w.-]+(?:/\d+)?)")
PULL = re.compile(r"(/[^/]+/[^/]+/pull/\d+)(?:/.*)?")
_WORD = re.compile(r"\w+")


def canonical(url: str) -> str:
    """An address in the one way in which it is compared; not one to follow. What is no address stays as it is."""
    try:
        parts = urlsplit(url.strip())
    except ValueError:
        return url
    host = (parts.hostname or "").removeprefix("www.").removeprefix("export.")
    path = re.sub(r"/{2,}", "/", parts.path).rstrip("/")
    if host == "doi.org" and (found := re.fullmatch(r"/10\.48550/arxiv\.(.+)", path, re.IGNORECASE)):
        host, path = "arxiv.org", f"/abs/{found[1]}"
    if host == "arxiv.org" and (found := ARXIV.fullmatch(path.removesuffix(".pdf"))):
        return "arxiv.org/abs/" + re.sub(r"v\d+$", "", found["id"])
    query = sorted((k, v) for k, v in parse_qsl(parts.query) if not TRACKING.fullmatch(k.lower()))
    if host == "openreview.net" and path in ("/pdf", "/forum"):
        path, query = "/forum", [pair for pair in query if pair[0] == "id"]
    if host == "github.com" and (found := PULL.fullmatch(path)):
        path = found[1].lower()
    return host + path + (f"?{urlencode(query)}" if query else "")


class Seen:
    """The items that are known, in a form in which a new one is looked up quickly."""

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._stored: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
        """Id → source and version, oldest first."""
        self._urls: set[str] = set()
        self._items: list[_Known] = []
        self._titles: _Alike[str] = _Alike(TITLE_SHARED_MIN, TITLE_WORDS_MIN)
        self._texts: _Alike[int] = _Alike(TEXT_SHARED_MIN, SAMPLE_MIN)
        for item in items:
            self.add(item)

    def add(self, item: Item) -> None:
        """Know it from now on."""
        title, text = _words(item.title), _runs(item)
        self._stored[item.id].append((item.source, _version(item)))
        if item.url:
            self._urls.add(canonical(item.url))
        self._items.append(_Known(item.id, item.source, _numbers(title), bool(text)))
        self._titles.add(title)
        self._texts.add(text)

    def knows(self, item: Item) -> bool:
        """Whether it is a known thing, in a known version."""
        if item.id in self._stored:
            return self._is_stored(item)
        return (item.url is not None and canonical(item.url) in self._urls) or self._has_its_words(item)

    def _is_stored(self, item: Item) -> bool:
        """In its source's own last version, or in any of another's: of two sources one may lag behind the other."""
        own = [version for source, version in self._stored[item.id] if source == item.source]
        others = [version for source, version in self._stored[item.id] if source != item.source]
        return _version(item) in (*own[-1:], *others)

    def _has_its_words(self, item: Item) -> bool:
        title, text = _words(item.title), _runs(item)
        titles, texts = self._titles.find(title), self._texts.find(text)
        for place in titles | texts:
            known = self._items[place]
            if _are_two(item.id, known.id) or _numbers(title) != known.numbers:
                continue
            if place in texts or item.source != known.source or not text or not known.has_text:
                return True
        return False


class _Known(NamedTuple):
    id: str
    source: str
    numbers: frozenset[str]
    """In its title."""
    has_text: bool


Member = TypeVar("Member", str, int)


class _Alike(Generic[Member]):
    """Sets, and which of them share so much with another one: members in both over members in either (Jaccard).

    A set that shares enough has one at least of the few rarest members; so only those that do are compared, and what
    all sets have costs nothing (prefix filtering: Chaudhuri, Ganti and Kaushik, 2006).
    """

    def __init__(self, shared_min: float, least: int) -> None:
        self._shared_min = shared_min
        self._least = least
        """A set with fewer members says too little."""
        self._sets: list[frozenset[Member]] = []
        self._having: defaultdict[Member, list[int]] = defaultdict(list)

    def add(self, members: frozenset[Member]) -> None:
        for member in members:
            self._having[member].append(len(self._sets))
        self._sets.append(members)

    def find(self, members: frozenset[Member]) -> set[int]:
        """Places of those that share enough, in the order in which they were added, from 0."""
        if len(members) < self._least:
            return set()
        having = sorted((self._having.get(member, []) for member in members), key=len)
        few = len(members) - math.ceil(self._shared_min * len(members) - 1e-9) + 1
        near = {place for places in having[:few] for place in places}
        return {place for place in near if self._shares_enough(members, self._sets[place])}

    def _shares_enough(self, one: frozenset[Member], other: frozenset[Member]) -> bool:
        return len(other) >= self._least and len(one & other) / len(one | other) >= self._shared_min


def _version(item: Item) -> str:
    return item.details.get("version", "")


def _are_two(one: str, other: str) -> bool:
    """Whether these ids are of different things for what they are: two pull requests, two notes."""
    return any(one.startswith(kind) and other.startswith(kind) for kind in ("github:", "note:"))


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _numbers(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in words if any(c.isdigit() for c in word))


def _runs(item: Item) -> frozenset[int]:
    words = _WORD.findall(item.text[:COMPARED_CHARS].casefold())
    hashes = (zlib.crc32(" ".join(words[i : i + RUN]).encode()) for i in range(len(words) - RUN + 1))
    return frozenset(found for found in hashes if found % SAMPLED == 0)
