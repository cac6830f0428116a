"""Log files as they are: foreign line ends, stray bytes, cut, hostile, gigantic, or still growing."""

import resource

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from log_texts import BANNER, CHALLENGE, PREAMBLE, SCORES, SIZES, SOURCE, TRAINING

from golf.errors import UnreadableInput
from golf.measure.log_lines import POINTS_MAX
from golf.measure.logs import last_point, read_log

# --- files as they are ------------------------------------------------------------------------------


def test_windows_line_ends_and_progress_bars_change_nothing(log):
    plain = log(CHALLENGE).model_dump()
    assert log(CHALLENGE.replace("\n", "\r\n")).model_dump() == plain
    assert log(CHALLENGE.replace("peak memory", "10%|#\r99%|###\rpeak memory")).model_dump() == plain
    assert log(b"\xef\xbb\xbf" + CHALLENGE.encode()).model_dump() == plain
    assert log(CHALLENGE.encode("utf-16")).model_dump() == plain


def test_missing_file_directory_and_binary_are_refused(tmp_path):
    (tmp_path / "model.log").write_bytes(b"PK\x03\x04" + bytes(range(256)) * 8)
    (tmp_path / "latin.log").write_bytes(b"\xff\xfa\xe9" * 50)
    for name in ("absent.log", ".", "model.log", "latin.log"):
        with pytest.raises(UnreadableInput):
            read_log(tmp_path / name)
        with pytest.raises(UnreadableInput):
            last_point(tmp_path / name)


def test_stray_bytes_that_are_not_utf8_do_not_hide_the_numbers(log):
    assert log(CHALLENGE.encode().replace(b"reserved", b"r\xe9served")).final_bpb == 1.22436570


def test_number_cut_by_the_end_of_the_file_is_not_a_number(log):
    whole = PREAMBLE + TRAINING + SIZES + SCORES
    true = log(whole)
    names = [name for name, value in true.model_dump().items() if isinstance(value, int | float)]
    rounded = {"final_bpb": 1.2244, "final_loss": 2.0727, "last_step_bpb": 4.1077}  # what earlier lines truly state
    for length in range(len(whole)):
        it = log(whole[:length])
        for name in names:
            assert getattr(it, name) in (None, getattr(true, name), rounded.get(name)), (name, whole[:length][-60:])


def test_last_line_without_a_line_break_is_read_when_it_is_whole(log):
    it = log((PREAMBLE + TRAINING + SIZES + SCORES).rstrip("\n"))
    assert it.final_bpb == 1.22436570


def test_gigantic_lines_and_long_logs_stay_small_in_memory(tmp_path):
    path = tmp_path / "big.log"
    with path.open("w") as file:
        file.write(CHALLENGE)
        for _ in range(40):
            file.write("val_loss:1.0 val_bpb:0.5 final " * 40_000)
        file.write("\n")
        for step in range(1, 5 * POINTS_MAX):
            file.write(f"step:{13780 + step}/20000 train_loss:2.0 train_time:{600038 + step}ms step_avg:1ms\n")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    it = read_log(path)
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert it.final_bpb == 1.22436570
    assert len(it.points) <= 2 * POINTS_MAX + 2
    assert it.points[-1].step == 13780 + 5 * POINTS_MAX - 1
    assert grown_kib < 24 * 1024


HOSTILE = [
    "step" + " " * 4000,
    "val_loss:" + " " * 500,
    "val_loss: 1 " * 50,
    "val_bpb:" + "9" * 500,
    "val_loss:1e999 val_bpb:1e999",
    "x val_loss:-1 val_bpb:-1",
    "a:b " * 140 + "val_loss:1 val_bpb:2",
    "artifact:a " + "code:" * 100,
    "Total submission size , : , bytes",
    "Total submission size x: ,,, bytes",
    "step:99999999999999999999/1 train_loss:1",
    "step:1/99999999999999999999 train_loss:1",
    "step:²/3 val_loss:1 val_bpb:1",
    "stopping_early: train_time:99999999999999999999999ms step:99999999999999999999999999",
    "seed:99999999999999999999999",
    "'" * 4000,
    '"""',
    "import x",
    "=" * 100,
    "[" * 500,
    "\0" * 500,
    "=" * 4000 + "x",
    "model_params:,,,",
]


@settings(max_examples=60, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines=st.lists(st.sampled_from(HOSTILE) | st.text(max_size=80), max_size=40))
def test_hostile_lines_never_crash_the_reader(tmp_path, lines):
    path = tmp_path / "hostile.log"
    path.write_text("\n".join(["a log", *lines]), encoding="utf-8", errors="replace")
    try:
        read_log(path).model_dump_json()
        last_point(path)
    except UnreadableInput:
        assert "\0" in "".join(lines)


@pytest.mark.parametrize("line", HOSTILE)
def test_reading_time_is_linear_in_hostile_lines(tmp_path, line):
    path = tmp_path / "hostile.log"
    path.write_text("a log\n" + ("x" * 3000 + "\n") * 3 + f"{line}\n" * 300, encoding="utf-8")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    read_log(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 2.0


# --- growing files ------------------------------------------------------------------------------------


def test_newest_step_of_a_growing_file_is_the_last_whole_one(tmp_path):
    path = tmp_path / "growing.log"
    path.write_text(SOURCE + BANNER + PREAMBLE)
    assert last_point(path) is None
    with path.open("a") as file:
        for step in range(1, 3000):
            file.write(f"step:{step}/20000 train_loss:{step / 1000:.4f} train_time:{step * 40}ms step_avg:40.00ms\n")
            if step in (1, 2999):
                file.write(f"step:{step + 1}/20000 train_loss:0.0")
                file.flush()
                point = last_point(path)
                assert point is not None
                assert (point.step, point.train_loss, point.train_time_s) == (step, step / 1000, step * 40 / 1000)
                file.write(f"000 train_time:{step * 40}ms\n")


def test_newest_step_is_not_read_from_the_source(tmp_path):
    path = tmp_path / "growing.log"
    padding = "x = 1  # padding\n" * 8000
    path.write_text("import os\n" + padding + SOURCE)
    assert last_point(path) is None
    path.write_text("import os\n" + padding + SOURCE + BANNER + PREAMBLE + TRAINING)
    point = last_point(path)
    assert point is not None
    assert (point.step, point.val_bpb) == (13780, 1.2172)
    fakes = "step:5/20000 val_loss:9.0000 val_bpb:0.5000 train_time:5ms step_avg:1.00ms\n" * 2000
    path.write_text('"""\n' + fakes + SOURCE.removeprefix('"""') + BANNER + PREAMBLE)
    assert last_point(path) is None


def test_newest_step_is_found_before_a_long_evaluation(tmp_path):
    path = tmp_path / "eval.log"
    path.write_text(TRAINING + "  ttt_chunk [1/1389] bpb=1.761258 time=0.5s\n" * 5000)
    point = last_point(path)
    assert point is not None
    assert point.step == 13780
