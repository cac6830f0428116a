"""Pictures by question: what is drawn, what cannot break it, and how a terminal is shown one."""

import base64
import io
import math
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from scene import scored

from golf.cli import main
from golf.desk.analysis import associations
from golf.desk.analysis.burn import Moment, burn
from golf.desk.analysis.runs import PastRun
from golf.errors import BadConfig, NotFound, UnreadableInput
from golf.play.budget import BudgetBook
from golf.report import plots
from golf.report.pictures import budget, gallery, inline, picture, scores, seeds, settings, sizes, techniques
from golf.research.attempts import Attempt
from golf.research.frontier import coverage
from golf.workspace import Workspace

DAY = datetime(2026, 4, 1, tzinfo=UTC)
STRANGE = "$\\frac{$ 日本語 \x1b[31m " + "W" * 200


def runs(count: int = 12, name: str = "run") -> list[PastRun]:
    return [
        PastRun(
            name=f"{name}{place}", at=DAY + timedelta(days=place), tier="t", status=("keep", "discard")[place % 2],
            val_bpb=1.3 - 0.01 * (place * 7 % 12), artifact_bytes=14_000_000 + 250_000 * (place * 5 % 12),
            scores=[1.3 - 0.01 * place, 1.3005 - 0.01 * place], seeds=[1, 2],
            settings={"lr": place * 7 % 12, name: place},
        )
        for place in range(count)
    ]  # fmt: skip


