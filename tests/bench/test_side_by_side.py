"""The frame of the benchmarks: turns, judgement, and that nothing which failed looks like a pass."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scene import eventually

BENCH = Path(__file__).parents[2] / "bench"
sys.path.insert(0, str(BENCH))

import side_by_side as frame  # noqa: E402, a script's neighbour, not part of the package
import speed  # noqa: E402, likewise

COSTS = st.floats(min_value=1e-6, max_value=1e6)


def row(baseline: frame.Side, ours: frame.Side, *goals: frame.Goal, **more) -> frame.Row:
    sides = frame.Sides(baseline=baseline, ours=ours, check=more.pop("check", None), floor=more.pop("floor", None))
    return frame.Row(name="a row", baseline="a baseline", prepare=lambda scratch: sides, goals=goals, **more)


def costing(*costs: float) -> frame.Side:
    """A side whose executions cost these, the last for ever after."""
    left = list(costs)
    return lambda: frame.Sample({"wall_s": left.pop(0) if len(left) > 1 else left[0]})


def test_the_sides_run_in_turns_baseline_first_and_warm_ups_are_thrown_away():
    turns = []
    one = row(lambda: turns.append("A"), lambda: turns.append("B"), frame.shown("wall_s"), pairs=3, warmups=1)
    (outcome,) = frame.run_row(one)
    assert "".join(turns) == "AB" * 4
    assert outcome.pairs == 3


def test_the_verdict_is_the_median_of_the_ratios_of_neighbours_not_the_ratio_of_medians():
    """A machine that slows down by the minute moves both sides: only neighbours in time are comparable."""
    one = row(costing(1, 10, 100), costing(2, 20, 200), frame.at_most("wall_s", 2), pairs=3, warmups=0)
    (outcome,) = frame.run_row(one)
    assert (outcome.value, outcome.verdict) == (2, "met")
    skewed = row(costing(1, 10, 100), costing(3, 10, 90), frame.at_most("wall_s", 1), pairs=3, warmups=0)
    assert frame.run_row(skewed)[0].value == 1


def test_a_missed_goal_is_shown_as_missed_and_exits_1():
    outcomes = frame.run_row(row(costing(1), costing(3), frame.at_most("wall_s", 2)))
    assert [outcome.verdict for outcome in outcomes] == ["missed"]
    assert frame.exit_code(outcomes) == 1
    assert "MISSED" in speed.cells(outcomes[0])


def test_every_goal_of_a_row_is_judged_by_itself():
    outcomes = frame.run_row(
        row(
            costing(4),
            costing(2),
            frame.times_less("wall_s", 1.9),
            frame.absolute("wall_s", 1.0),
            frame.shown("wall_s"),
        )
    )
    assert [outcome.verdict for outcome in outcomes] == ["met", "missed", "shown"]


def test_a_near_miss_is_measured_on_and_says_so():
    """Five pairs at 2.1 would miss a goal of 2; the ten after them, at 1.5, show that it was noise."""
    ours = costing(*[2.1] * 5, *[1.5] * 10)
    (outcome,) = frame.run_row(row(costing(1), ours, frame.at_most("wall_s", 2), pairs=5, warmups=0))
    assert (outcome.verdict, outcome.pairs) == ("met", 15)
    assert "measured on" in outcome.how


def test_a_near_miss_that_stays_one_is_missed():
    (outcome,) = frame.run_row(row(costing(1), costing(2.1), frame.at_most("wall_s", 2), pairs=2))
    assert (outcome.verdict, outcome.pairs) == ("missed", 6)


def test_a_clear_miss_is_not_measured_again():
    (outcome,) = frame.run_row(row(costing(1), costing(3), frame.at_most("wall_s", 2), pairs=2))
    assert outcome.pairs == 2


def test_a_goal_that_no_program_could_reach_is_kept_near_the_floor_and_never_called_met():
    """Ten seconds against nine, where eight cannot be left out: twice as fast is not to be had."""
    goal = frame.times_less("wall_s", 2, or_floor_within=1.2)
    (outcome,) = frame.run_row(row(costing(10), costing(9), goal, floor=costing(8)))
    assert outcome.verdict == "floor"
    assert "floor 8.00 s, which would be 1.25×; ours costs 1.12× the floor" in outcome.how
    assert frame.exit_code([outcome]) == 0
    assert speed.summary([outcome]).startswith("0 goals met, 0 missed, 1 short of it")


def test_a_goal_that_the_floor_itself_reaches_is_missed_however_near_the_floor_ours_is():
    """What cannot be left out takes less than half: the goal can be had, so a tenth above the floor is no excuse."""
    goal = frame.times_less("wall_s", 2, or_floor_within=1.2)
    (outcome,) = frame.run_row(row(costing(10), costing(5.4), goal, floor=costing(4.9), pairs=2, warmups=0))
    assert outcome.verdict == "missed"
    assert "which would be 2.04×; ours costs 1.1× the floor" in outcome.how


def test_a_goal_far_from_its_floor_is_missed_and_one_that_is_reached_is_met():
    goal = frame.times_less("wall_s", 2, or_floor_within=1.2)
    (far,) = frame.run_row(row(costing(10), costing(9), goal, floor=costing(5)))
    (reached,) = frame.run_row(row(costing(10), costing(4), goal, floor=costing(4)))
    assert (far.verdict, reached.verdict) == ("missed", "met")
    assert frame.exit_code([far]) == 1


def test_a_floor_that_ours_falls_through_is_an_error_and_so_is_a_goal_without_its_floor():
    goal = frame.times_less("wall_s", 2, or_floor_within=1.2)
    (through,) = frame.run_row(row(costing(10), costing(4), goal, floor=costing(8)))
    (without,) = frame.run_row(row(costing(10), costing(9), goal))
    assert (through.verdict, without.verdict) == ("error", "error")
    assert "none" in through.how


@pytest.mark.parametrize("where", ["prepare", "side", "check", "figure"])
def test_a_row_that_cannot_be_run_is_an_error_and_exits_2(where: str, capsys):
    def fail(*_: object) -> None:
        raise ValueError("a reason")

    goal = frame.at_most("never_measured_s" if where == "figure" else "wall_s", 1e9)
    one = row(lambda: 1, fail if where == "side" else lambda: 1, goal, check=fail if where == "check" else None)
    if where == "prepare":
        one = frame.Row(name="a row", baseline="", prepare=fail, goals=[goal])
    outcomes = frame.run_row(one)
    assert [outcome.verdict for outcome in outcomes] == ["error"]
    assert frame.exit_code(outcomes) == 2
    assert where == "figure" or "a reason" in speed.cells(outcomes[0])[-1]


def test_an_error_beside_goals_that_are_met_still_exits_2_and_so_does_an_empty_set():
    met = frame.run_row(row(costing(1), costing(1), frame.at_most("wall_s", 2)))
    error = frame.Outcome(row="", baseline_is="", verdict="error")
    assert frame.exit_code(met) == 0
    assert frame.exit_code([*met, error]) == 2
    assert frame.exit_code([]) == 2


def test_a_row_for_hardware_that_is_not_here_is_left_out_and_is_not_prepared():
    one = frame.Row(name="on a GPU", baseline="", prepare=lambda scratch: 1 / 0, goals=[], left_out="no CUDA device")
    (outcome,) = frame.run_row(one)
    assert outcome.verdict == "left out"


def test_rows_left_out_are_no_pass_by_themselves_and_take_none_from_the_others():
    left_out = frame.Outcome(row="", baseline_is="", verdict="left out")
    met = frame.run_row(row(costing(1), costing(1), frame.at_most("wall_s", 2)))
    assert frame.exit_code([left_out, left_out]) == 2
    assert frame.exit_code([*met, left_out]) == 0


def test_a_figure_that_is_no_number_meets_no_goal():
    for goal in (frame.at_most("x", 1), frame.times_less("x", 1), frame.absolute("x", 1), frame.at_most_more("x", 1)):
        assert not goal.is_met(float("nan"))


@given(baseline=COSTS, ours=COSTS, limit=COSTS)
def test_a_speed_up_of_x_is_a_cost_of_one_xth(baseline: float, ours: float, limit: float):
    less, most = frame.times_less("wall_s", limit), frame.at_most("wall_s", 1 / limit)
    if abs(baseline / ours / limit - 1) > 1e-9:  # at the very limit the two roundings may differ
        assert less.is_met(less.value(baseline, ours)) == most.is_met(most.value(baseline, ours))


def test_sides_are_closed_and_the_scratch_folder_is_gone_when_a_row_fails(capsys):
    seen: list[Path] = []
    closed = []

    def prepare(scratch: Path) -> frame.Sides:
        seen.append(scratch)
        return frame.Sides(baseline=lambda: 1 / 0, ours=lambda: 1, close=lambda: closed.append(True))

    frame.run_row(frame.Row(name="", baseline="", prepare=prepare, goals=[frame.shown("wall_s")]))
    assert closed == [True]
    assert not seen[0].exists()


def test_a_commands_peak_memory_is_its_own_and_not_that_of_who_started_it():
    """Linux hands a parent's peak on to what it starts: 80 MB held here must not show in `true`."""
    held = b"x" * 80_000_000
    sample = frame.command(["true"])()
    assert len(held) > sample.figures["peak_bytes"] < 30_000_000


