"""Whether two items are one thing that came in twice: by id, by address, or by nearly the same words.

Numbers count: "int6 embeddings" and "int8 embeddings" are two things, and so are two parts of a series. Two pull
requests are two things whatever they say: people submit the same README again with other seeds. One source may give
several things one title ("This week in…"), two sources hardly do.
"""

import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
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
    """An address in the one way in which it is compared; not one to follow."""
    parts = urlsplit(url.strip())
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
        self._versions: dict[str, str] = {}
        self._urls: dict[str, str] = {}
        self._from: list[tuple[str, str]] = []
        """Id and source."""
        self._titles: list[frozenset[str]] = []
        self._texts: list[frozenset[int]] = []
        self._by_word: defaultdict[str, list[int]] = defaultdict(list)
        self._by_run: defaultdict[int, list[int]] = defaultdict(list)
        for item in items:
            self.add(item)

    def add(self, item: Item) -> None:
        """Know it from now on."""
        place, title, text = len(self._from), _words(item.title), _runs(item)
        self._versions[item.id] = item.details.get("version", "")
        if item.url:
            self._urls[canonical(item.url)] = item.id
        self._from.append((item.id, item.source))
        self._titles.append(title)
        self._texts.append(text)
        for word in title:
            self._by_word[word].append(place)
        for run in text:
            self._by_run[run].append(place)

    def knows(self, item: Item) -> bool:
        """Whether it is a known thing, in a known version."""
        known = item.id if item.id in self._versions else self._urls.get(canonical(item.url)) if item.url else None
        if known is not None:
            return known != item.id or self._versions[known] == item.details.get("version", "")
        return self._has_its_words(item)

    def _has_its_words(self, item: Item) -> bool:
        title, text = _words(item.title), _runs(item)
        titles = Counter(place for word in title for place in self._by_word[word])
        texts = Counter(place for run in text for place in self._by_run[run])
        for place in titles.keys() | texts.keys():
            other_id, other_source = self._from[place]
            if _are_two(item.id, other_id) or _numbers(title) != _numbers(self._titles[place]):
                continue
            is_text = _share(texts[place], text, self._texts[place], SAMPLE_MIN) >= TEXT_SHARED_MIN
            is_title = _share(titles[place], title, self._titles[place], TITLE_WORDS_MIN) >= TITLE_SHARED_MIN
            if is_text or (is_title and (item.source != other_source or not text or not self._texts[place])):
                return True
        return False


def _are_two(one: str, other: str) -> bool:
    """Whether these ids are of different things for what they are: two pull requests, two notes."""
    return any(one.startswith(kind) and other.startswith(kind) for kind in ("github:", "note:"))


def _share(
    both: int, one: frozenset[str] | frozenset[int], other: frozenset[str] | frozenset[int], least: int
) -> float:
    return both / (len(one) + len(other) - both) if min(len(one), len(other)) >= least else 0.0


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text.casefold()))


def _numbers(words: frozenset[str]) -> frozenset[str]:
    return frozenset(word for word in words if any(c.isdigit() for c in word))


def _runs(item: Item) -> frozenset[int]:
    words = _WORD.findall(item.text[:COMPARED_CHARS].casefold())
    hashes = (zlib.crc32(" ".join(words[i : i + RUN]).encode()) for i in range(len(words) - RUN + 1))
    return frozenset(found for found in hashes if found % SAMPLED == 0)
