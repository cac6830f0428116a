"""Cutting an answer costs it words, never numbers, names or paths."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from golf.schema import Job, Sheet, SheetPoint
from mcp_server.brief import ANSWER_BYTES_MAX, brief


def job(message: str, note: str = "") -> Job:
    return Job(
        id="j1", kind="run", subject="s", state="failed", created_at=datetime.now(UTC), message=message,
        result={"val_bpb": 1.2345678, "notes": [note]}, folder="/" + "f" * 200,
    )  # fmt: skip


def size(noun: Job | Sheet) -> int:
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
