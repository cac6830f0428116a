"""The pictures' looks are for eyes; here stand the facts: what is drawn, where, and what cannot break it."""

import itertools
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import UnreadableInput
from golf.report import plots
from golf.schema import Row

ROOT = Path(__file__).parents[2]
REFERENCES = {"unigram": 4.41, "gzip": 2.93, "zstd": 2.51, "lzma": 2.49}
CURVE = [(float(second), 2.2 + 2.4 * math.exp(-second / 15)) for second in range(0, 61, 5)]


def pixels(path: Path) -> np.ndarray:
    """(height, width, 3), 0 to 255."""
    from PIL import Image

    with Image.open(path) as picture:
        assert picture.format == "PNG"
        return np.asarray(picture.convert("RGB")).astype(int)


def has_colour(image: np.ndarray, colour: str) -> bool:
    wanted = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
    return bool((np.abs(image - wanted).max(axis=-1) < 12).any())


def row(val_bpb: float | None, status: str = "keep", description: str = "wide") -> Row:
    return Row.model_validate(
        {
            "commit": "0123abc",
            "tier": "local",
            "val_bpb": val_bpb,
            "artifact_bytes": None,
            "memory_gb": None,
            "status": status,
            "promoted": "no",
            "cost_usd": 0.0,
            "description": description,
        }
    )


def test_a_loss_curve_is_a_thousand_pixels_wide_with_every_curve_drawn_and_named(tmp_path: Path):
    curves = {"seed 1337": CURVE, "seed 42": [(x, y + 0.2) for x, y in CURVE]}
    path = plots.loss_curve(tmp_path / "loss.png", curves, REFERENCES, "wide", {"seed 1337": 2.24, "seed 42": 2.44})
    image = pixels(path)
    assert image.shape == (600, 1000, 3)
    inside, names = image[:, 100:740], image[:, 770:]
    for colour in plots.COLOURS[:2]:
        assert has_colour(inside, colour)
        assert has_colour(names, colour)
    assert not has_colour(image, plots.COLOURS[2])


def test_the_same_numbers_give_the_same_bytes(tmp_path: Path):
    one, two = (
        plots.loss_curve(tmp_path / name, {"seed 1": CURVE}, REFERENCES, "wide", {"seed 1": 2.2}) for name in "ab"
    )
    assert one.read_bytes() == two.read_bytes()


def test_references_change_the_picture(tmp_path: Path):
    bare = plots.loss_curve(tmp_path / "a.png", {"seed 1": CURVE}, {}, "wide")
    drawn = plots.loss_curve(tmp_path / "b.png", {"seed 1": CURVE}, REFERENCES, "wide")
    assert not has_colour(pixels(bare)[100:500, 770:], plots.QUIET)
    assert has_colour(pixels(drawn)[100:500, 770:], plots.QUIET)


@pytest.mark.parametrize("name", ["$\\frac{$", "日本語", "W" * 300, "tab\tescape\x1b[31m", "x_1 $a$ {b}"])
def test_any_name_and_title_is_drawn_inside_the_picture(tmp_path: Path, name: str):
    curves = {name: CURVE}
    curve = plots.loss_curve(tmp_path / "a.png", curves, {name: 2.5}, name, {name: 2.2}, x_label=name[:40])
    steps = plots.ladder(tmp_path / "b.png", [row(2.2, description=name)], {name: 2.5}, title=name)
    for path in (curve, steps):
        image = pixels(path)
        for edge in (image[0], image[-1], image[:, 0], image[:, -1]):
            assert (edge == 255).all()


def test_a_diverged_seed_is_left_out_where_it_is_not_finite(tmp_path: Path):
    curves = {"seed 1": CURVE, "seed 2": [(0.0, 4.5), (5.0, math.nan), (10.0, math.inf)]}
    drawn = plots.loss_curve(tmp_path / "a.png", curves, {"zstd": math.nan}, "wide", {"seed 2": math.nan})
    alone = plots.loss_curve(tmp_path / "b.png", {"seed 1": CURVE, "seed 2": [(0.0, 4.5)]}, {}, "wide")
    assert drawn.read_bytes() == alone.read_bytes()


def test_a_final_score_without_a_curve_is_still_drawn(tmp_path: Path):
    image = pixels(plots.loss_curve(tmp_path / "a.png", {"seed 1": []}, REFERENCES, "wide", {"seed 1": 2.2}))
    assert has_colour(image[:, 100:770], plots.COLOURS[0])


def test_an_untrained_first_score_does_not_flatten_the_rest():
    low, high = plots.limits({"a": [(0.0, 900.0), *CURVE[1:]]}, REFERENCES, {})
    assert low < 2.2
    assert high < 7  # 900 would put all the rest on one line


def test_nothing_to_draw_is_an_error_and_leaves_no_file(tmp_path: Path):
    with pytest.raises(UnreadableInput, match=r"loss\.png: the log holds no validation score"):
        plots.loss_curve(tmp_path / "loss.png", {"seed 1": [(0.0, math.nan)]}, REFERENCES, "wide")
    with pytest.raises(UnreadableInput, match="no row has a score"):
        plots.ladder(tmp_path / "ladder.png", [row(None, "crash")], REFERENCES)
    assert list(tmp_path.iterdir()) == []


def test_a_ladder_grows_with_its_rungs_and_tells_kept_from_discarded(tmp_path: Path):
    one = pixels(plots.ladder(tmp_path / "a.png", [row(2.2)], {}))
    three = pixels(plots.ladder(tmp_path / "b.png", [row(2.2), row(2.3, "discard"), row(None, "crash")], REFERENCES))
    assert three.shape[0] - one.shape[0] == 34 * 5
    assert one.shape[1] == three.shape[1] == 1000
    assert has_colour(one, plots.COLOURS[0])
    assert not has_colour(one, plots.COLOURS[1])
    assert has_colour(three, plots.COLOURS[1])


@given(
    st.lists(st.tuples(st.floats(0, 10), st.floats(0.01, 2)), max_size=12),
    st.floats(-2, 2),
    st.floats(5, 60),
)
def test_labels_pushed_apart_keep_their_order_do_not_touch_and_stay_inside(
    labels: list[tuple[float, float]], bottom: float, room: float
):
    labels = sorted(labels)
    wanted, heights = [y for y, _ in labels], [height for _, height in labels]
    centres = plots.apart(wanted, heights, bottom, bottom + room)
    edges = [(centre - height / 2, centre + height / 2) for centre, height in zip(centres, heights, strict=True)]
    for (_, upper), (lower, _) in itertools.pairwise(edges):
        assert lower >= upper - 1e-9
    if edges:
        assert edges[0][0] >= bottom - 1e-9
        assert sum(heights) > room or edges[-1][1] <= bottom + room + 1e-9


def test_labels_with_room_stay_where_they_want_and_a_touching_pair_moves_evenly():
    assert plots.apart([1.0, 5.0], [1.0, 1.0], 0.0, 10.0) == [1.0, 5.0]
    assert plots.apart([4.9, 5.1], [1.0, 1.0], 0.0, 10.0) == pytest.approx([4.5, 5.5])


def test_neither_pyplot_nor_a_display_is_touched():
    code = """
import sys
from golf.report import plots
assert "matplotlib" not in sys.modules
import tempfile, pathlib
plots.loss_curve(pathlib.Path(tempfile.mkdtemp()) / "a.png", {"s": [(0, 3), (1, 2)]}, {}, "t")
sys.exit("matplotlib.pyplot" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