def test_a_commands_cpu_counts_the_children_it_waited_for():
    burn = "import time; t=time.process_time()\nwhile time.process_time()-t < 0.3: pass"
    side = frame.command(["sh", "-c", f'"{sys.executable}" -S -c "{burn}"; echo done'])
    sample = side()
    assert sample.figures["cpu_s"] > 0.28
    assert sample.result == "done\n"


def test_a_command_that_fails_or_hangs_or_does_not_exist_raises():
    with pytest.raises(RuntimeError, match=r"ended with 3: sorry"):
        frame.command(["sh", "-c", "echo sorry >&2; exit 3"])()
    with pytest.raises(RuntimeError, match=r"had not ended"):
        frame.command(["sleep", "60"], timeout_s=0.2)()
    with pytest.raises(RuntimeError, match=r"ended with 127: .*No such file"):
        frame.command(["/nowhere/at-all"])()
    assert frame.command(["sh", "-c", "exit 3"], exits=(3,))().result == ""


def folder_with(tmp_path: Path, **subjects: str) -> Path:
    """A bench folder of its own: the real frame beside toy subjects."""
    for script in ("speed.py", "side_by_side.py"):
        (tmp_path / script).write_text((BENCH / script).read_text())
    for name, text in subjects.items():
        (tmp_path / f"speed_{name}.py").write_text(text)
    return tmp_path