MOMENTS = [
    Moment(DAY + timedelta(hours=3 * place), 2.9 * (place // 2), 3.5 * (place % 2)) for place in range(1, 30)
]  # fmt: skip
TRIED = [
    Attempt(name=f"a{place}", source="experiment" if place % 3 else "competitor", techniques=[name], gain_bpb=0.01)
    for place, name in enumerate(["muon", "swa", "gptq", "muon"])
]
DRAWN = {
    "scores": lambda path, name: scores.draw(path, runs(name=name), {name: 1.31}, name),
    "sizes": lambda path, name: sizes.draw(path, runs(name=name), 16_000_000, name),
    "seeds": lambda path, name: seeds.draw(path, runs(name=name)),
    "settings": lambda path, name: settings.draw(path, associations.of_runs(runs(name=name), last=12)),
    "budget": lambda path, name: budget.draw(path, MOMENTS, 100, 20),
    "techniques": lambda path, name: techniques.draw(path, coverage(TRIED)),
}


def pixels(path: Path) -> np.ndarray:
    from PIL import Image

    with Image.open(path) as image:
        return np.asarray(image.convert("RGB")).astype(int)


@pytest.mark.parametrize("name", gallery.NAMES)
def test_a_picture_is_a_thousand_pixels_wide_says_in_words_what_it_shows_and_repeats_itself(name: str, tmp_path: Path):
    from PIL import Image

    one, two = (DRAWN[name](tmp_path / file, "run") for file in ("a.png", "b.png"))
    assert Path(one.path).read_bytes() == Path(two.path).read_bytes()
    with Image.open(one.path) as image:
        assert image.size[0] == 1000
        assert image.info["Description"] == one.alt
    assert len(one.alt) > 40 and re.search(r"\d", one.alt)


@pytest.mark.parametrize("name", gallery.NAMES)
def test_any_name_is_drawn_inside_the_picture(name: str, tmp_path: Path):
    image = pixels(Path(DRAWN[name](tmp_path / "a.png", STRANGE).path))
    for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
        assert (edge == 255).all()


def test_nothing_to_show_is_an_error_that_says_what_to_do_and_leaves_no_file(tmp_path: Path):
    none = [run.model_copy(update={"val_bpb": None, "scores": []}) for run in runs(3)]
    for draw in (
        lambda path: scores.draw(path, none), lambda path: sizes.draw(path, none), lambda path: seeds.draw(path, none),
        lambda path: budget.draw(path, [], 500), lambda path: techniques.draw(path, coverage([])),
        lambda path: settings.draw(path, associations.of_runs(runs(2))),
    ):  # fmt: skip
        with pytest.raises(UnreadableInput, match="nothing to show yet"):
            draw(tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_number_is_not_drawn(tmp_path: Path):
    bad = [run.model_copy(update={"val_bpb": value}) for run, value in zip(runs(2), (math.nan, math.inf), strict=True)]
    with pytest.raises(UnreadableInput, match="no run has a score"):
        scores.draw(tmp_path / "a.png", bad)


def test_no_run_of_the_front_is_beaten_in_both_and_every_other_one_is():
    every = runs()
    front = sizes.front(every)

    def beaten(one: PastRun) -> bool:
        return any(
            other is not one and other.artifact_bytes <= one.artifact_bytes and other.val_bpb <= one.val_bpb
            for other in every
        )

    assert front
    assert not any(map(beaten, front))
    assert all(beaten(one) for one in every if one not in front)


def test_a_run_over_the_limit_is_marked_and_not_on_the_front(tmp_path: Path):
    every = [*runs(4), PastRun(name="fat", tier="t", val_bpb=0.9, artifact_bytes=16_500_000)]
    drawn = sizes.draw(tmp_path / "a.png", every, 16_000_000)
    assert "2 are over the limit" in drawn.alt
    assert "0.9000" not in drawn.alt


def test_a_diverged_run_does_not_flatten_the_rest(tmp_path: Path):
    every = [*runs(), PastRun(name="diverged", tier="t", at=DAY, val_bpb=900.0)]
    image = pixels(Path(scores.draw(tmp_path / "a.png", every).path))
    wanted = [int(plots.COLOURS[0][i : i + 2], 16) for i in (1, 3, 5)]
    rows = np.nonzero((np.abs(image[70:510, 100:740] - wanted).max(axis=-1) < 12).any(axis=1))[0]
    assert rows.max() - rows.min() > 150


def test_a_discarded_run_is_no_record_however_low(tmp_path: Path) -> None:
    every = runs(4)
    every[2] = every[2].model_copy(update={"status": "discard", "val_bpb": 0.5, "scores": [0.5]})
    shown = scores.draw(tmp_path / "a.png", every)
    assert "a record of 1.3000 bits per byte by run0" in shown.alt
    gone = [run.model_copy(update={"status": "discard"}) for run in runs(3)]
    assert "a record of 1.2300 bits per byte by run1" in scores.draw(tmp_path / "b.png", gone).alt


def test_money_is_set_aside_and_then_spent_in_the_order_of_time(workspace: Workspace):
    book = BudgetBook(workspace.database, workspace.config.budget)
    book.reserve("one", 3.5, "h100x8", now=DAY)
    book.settle("one", 2.9)
    book.reserve("two", 3.5, "h100x8", now=DAY + timedelta(hours=2))
    assert [(m.spent_usd, m.reserved_usd) for m in burn(workspace)] == [(2.9, 0.0), (2.9, 3.5)]
    state = book.state()
    assert burn(workspace)[-1][1:] == (state.spent_usd, state.reserved_usd)


def test_the_verb_draws_one_or_all_into_the_workspace_and_says_what_is_missing(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(UnreadableInput):
        gallery.draw_all(workspace.root / "outputs", workspace)
    for place in range(6):
        scored(workspace, f"run{place}", 1.4 - 0.01 * (place * 5 % 6), env={"MATRIX_LR": f"{place / 100}"})
    assert main(["picture", "scores"]) == 0
    out = capsys.readouterr().out
    assert "outputs/scores.png" in out and "\x1b" not in out
    assert main(["picture", "all", "--json"]) == 0
    assert "nothing to show yet in the picture budget" in capsys.readouterr().err
    names = {path.stem for path in (workspace.root / "outputs").glob("*.png")}
    assert {"scores", "sizes", "seeds", "settings"} <= names
    with pytest.raises(BadConfig, match="there are scores, sizes"):
        gallery.draw("mona-lisa", workspace.root, workspace)
    with pytest.raises(NotFound, match="of a workspace"):
        gallery.draw("budget", workspace.root, None)


# --- in the terminal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("environment", "how"),
    [
        ({"TERM": "xterm-kitty"}, "kitty"), ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, "kitty"),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, "iterm2"), ({"TERM_PROGRAM": "WezTerm"}, "iterm2"),
        ({"TERM": "dumb"}, None), ({"TERM": "tmux-256color", "TERM_PROGRAM": "iTerm.app"}, None),
        ({"TERM": "xterm-kitty", "TMUX": "/tmp/x"}, None), ({"TERM": "xterm-256color"}, None),
    ],
)  # fmt: skip
def test_a_picture_is_shown_only_where_the_terminal_says_it_can(
    environment: dict[str, str], how: str | None, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(inline, "_has_sixel", lambda: False)
    assert inline.protocol(Terminal(), environment) == how
    assert inline.protocol(io.StringIO(), environment) is None  # a pipe


def test_kitty_and_iterm2_are_sent_the_very_png(tmp_path: Path):
    png = Path(scores.draw(tmp_path / "a.png", runs()).path).read_bytes()
    chunks = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", inline.encoded(png, "kitty"))
    assert base64.b64decode("".join(data for _, data in chunks)) == png
    assert all(len(data) <= 4096 for _, data in chunks)
    assert [keys.endswith("m=1") for keys, _ in chunks] == [True] * (len(chunks) - 1) + [False]
    sent = re.fullmatch(r"\x1b\]1337;File=inline=1;size=(\d+);[^:]*:([^\x07]*)\x07", inline.encoded(png, "iterm2"))
    assert sent is not None
    assert (int(sent[1]), base64.b64decode(sent[2])) == (len(png), png)


def test_a_sixel_picture_decodes_to_nearly_the_same_pixels(tmp_path: Path):
    path = Path(scores.draw(tmp_path / "a.png", runs()).path)
    sent = inline.encoded(path.read_bytes(), "sixel")
    assert sent.startswith('\x1bPq"1;1;1000;600') and sent.endswith("\x1b\\")
    assert np.abs(decoded(sent) - pixels(path)).mean() < 3


def decoded(sent: str) -> np.ndarray:
    """Sixel as a terminal reads it: colours, runs, the carriage return within a band and the next band."""
    colours, image, x, y, colour = {}, np.zeros((606, 1000, 3), dtype=int), 0, 0, 0
    for token in re.findall(r"#\d+;2;\d+;\d+;\d+|#\d+|!\d+[?-~]|[?-~]|[$-]", sent[sent.index("600") + 3 : -2]):
        if token.startswith("#"):
            number, *parts = map(int, token[1:].split(";"))
            if parts:
                colours[number] = [round(part * 2.55) for part in parts[1:]]
            colour = number
        elif token in "$-":
            x, y = 0, y + 6 * (token == "-")
        else:
            count, bits = (int(token[1:-1]) if token[0] == "!" else 1), ord(token[-1]) - 63
            for row in range(6):
                if bits >> row & 1:
                    image[y + row, x : x + count] = colours[colour]
            x += count
    return image[:600]


@pytest.mark.parametrize(
    ("answer", "can"),
    [(b"\x1b[?62;4;22c", True), (b"\x1b[?62;22c", False), (b"\x1b[?4;1c", False), (b"", False), (b"x" * 300, False)],
)
def test_sixel_is_what_the_terminals_own_answer_names(answer: bytes, can: bool, monkeypatch: pytest.MonkeyPatch):
    reading, writing = os.pipe()
    os.write(writing, answer)
    os.close(writing)
    assert inline.answers_sixel(reading) is can
    os.close(reading)


def test_a_run_is_named_without_its_day_and_the_folders_above_it():
    assert picture.short_name(PastRun(name="track/2026-04-01_wide", source="track/2026-04-01_wide")) == "wide"
    assert picture.short_name(PastRun(name="track/2026-04-01_wide/s1", source="track/2026-04-01_wide")) == "wide/s1"
    assert picture.short_name(PastRun(name="2026-04-01_wide", source="results.tsv")) == "wide"


def test_all_tiers_are_drawn_on_request_and_a_tier_without_runs_is_named(tmp_path: Path):
    for tier in ("small", "large"):
        folder = tmp_path / "logs" / tier / "run"
        folder.mkdir(parents=True)
        (folder / "train.log").write_text("step:10/10 val_bpb:1.3\n")
    assert gallery.draw("scores", tmp_path, None, place=tmp_path / "logs", tier="all").alt.startswith("2 scores")
    with pytest.raises(NotFound, match="there are: large, small, or all"):
        gallery.draw("scores", tmp_path, None, place=tmp_path / "logs", tier="huge")
