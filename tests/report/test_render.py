"""The views are read by people and by grep; both are held here."""

import io
import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from golf.report import render, words
from golf.schema import Artifact, Budget, CodecSize, Evaluation, History, Job, Noun, Part, Promotion, Result, Row

ROOT = Path(__file__).parents[2]
BOX_OR_ESCAPE = re.compile("[\u2500-\u257f\x1b]")
HOSTILE = "a\tb\x1b[31mred\x1b]0;title\x07\r\nnext\u202ereversed\x9b2J [bold]x[/bold] :smile:"


def artifact(model_bytes: int = 4_500_000) -> Artifact:
    return Artifact(
        path="experiments/wide",
        artifact_bytes=12_001 + model_bytes,
        limit_bytes=16_000_000,
        code_bytes=12_001,
        model_bytes=model_bytes,
        tokenizer_bytes=250_000,
        accounting="shipped",
        totals={"shipped": 12_001 + model_bytes, "packed": 4_000 + model_bytes},
        parts=[
            Part(path="train_gpt.py", kind="code", bytes=12_001),
            Part(path="model.ptz", kind="model", bytes=model_bytes),
        ],
        savings=[CodecSize(codec="brotli-11", bytes=4_400_000, saved_bytes=100_000)],
        notes=["the tokenizer is the challenge's size but not its bytes"],
    )


def evaluation(is_subset: bool) -> Evaluation:
    return Evaluation(
        checkpoint="model.ptz",
        checkpoint_sha256="ab" * 32,
        val_bpb=2.2125123456,
        val_loss=3.9,
        scored_tokens=32_768 if is_subset else 400_000,
        scored_bytes=81_000,
        total_tokens=400_000,
        is_subset=is_subset,
        seq_len=512,
        stride=512,
        byte_source="tokenizer",
        dtype="float32",
        device="cpu",
        eval_time_s=4.04,
        peak_memory_bytes=812_000_000,
        shards=["fineweb_val_000000.bin"],
    )


def budget() -> Budget:
    return Budget(
        total_usd=500,
        reserve_usd=50,
        spent_usd=3.5,
        reserved_usd=0,
        remaining_usd=496.5,
        run_cost_usd=3.5,
        runs_left=127,
        next_allowed_at=None,
        verdict="ok",
        allowed=True,
        message="127 runs left above the reserve of $50.00",
    )


def job(id: str = "j1", **changes: object) -> Job:
    values = {
        "id": id,
        "kind": "run",
        "subject": "2026-11-20_wide",
        "state": "running",
        "created_at": datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
        "phase": "training seed 1337",
        "step": 40,
        "iterations": 300,
        "metrics": {"val_bpb": 2.5},
        "folder": ".golf/jobs/j1",
    }
    return Job.model_validate({**values, **changes})


def row(val_bpb: float | None, status: str = "keep", tier: str = "local", description: str = "wide") -> Row:
    return Row.model_validate(
        {
            "commit": "0123abc",
            "tier": tier,
            "val_bpb": val_bpb,
            "artifact_bytes": None if val_bpb is None else 4_512_001,
            "memory_gb": None,
            "status": status,
            "promoted": "no",
            "cost_usd": 0.0,
            "description": description,
        }
    )


def text(noun: object, **options: object) -> str:
    out = io.StringIO()
    render.show(noun, file=out, **options)
    return out.getvalue()


def on_terminal(noun: object, columns: int = 100) -> str:
    """What a real terminal of that width receives."""
    return through_pty(lambda file: render.show(noun, file=file), columns)