TOY = """
from side_by_side import Row, Sample, Sides, at_most
def rows(quick):
    def sides(scratch):
        return Sides(baseline=lambda: Sample({{"wall_s": 1}}), ours=lambda: Sample({{"wall_s": {cost}}}))
    return [Row(name="{name}", baseline="one second", prepare=sides, goals=[at_most("wall_s", 2)], pairs=2)]
"""


def bench(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, folder / "speed.py", *words], capture_output=True, text=True, check=False, env={**os.environ}
    )


def test_the_command_exits_by_what_its_subjects_came_to_and_one_that_dies_is_an_error(tmp_path: Path):
    good, slow = TOY.format(name="good", cost=1), TOY.format(name="slow", cost=9)
    folder = folder_with(tmp_path, good=good, slow=slow, dead="import os\nos._exit(9)", torn="rows = 1 / 0")
    assert bench(folder, "--only", "good").returncode == 0
    missed = bench(folder, "--only", "good", "slow", "--json")
    assert missed.returncode == 1
    assert {o["row"]: o["verdict"] for o in json.loads(missed.stdout)["outcomes"]} == {"good": "met", "slow": "missed"}
    everything = bench(folder)
    assert everything.returncode == 2
    assert "1 goals met, 1 missed, 2 rows could not be run" in everything.stdout
    assert bench(folder, "--only", "no such row").returncode == 2


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_ended_from_outside_it_leaves_nothing_running(tmp_path: Path, how: signal.Signals):
    slow = """
from side_by_side import Row, Sides, command, shown
def rows(quick):
    def sides(scratch):
        wait = command(["sh", "-c", "echo $$ > {pid}.new && mv {pid}.new {pid} && exec sleep 600"])
        return Sides(baseline=wait, ours=wait)
    return [Row(name="slow", baseline="", prepare=sides, goals=[shown("wall_s")])]
"""
    pid = tmp_path / "pid"
    folder = folder_with(tmp_path, slow=slow.format(pid=pid))
    command = [sys.executable, folder / "speed.py"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        eventually(pid.exists)
        side = psutil.Process(int(pid.read_text()))
        running.send_signal(how)
        assert running.wait(30) != 0
    eventually(lambda: not side.is_running() or side.status() == psutil.STATUS_ZOMBIE)


@pytest.mark.parametrize("place", range(3))
def test_a_number_that_is_none_among_the_pairs_is_an_error_wherever_it_stands(place: int):
    """A median sorts around NaN: 0.5 and 2.5 beside one came to 0.5, and met a goal of 1.1."""
    costs = [5.0, 1.0]
    costs.insert(place, float("nan"))
    outcomes = frame.run_row(row(costing(2), costing(*costs), frame.at_most("wall_s", 1.1), pairs=3, warmups=0))
    assert [outcome.verdict for outcome in outcomes] == ["error"]


def test_a_subject_that_ends_its_process_quietly_is_an_error_among_results(tmp_path: Path):
    quiet = TOY.format(name="quiet", cost=1).replace('Sample({"wall_s": 1})', "exit(0)", 1)
    assert "exit(0)" in quiet
    done = bench(folder_with(tmp_path, aa=quiet, good=TOY.format(name="good", cost=1)))
    assert done.returncode == 2
    assert "1 goals met, 0 missed, 1 rows could not be run" in done.stdout


def test_a_request_that_can_come_to_nothing_is_refused_before_anything_is_measured(tmp_path: Path):
    folder = folder_with(tmp_path, good=TOY.format(name="good", cost=1))
    (tmp_path / "binary").write_bytes(b"\xff")
    for words in (
        ["--only", ""],
        ["--keep", tmp_path],
        ["--keep", tmp_path / "no" / "file"],
        ["--keep", tmp_path / "binary"],
    ):
        done = bench(folder, *map(str, words))
        assert (done.returncode, done.stdout) == (2, ""), words
        assert done.stderr.startswith("speed.py: ") and "Traceback" not in done.stderr
    half = bench(folder, "--only", "good", "no such row")
    assert half.returncode == 2
    assert "1 goals met" in half.stdout
    assert "no row is named by 'no such row'. Subjects: good" in half.stderr


def test_what_is_kept_replaces_the_same_set_of_the_same_machine_and_nothing_else(tmp_path: Path):
    folder = folder_with(tmp_path, good=TOY.format(name="good", cost=1), slow=TOY.format(name="slow", cost=9))
    results = folder / "RESULTS.md"
    assert bench(folder, "--keep").returncode == 1
    results.write_text(results.read_text() + "\n## quick: another machine\n\nits table\n")
    first = results.read_text()
    assert bench(folder, "--keep", "--only", "good").returncode == 0
    assert bench(folder, "--keep").returncode == 1
    text = results.read_text()
    assert text.count("## quick: ") == first.count("## quick: ") == 2
    assert text.count("## good: ") == 1
    assert "its table" in text
    assert "MISSED" in text


def test_every_subject_of_the_project_can_be_read_and_names_its_rows_once():
    for subject in speed.subjects(BENCH):
        words = (
            f"import {subject.stem} as s; s.rows(quick=True); print(*[r.name for r in s.rows(quick=False)], sep='\\n')"
        )
        done = subprocess.run([sys.executable, "-c", words], cwd=BENCH, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        names = done.stdout.splitlines()
        assert len(names) == len(set(names)) > 0
