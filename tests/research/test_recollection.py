"""What was tried is recalled from the files, however they grew."""

import contextlib
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import row
from scene import scored

from golf.play import experiments, ledger
from golf.research import memory, recollection
from golf.research.memory import Hypothesis
from golf.schema import Experiment
from golf.workspace import Workspace

IDEAS = ("EMA decay 0.997", "EMA decay 0.9", "int5 for the MLP", "smear gate on the embedding", "mixture of depths")
MORNING = datetime(2026, 4, 1, 8, tzinfo=UTC)


def claim(workspace: Workspace, name: str, idea: str, expected: str = "", minutes: int = 0) -> Path:
    folder = workspace.experiments / name
    folder.mkdir(parents=True)
    said = Experiment(
        hypothesis=idea, expected_outcome=expected, created_at=MORNING + timedelta(minutes=minutes), script="x.py"
    )
    (folder / experiments.CONFIG).write_text(experiments.dump(said))
    return folder


def play(workspace: Workspace, name: str, idea: str, status: str = "discard", bpb: float | None = 1.21) -> None:
    ledger.append(workspace.ledger, row(f"{name}: {idea}", status=status, val_bpb=bpb))


def table(workspace: Workspace) -> list[Hypothesis]:
    """Every record, as it is after catching up, by name."""
    with recollection.opened(workspace) as connection:
        lines = [line["record"] for line in connection.execute("SELECT record FROM hypothesis ORDER BY name")]
    return [Hypothesis.model_validate_json(line) for line in lines]


def test_a_claim_is_remembered_open_with_the_gain_it_foretells(workspace: Workspace) -> None:
    claim(workspace, "2026-04-01_ema", "EMA decay 0.997", "val_bpb improves by 0.004 bpb, or nothing")
    claim(workspace, "2026-04-01_mod", "mixture of depths", "it trains faster")
    ema, mod = table(workspace)
    assert (ema.status, ema.text, ema.gain_bpb, ema.at) == ("open", "EMA decay 0.997", None, MORNING)
    assert ema.predicted_gain_bpb == pytest.approx(0.004)
    assert mod.predicted_gain_bpb is None


def test_a_recorded_run_takes_the_place_of_its_claim_and_keeps_what_was_foretold(workspace: Workspace) -> None:
    first = scored(workspace, "base", 1.30)
    folder = scored(workspace, "ema", 1.29, expected_outcome="0.02 bpb lower", parent=first.name)
    found = {one.name: one for one in table(workspace)}
    assert set(found) == {first.name, folder.name}
    assert found[first.name].gain_bpb is None  # nothing on its tier came before
    assert found[folder.name].status != "open"
    assert found[folder.name].gain_bpb == pytest.approx(0.01)
    assert found[folder.name].predicted_gain_bpb == pytest.approx(0.02)


def test_a_gain_is_over_the_best_kept_row_of_the_same_tier_also_when_it_was_read_earlier(workspace: Workspace) -> None:
    play(workspace, "2026-04-01_a", "EMA decay 0.9", "keep", 1.25)
    table(workspace)
    play(workspace, "2026-04-01_b", "int5 for the MLP", "discard", 1.20)
    play(workspace, "2026-04-01_c", "mixture of depths", "crash", None)
    play(workspace, "2026-04-01_d", "smear gate", "keep", 1.24)
    assert [(one.status, one.gain_bpb) for one in table(workspace)] == [
        ("keep", None),
        ("discard", pytest.approx(0.05)),
        ("crash", None),
        ("keep", pytest.approx(0.01)),
    ]


def test_a_kept_row_that_is_worse_does_not_lower_the_bar(workspace: Workspace) -> None:
    for name, status, bpb in (("a", "keep", 1.24), ("b", "keep", 1.30), ("c", "discard", 1.25)):
        play(workspace, f"2026-04-01_{name}", "EMA decay 0.9", status, bpb)
    assert [one.gain_bpb for one in table(workspace)] == [None, pytest.approx(-0.06), pytest.approx(-0.01)]


def test_the_newest_claim_is_recalled_first_in_whatever_order_claims_arrive(workspace: Workspace) -> None:
    for name, minutes in (("b", 2), ("c", 3), ("a", 1)):
        claim(workspace, f"2026-04-01_{name}", "EMA decay 0.9", minutes=minutes)
        recollection.catch_up(workspace)
    with recollection.opened(workspace) as connection:
        found = memory.recall(connection, "EMA decay 0.99")
    assert [one.record.name[-1] for one in found] == ["c", "b", "a"]


