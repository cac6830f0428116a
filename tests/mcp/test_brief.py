"""Cutting an answer costs it words, never numbers, names or paths."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from golf.research.loop import Closed, Promise
from golf.schema import Job, Noun, Sheet, SheetPoint
from mcp_server.brief import ANSWER_BYTES_MAX, brief, fewer


def job(message: str, note: str = "") -> Job:
    return Job(
        id="j1", kind="run", subject="s", state="failed", created_at=datetime.now(UTC), message=message,
        result={"val_bpb": 1.2345678, "notes": [note]}, folder="/" + "f" * 200,
    )  # fmt: skip


def size(noun: Noun) -> int:
    return len(noun.model_dump_json().encode())


def test_an_answer_that_fits_is_left_alone() -> None:
    fits = job("short")
    assert brief(fits) is fits


@given(message=st.text(max_size=5000), note=st.text(max_size=5000))
def test_a_cut_answer_fits_and_keeps_what_is_no_prose(message: str, note: str) -> None:
    whole = job(message, note)
    cut = brief(whole)
    assert cut.result["val_bpb"] == 1.2345678
    assert (cut.id, cut.folder) == (whole.id, whole.folder)
    # escapes of control characters are longer than the text they stand for
    assert size(cut) <= ANSWER_BYTES_MAX or size(whole) > 1.5 * len((message + note).encode())


def test_the_longest_text_gives_way_first() -> None:
    cut = brief(job("m" * 9000, "a note that says it all"))
    assert cut.result["notes"] == ["a note that says it all"]
    assert cut.message.startswith("mmm")
    assert cut.message.endswith("…")


def test_hashes_survive() -> None:
    sheet = Sheet(
        experiment="e", parent=None, tier="t", hypothesis="h" * 3000, diff_sha256="a" * 64, change="c",
        diff_path="d", diff_uri="golf://diff/e",
        points=[SheetPoint(name=f"p{n}", verdict="pass", fact="f" * 500) for n in range(10)], standing="s",
    )  # fmt: skip
    assert brief(sheet).diff_sha256 == "a" * 64
    assert size(brief(sheet)) <= ANSWER_BYTES_MAX


class Shelf(Noun):
    name: str
    books: list[str]


class Library(Noun):
    shelves: list[Shelf]
    rooms: list[int]


@given(
    titles=st.lists(st.lists(st.text(max_size=60), min_size=1, max_size=6), min_size=1, max_size=6),
    rooms=st.lists(st.integers(), min_size=1, max_size=40),
    limit=st.integers(min_value=50, max_value=1500),
)
def test_fewer_entries_are_whole_ones_from_the_first_on(titles: list[list[str]], rooms: list[int], limit: int) -> None:
    """The most dispensable list gives way first; each keeps an entry, so that an answer says something."""
    whole = Library(shelves=[Shelf(name=str(n), books=books) for n, books in enumerate(titles)], rooms=rooms)
    left = fewer(whole, "shelves.books", "rooms", "shelves", limit_bytes=limit)
    assert left.rooms == rooms[: len(left.rooms)] and left.rooms
    assert [one.name for one in left.shelves] == [one.name for one in whole.shelves][: len(left.shelves)]
    for one, before in zip(left.shelves, whole.shelves, strict=False):
        assert one.books == before.books[: len(one.books)] and one.books
    is_least = len(left.rooms) == len(left.shelves) == len(left.shelves[0].books) == 1
    assert is_least or len(left.model_dump_json().encode()) <= limit
    if len(left.shelves) < len(whole.shelves):
        assert len(left.rooms) == 1
    if len(left.rooms) < len(rooms):
        assert all(len(one.books) == 1 for one in left.shelves)


def test_an_address_is_never_cut() -> None:
    address = "https://example.org/" + "x" * 900
    cut = brief(Closed(
        graded=1, tier_a=1, tier_b=0, target_bpb=None, program="missing",
        best=[Promise(id="i" * 200, tier="A", total=12, title="t" * 2000, url=address)],
    ))  # fmt: skip
    assert (cut.best[0].url, cut.best[0].id) == (address, "i" * 200)
    assert size(cut) <= ANSWER_BYTES_MAX