def through_pty(act: Callable[[io.TextIOWrapper], object], columns: int = 100) -> str:
    import fcntl
    import struct
    import termios
    import threading

    reader, writer = pty.openpty()
    fcntl.ioctl(writer, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    received = bytearray()

    def drain() -> None:
        try:
            while chunk := os.read(reader, 65536):
                received.extend(chunk)
        except OSError:  # Linux says EIO when the other end is closed
            pass

    thread = threading.Thread(target=drain)
    thread.start()
    try:
        with open(writer, "w", encoding="utf-8") as file:
            act(file)
    finally:
        thread.join(timeout=10)
        os.close(reader)
    return received.decode()


@pytest.fixture(autouse=True)
def a_plain_colour_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_COLOR", "FORCE_COLOR", "COLUMNS", "LINES", "COLORTERM"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def test_an_artifact_within_the_limit_prints_the_promised_lines_first():
    lines = text(artifact()).splitlines()
    assert lines[:4] == ["artifact_bytes: 4512001", "headroom: 11487999", "status: OK", "accounting: shipped"]
    assert "part train_gpt.py: bytes 12001, code, as is" in lines
    assert "total packed: artifact_bytes 4504000" in lines
    assert "codec brotli-11: model_bytes 4400000, saved_bytes 100000" in lines
    assert lines[-1] == "note: the tokenizer is the challenge's size but not its bytes"


def test_an_artifact_one_byte_over_says_so_in_words():
    lines = text(artifact(16_000_001 - 12_001)).splitlines()
    assert lines[:3] == ["artifact_bytes: 16000001", "headroom: -1", "status: OVER LIMIT"]


def test_s120_an_evaluation_says_when_it_is_a_subset():
    assert "subset: first 32768 of 400000 tokens" in text(evaluation(is_subset=True)).splitlines()
    assert "val_bpb: 2.21251235" in text(evaluation(is_subset=True)).splitlines()
    whole = text(evaluation(is_subset=False))
    assert "subset" not in whole
    assert "scored: whole split" in whole.splitlines()


def test_a_promotion_shows_every_gate_with_word_number_and_reason(promotion: Promotion):
    lines = text(promotion).splitlines()
    assert "gate size: pass, value 4512001, limit 16000000, within the limit" in lines
    assert "gate gain: FAIL, value 0.0299, limit 0.03, 2.99 % is below 3 %" in lines
    assert "gate noise: unknown, the baseline has one seed" in lines
    assert "improvement: +3.050%" in lines


def test_a_budget_and_a_job_are_key_value_lines():
    assert "verdict: ok" in text(budget()).splitlines()
    assert "remaining_usd: 496.50" in text(budget()).splitlines()
    assert "next_allowed_at: now" in text(budget()).splitlines()
    assert "progress: step 40/300" in text(job()).splitlines()
    assert "val_bpb: 2.500000" in text(job()).splitlines()


def test_a_result_shows_seeds_references_and_gates(result: Result):
    lines = text(result).splitlines()
    assert "val_bpb: 2.212500" in lines
    assert "seed 1337: val_bpb 2.210000, artifact_bytes 4512001, train_time_s 61.2, eval_time_s 4.0, steps 300" in lines
    references = [line for line in lines if line.startswith("reference")]
    assert references[0] == "reference unigram: val_bpb 4.410000"
    assert references[-1] == "reference lzma: val_bpb 2.490000"
    assert any(line.startswith("gate gain: FAIL") for line in lines)


def test_the_history_keeps_its_order_and_marks_the_best_kept_of_each_tier_with_a_word():
    rows = [row(2.3), row(2.1, status="discard"), row(None, status="crash"), row(2.2), row(1.9, tier="smoke")]
    header, *lines = text(rows).splitlines()
    assert header.split() == [*list(Row.model_fields)[:-1], "mark", "description"]
    assert [line.split()[2] for line in lines] == ["2.300000", "2.100000", "-", "2.200000", "1.900000"]
    assert ["best" in line.split() for line in lines] == [False, False, False, True, True]


def test_columns_of_a_plain_table_are_aligned_whatever_the_cells_hold():
    lines = text([job("short"), job("a-much-longer-id", message="done, val_bpb 2.2")]).splitlines()
    starts = {line.index("run") for line in lines[1:]}
    assert len(starts) == 1
    assert lines[0].split()[:4] == ["id", "kind", "subject", "state"]


def test_an_empty_list_says_so():
    assert text([]) == "none\n"
    assert text([], empty="no experiments yet: golf run EXPERIMENT") == "no experiments yet: golf run EXPERIMENT\n"
    assert text([], json=True) == "[]\n"


@pytest.mark.parametrize("noun", [artifact(), evaluation(True), budget(), job(), row(2.1)])
def test_json_is_exactly_the_model(noun: BaseModel):
    assert text(noun, json=True) == noun.model_dump_json(indent=2) + "\n"
    one_of_a_list = json.loads(text([noun, noun], json=True))
    assert one_of_a_list == [json.loads(noun.model_dump_json())] * 2


@pytest.mark.parametrize("noun", [artifact(), evaluation(True), budget(), job(), [row(2.1)], [job()], [budget()]])
def test_a_pipe_gets_no_boxes_and_no_escapes(noun: object, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # CI sets it; a pipe stays plain
    assert not BOX_OR_ESCAPE.search(text(noun))


@pytest.mark.parametrize("noun", [artifact(), evaluation(True), budget(), job(), [row(2.1)], [job(), budget()]])
def test_a_terminal_gets_a_table_whose_verdicts_survive_without_colour(noun: object, monkeypatch: pytest.MonkeyPatch):
    coloured = on_terminal(noun)
    assert BOX_OR_ESCAPE.search(coloured)
    monkeypatch.setenv("NO_COLOR", "1")
    bare = on_terminal(noun)
    assert not re.search("\x1b\\[[0-9;]*3[0-7]", bare)
    without_styles = re.compile("\x1b\\[[0-9;]*m")
    assert without_styles.sub("", bare) == without_styles.sub("", coloured)


def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TERM", "dumb")
    assert on_terminal(artifact()).startswith("artifact_bytes: 4512001\r\n")


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(columns: int, result: Result):
    shown = on_terminal(result, columns) + on_terminal([row(2.1, description="word " * 30)], columns)
    bare = re.sub("\x1b\\[[0-9;]*m", "", shown)
    assert max(len(line) for line in bare.splitlines()) <= columns


def test_thousands_are_grouped_for_people_only():
    assert "4,512,001" in on_terminal(artifact())
    assert "," not in next(line for line in text(artifact()).splitlines() if line.startswith("artifact_bytes"))


def test_hostile_text_reaches_neither_the_pipe_nor_the_terminal():
    nouns = [artifact().model_copy(update={"notes": [HOSTILE]}), [row(2.1, description=HOSTILE)], job(message=HOSTILE)]
    for noun in nouns:
        plain = text(noun)
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", plain)
        assert "[bold]x[/bold] :smile:" in plain
        shown = on_terminal(noun, 200)
        assert "\x1b]0;" not in shown
        assert "\x1b[31mred" not in shown
        assert "\u202e" not in shown
        assert "[bold]x[/bold] :smile:" in re.sub("\x1b\\[[0-9;]*m", "", shown)


@given(st.text(st.characters(categories=None)))
def test_clean_text_is_one_printable_line_and_clean_again_unchanged(dirty: str):
    once = words.clean(dirty)
    assert len(once.splitlines()) <= 1
    assert "\x1b" not in once
    once.encode()
    assert words.clean(once) == once


def test_a_noun_nobody_drew_a_view_for_shows_every_field_and_its_nouns_one_by_one():
    class Hole(Noun):
        par: int
        flags: dict[str, float]
        parts: list[Part]
        nothing: None = None
        words: list[str]

    hole = Hole(par=3, flags={"x": 0.5}, parts=[Part(path="a", kind="code", bytes=1)], words=["a", "b"])
    assert text(hole).splitlines() == [
        "par: 3",
        "flags.x: 0.5",
        "part a: kind code, bytes 1, counted_as as is",
        "nothing: -",
        "words: a, b",
    ]
    crowded = hole.model_copy(update={"parts": hole.parts * 30})
    assert "parts: 10 more (all of them: --json)" in text(crowded).splitlines()


def test_a_history_is_a_table_with_the_ledgers_best_marked_and_what_is_missing_named():
    rows = [row(2.3), row(2.2)]
    whole = History(total=2, best=rows[1], rows=rows, path="results.tsv")
    assert text(whole) == text(rows)
    part = History(total=9, best=row(2.1, description="an older one"), rows=rows, path="results.tsv")
    _header, *lines = text(part).splitlines()
    assert not any("best" in line.split() for line in lines[:2])  # the best of what is shown is not the best
    assert lines[2:] == ["best: 2.100000 0123abc an older one", "shown: 2 of 9 rows; all of them: results.tsv"]
    assert text(History(total=0, best=None, rows=[], path="results.tsv")).startswith("rows: none yet")
    assert "best" in on_terminal(whole)


def test_a_list_of_different_nouns_shows_one_after_the_other():
    first, second = text([artifact(), budget()]).split("\n\n")
    assert first + "\n" == text(artifact())
    assert second == text(budget())


def test_a_pipe_that_is_not_utf8_gets_escapes_instead_of_a_crash():
    raw = io.BytesIO()
    out = io.TextIOWrapper(raw, encoding="ascii")
    render.show([row(2.1, description="größer")], file=out)
    assert rb"gr\xf6\xdfer" in raw.getvalue()
    raw.truncate(0)
    raw.seek(0)
    render.show(row(2.1, description="größer"), file=out, json=True)
    assert json.loads(raw.getvalue())["description"] == "größer"


def test_the_plain_path_imports_no_rich():
    code = """
import io, sys
from golf.report import render, words
from golf.schema import Row
row = Row(commit="a", tier="local", val_bpb=2.1, artifact_bytes=1, memory_gb=None, status="keep",
          promoted="no", cost_usd=0, description="d")
render.show([row], file=io.StringIO())
render.show(row, file=io.StringIO())
with render.progress("t", file=io.StringIO()) as bar:
    bar.update("k", 1, 2)
heavy = {"rich", "numpy", "matplotlib", "trackio", "torch"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- progress ----------------------------------------------------------------------------------


def test_plain_progress_says_the_start_the_end_and_a_line_every_few_seconds():
    out, now = io.StringIO(), 0.0
    with render.progress("training", file=out, every_s=3.0, clock=lambda: now) as bar:
        for step in range(101):
            now = step * 0.1
            bar.update("seed 1337", step, 100, f"val_bpb {3 - step / 100:.2f}")
    lines = out.getvalue().splitlines()
    assert lines[0] == "training seed 1337: step 0/100 val_bpb 3.00"
    assert lines[-1] == "training seed 1337: step 100/100 val_bpb 2.00"
    assert len(lines) == 5


def test_plain_progress_says_the_last_state_also_when_the_work_fails():
    out = io.StringIO()
    with pytest.raises(ZeroDivisionError), render.progress("training", file=out, clock=lambda: 0.0) as bar:
        bar.update("seed 1", 1, 100)
        bar.update("seed 1", 2, 100, HOSTILE)
        raise ZeroDivisionError
    first, last = out.getvalue().splitlines()
    assert first == "training seed 1: step 1/100"
    assert last.startswith("training seed 1: step 2/100 a b[31mred")


def test_a_phase_that_counts_nothing_is_named_and_large_numbers_stay_whole():
    out = io.StringIO()
    with render.progress("wide", file=out) as bar:
        bar.update("queued", 0)
        bar.update("shard", 1_048_576, 200_000_001, unit="byte")
    assert out.getvalue().splitlines() == ["wide queued: started", "wide shard: byte 1048576/200000001"]


def test_plain_progress_needs_no_total_and_repeats_no_line():
    out = io.StringIO()
    with render.progress("download", file=out, every_s=0.0, clock=lambda: 0.0) as bar:
        bar.update("shard", 512, unit="byte")
        bar.update("shard", 512, unit="byte")
    assert out.getvalue() == "download shard: byte 512\n"


def test_a_terminal_gets_a_bar_with_the_same_words():
    def act(file: io.TextIOWrapper) -> None:
        with render.progress("training", file=file) as bar:
            bar.update("seed 1337", 40, 300, "val_bpb [bold]2.31[/bold]")

    shown = re.sub("\x1b\\[[0-9;?]*[A-Za-z]", "", through_pty(act, 160))
    assert "training seed 1337" in shown
    assert "step 40/300" in shown
    assert "val_bpb [bold]2.31[/bold]" in shown