def test_what_is_known_is_not_read_again(workspace: Workspace) -> None:
    for number in range(3):
        claim(workspace, f"2026-04-01_e{number}", IDEAS[number])
        play(workspace, f"2026-04-01_e{number}", IDEAS[number])
    recollection.catch_up(workspace)
    claim(workspace, "2026-04-01_e3", IDEAS[3])
    play(workspace, "2026-04-01_e3", IDEAS[3])
    with (
        mock.patch.object(experiments, "load", wraps=experiments.load) as loaded,
        mock.patch.object(ledger.Layout, "parse", autospec=True, side_effect=ledger.Layout.parse) as parsed,
    ):
        recollection.catch_up(workspace)
        recollection.catch_up(workspace)
    assert loaded.call_count == 1
    assert parsed.call_count == 1


@pytest.mark.parametrize("how", ["cut", "changed", "gone"])
def test_a_ledger_that_was_rewritten_is_read_anew_and_open_claims_stay(workspace: Workspace, how: str) -> None:
    claim(workspace, "2026-04-01_open", "mixture of depths")
    claim(workspace, "2026-04-01_a", "EMA decay 0.9")
    play(workspace, "2026-04-01_a", "EMA decay 0.9", "keep", 1.25)
    play(workspace, "2026-04-01_b", "int5 for the MLP", "discard", 1.26)
    assert [one.status for one in table(workspace)] == ["keep", "discard", "open"]
    lines = workspace.ledger.read_text().splitlines(keepends=True)
    if how == "cut":
        workspace.ledger.write_text("".join(lines[:2]))
        left = [("2026-04-01_a", "keep"), ("2026-04-01_open", "open")]
    elif how == "changed":
        workspace.ledger.write_text("".join(lines).replace("int5", "int6").replace("keep", "discard"))
        left = [("2026-04-01_a", "discard"), ("2026-04-01_b", "discard"), ("2026-04-01_open", "open")]
    else:
        workspace.ledger.unlink()
        left = [("2026-04-01_a", "open"), ("2026-04-01_open", "open")]
    assert [(one.name, one.status) for one in table(workspace)] == left


def test_an_open_claim_goes_with_its_folder_and_a_result_stays(workspace: Workspace) -> None:
    claims = [claim(workspace, f"2026-04-01_{name}", IDEAS[0]) for name in ("open", "played")]
    play(workspace, "2026-04-01_played", IDEAS[0])
    assert len(table(workspace)) == 2
    for folder in claims:
        (folder / experiments.CONFIG).unlink()
        folder.rmdir()
    (left,) = table(workspace)
    assert left.name == "2026-04-01_played"


def test_the_first_run_that_measured_an_experiment_stands_and_a_crash_before_it_does_not(workspace: Workspace) -> None:
    play(workspace, "2026-04-01_base", "the baseline", "keep", 1.25)
    play(workspace, "2026-04-01_e", "EMA decay 0.9", "crash", None)
    play(workspace, "2026-04-01_e", "EMA decay 0.9", "keep", 1.24)
    play(workspace, "2026-04-01_e", "EMA decay 0.9", "discard", 1.241)
    play(workspace, "2026-04-01_e", "EMA decay 0.9", "crash", None)
    _, found = table(workspace)
    assert (found.status, found.gain_bpb) == ("keep", pytest.approx(0.01))


def test_unusual_names_are_told_apart_and_what_is_no_experiment_is_left_out(workspace: Workspace) -> None:
    long = "lower the learning rate of the matrices while the scalar one stays where it was and "
    words = [f"{long} more", f"{long} less", "EMA: decay 0.9", "EMA: decay 0.9", "naïve \u202eÜBER\\x00 [1; 2]", " "]
    for number, said in enumerate(words):
        ledger.append(workspace.ledger, row(said, val_bpb=1.2 + number / 100))
    ledger.append(workspace.ledger, row("infra: pod lost", val_bpb=None))
    ledger.append(workspace.ledger, row(f"2026-04-01_{'x' * 80}: named as long as a name may be"))
    claim(workspace, f"2026-04-01_{'x' * 80}", "named as long as a name may be")
    claim(workspace, "2026-04-01_two_lines", "one\ttwo\nthree \x1b[31m" + "long " * 2_000)
    (workspace.experiments / ".claim-x").mkdir()
    (workspace.experiments / "Notes of ours").mkdir()
    found = table(workspace)
    assert len(found) == 5 + 1 + 1
    assert all(one.name.isprintable() and one.text.isprintable() for one in found)
    assert all(len(one.text) <= recollection.TEXT_CHARS_MAX for one in found)
    (longest,) = [one for one in found if "xxxx" in one.name]
    assert longest.status == "discard"


