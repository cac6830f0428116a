"""A noun of another package finds its view by itself, whoever shows it."""

import importlib
import pkgutil
import subprocess
import sys

import golf.report
from golf.report import render

BY_THEIR_OWN_VERB = {"golf.play.init", "golf.play.demo"}
"""Shown by `golf.report.setup` and `golf.report.round`, which show more than the noun."""


def test_every_view_stands_where_views_says() -> None:
    for module in pkgutil.iter_modules(golf.report.__path__):
        importlib.import_module(f"golf.report.{module.name}")
    shown = {*render.view.registry.items(), *render.row.registry.items()}
    for noun, view in shown:
        home = view.__module__.rpartition(".")[2]
        if home != "render" and noun.__module__ not in BY_THEIR_OWN_VERB:
            said = [to for package, to in render.VIEWS.items() if f"{noun.__module__}.".startswith(f"{package}.")]
            assert home in said, f"{noun.__module__}.{noun.__name__} is shown by {home}"


def test_a_noun_is_shown_by_its_view_without_an_import_of_it() -> None:
    code = (
        "from golf.report import render; from golf.research.loop import Injected; "
        "render.show(Injected(path='p', program='unchanged', target_bpb=None))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[0] == "path: p" and "target_bpb: -" in done.stdout
