"""An Optuna search goes on where it was, plans in batches and ends (S74)."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import pytest
from swept import SAYS_ITS_SETTINGS, needs_optuna, play, said, spec, written

from golf.cli import main
from golf.errors import BadConfig


def search_of(place: Path, trials: int = 12, **said: Any) -> Any:
    from golf.desk.sweep.search import Search

    ranges = {"lr": {"from": 1e-4, "to": 1, "scale": "log"}, "n": {"from": 1, "to": 8, "int": True}}
    return Search(
        spec(design="optuna", ranges=ranges, grid={"act": ["relu", "gelu"]}, fixed={"steps": 3},
             optuna={"trials": trials, "seed": 3, "startup": 4}, **said),
        place / "optuna.db",
    )  # fmt: skip


@needs_optuna
def test_s74_a_killed_search_asks_for_what_it_would_have_asked_for(tmp_path: Path) -> None:
    def score(name: str) -> float:
        return len(name) + sum(map(ord, name)) % 97 / 100

    for folder, is_killed in (("one", False), ("two", True)):
        (tmp_path / folder).mkdir()
        search = search_of(tmp_path / folder)
        while asked := search.ask(1):
            search.tell(score, lambda name: False)
            if is_killed:
                search = search_of(tmp_path / folder)
            assert len(asked) == 1
    one, two = search_of(tmp_path / "one").points(), search_of(tmp_path / "two").points()
    assert [point.name for point in one] == [point.name for point in two]
    assert len({point.name for point in one}) == len(one) == 12
    assert all(point.settings["steps"] == 3 for point in one)


@needs_optuna
def test_s74_a_search_finds_better_than_its_random_start(tmp_path: Path) -> None:
    search = search_of(tmp_path, trials=30)

    def loss(point: Any) -> float:
        return (math.log10(point.swept["lr"]) + 2) ** 2 + (point.swept["n"] - 5) ** 2

    scores: dict[str, float] = {}
    while asked := search.ask(1):
        scores |= {point.name: loss(point) for point in asked}
        search.tell(scores.get, lambda name: False)
    values = list(scores.values())
    assert min(values[4:]) < min(values[:4])


@needs_optuna
def test_s74_a_small_space_is_searched_once_and_ends(tmp_path: Path) -> None:
    from golf.desk.sweep.search import Search

    search = Search(
        spec(design="optuna", grid={"a": [1, 2], "b": [1, 2]}, exclude=[{"a": 1, "b": 1}], optuna={"trials": 10}),
        tmp_path / "o.db",
    )
    names = []
    while asked := search.ask(2):
        names += [point.name for point in asked]
        search.tell(lambda name: 1.0, lambda name: False)
    assert sorted(names) == ["a1-b2", "a2-b1", "a2-b2"]


@needs_optuna
def test_s74_a_search_over_other_settings_is_refused(tmp_path: Path) -> None:
    search_of(tmp_path).ask(1)
    with pytest.raises(BadConfig, match="over other settings"):
        search_of(tmp_path, exclude=[], seeds=[1], metric={"name": "loss"})


@needs_optuna
def test_s74_planning_an_optuna_sweep_opens_a_batch_and_goes_on_when_it_is_told(here: Path) -> None:
    (here / "train.py").write_text(SAYS_ITS_SETTINGS)
    sweep = {
        "name": "o", "design": "optuna", "command": [sys.executable, "train.py"], "seeds": [1],
        "ranges": {"lr": {"from": 0.001, "to": 1}}, "optuna": {"trials": 5, "batch": 2}, "metric": {"name": "val loss"},
    }  # fmt: skip
    folder = written(here, json.dumps(sweep)) / "o"
    assert len(list(folder.glob("*.yaml"))) == 2
    written(here, json.dumps(sweep))
    assert len(list(folder.glob("*.yaml"))) == 2  # nothing was told: the same two
    for expected in (4, 5, 5):
        assert play(folder).returncode == 0
        written(here, json.dumps(sweep))
        assert len(list(folder.glob("*.yaml"))) == expected
    assert len(said(here)) == 5


def test_s74_without_optuna_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, here: Path, capsys: Any) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    (here / "s.yaml").write_text("command: c\ndesign: optuna\ngrid: {a: [1, 2]}\noptuna: {trials: 2}")
    assert main(["sweep", "plan", "s.yaml"]) == 2
    assert "pip install 'caddie[optuna]'" in capsys.readouterr().err