def test_a_damaged_claim_costs_no_other_and_is_read_once_it_is_mended(workspace: Workspace) -> None:
    folder = claim(workspace, "2026-04-01_a", "EMA decay 0.9")
    claim(workspace, "2026-04-01_b", "int5 for the MLP")
    whole = (folder / experiments.CONFIG).read_text()
    (folder / experiments.CONFIG).write_text("hypothesis: [")
    assert [one.name for one in table(workspace)] == ["2026-04-01_b"]
    (folder / experiments.CONFIG).write_text(whole)
    assert len(table(workspace)) == 2


def test_a_last_line_without_its_break_waits_for_it(workspace: Workspace) -> None:
    play(workspace, "2026-04-01_a", "EMA decay 0.9")
    whole = workspace.ledger.read_bytes()
    workspace.ledger.write_bytes(whole[:-1])
    assert table(workspace) == []
    workspace.ledger.write_bytes(whole)
    assert len(table(workspace)) == 1


def test_a_warning_is_about_others_and_a_damaged_ledger_is_said_in_its_place(workspace: Workspace) -> None:
    claim(workspace, "2026-04-01_a", "EMA decay 0.9")
    assert recollection.warning(workspace, "2026-04-01_a", "EMA decay 0.9") == ""
    play(workspace, "2026-04-01_a", "EMA decay 0.9", "crash", None)
    said = recollection.warning(workspace, "2026-04-01_b", "EMA decay 0.99")
    assert said.startswith("You tried this (another knob value): 2026-04-01_a 'EMA decay 0.9': crash")
    with open(workspace.ledger, "a") as file:
        file.write("no row\n" * 3 + "\x1b" * 900 + "\n")
    said = recollection.warning(workspace, "2026-04-01_b", "EMA decay 0.99")
    assert said.startswith("Whether this was tried before is not known: ")
    assert "results.tsv:3 is not a ledger row" in said
    assert len(said.encode()) <= memory.ANSWER_BYTES_MAX


def test_a_ledger_longer_than_one_transaction_is_read_to_its_end(workspace: Workspace) -> None:
    ends = [300] * 399 + [recollection.LINES_BYTES]  # the last line alone is more
    rows = [
        row(f"2026-04-01_e{n}: {IDEAS[n % 5]} {'x' * end}", status="keep", val_bpb=2 - n / 1e3)
        for n, end in enumerate(ends)
    ]
    layout = ledger.Layout(ledger.COLUMNS)
    workspace.ledger.write_text("\n".join([ledger.HEADER, *map(layout.format, rows)]) + "\n")
    assert workspace.ledger.stat().st_size > 2 * recollection.LINES_BYTES
    found = table(workspace)
    assert len(found) == 400
    assert all(one.gain_bpb == pytest.approx(1e-3) for one in found if one.name != "2026-04-01_e0")


EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("claim"), st.integers(0, 5), st.integers(0, 4)),
        st.tuples(
            st.sampled_from(["keep", "discard", "crash", "words"]),
            st.integers(0, 5),
            st.sampled_from([1.25, 1.24, 1.2]),
        ),
    ),
    max_size=14,
)


@settings(max_examples=40, deadline=None)
@given(EVENTS, st.sets(st.integers(0, 13)))
def test_catching_up_at_any_moments_gives_what_catching_up_at_the_end_gives(
    events: Sequence[tuple[str, int, float]], stops: set[int]
) -> None:
    with tempfile.TemporaryDirectory() as often, tempfile.TemporaryDirectory() as once:
        for root in (often, once):
            (Path(root) / "golf.toml").write_text("")
        for place, (what, number, value) in enumerate(events):
            for root in (often, once):
                workspace = Workspace(Path(root))
                name = f"2026-04-01_e{number}"
                if what == "claim":
                    with contextlib.suppress(FileExistsError):
                        claim(workspace, name, IDEAS[int(value)], f"gains 0.0{number} bpb", minutes=number)
                elif what == "words":
                    play(workspace, "EMA", f"decay 0.{number}", "discard", value)
                else:
                    play(workspace, name, f"of row {number}", what, None if what == "crash" else value)
            if place in stops:
                recollection.catch_up(Workspace(Path(often)))
        assert table(Workspace(Path(often))) == table(Workspace(Path(once)))
        answers = []
        for root in (often, once):
            with recollection.opened(Workspace(Path(root))) as connection:
                answers.append(([memory.you_tried_this(connection, idea) for idea in IDEAS], memory.rules(connection)))
        assert answers[0] == answers[1]
