"""Our own repository keeps what it asks of others: install line, lint, types, tests with a time limit (S118)."""

import re
import subprocess
import sys
import tomllib
from importlib.metadata import metadata
from pathlib import Path

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())


def planned(target: str) -> str:
    """What make would run."""
    command = ["make", "--dry-run", "--always-make", "--directory", str(ROOT), target]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_s118_make_check_runs_format_lint_types_and_tests() -> None:
    run = [line.strip() for line in planned("check").splitlines()]
    wanted = (".venv/bin/ruff format --check .", ".venv/bin/ruff check .", ".venv/bin/pyright")
    places = [run.index(line) for line in wanted]
    assert places == sorted(places)
    assert any(line.startswith(".venv/bin/python -m pytest") for line in run[places[-1] :])


def test_s118_the_dev_extra_brings_what_the_checks_need_and_installs_editable() -> None:
    extra = " ".join(PROJECT["project"]["optional-dependencies"]["dev"])
    for package in ("ruff", "pyright", "pytest", "pytest-timeout", "hypothesis"):
        assert re.search(rf"\b{package}>=", extra)
    assert 'install --quiet --editable ".[train,mlx,dev]"' in planned("setup")
    assert "dev" in (metadata("caddie").get_all("Provides-Extra") or [])


def test_s118_every_test_has_a_time_limit_and_every_warning_is_an_error() -> None:
    settings = PROJECT["tool"]["pytest"]["ini_options"]
    assert "--timeout=" in settings["addopts"]
    assert settings["filterwarnings"] == ["error"]


def test_s118_ruff_and_pyright_find_nothing_in_the_foundations() -> None:
    """`make check` looks at everything; these files everything else rests on."""
    files = [f"golf/{name}.py" for name in ("errors", "rules", "durable", "workspace")]
    for command in (["ruff", "check"], ["ruff", "format", "--check"], ["pyright"]):
        done = subprocess.run(
            [sys.executable, "-m", *command, *files], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_s118_ci_runs_the_same_command() -> None:
    assert re.search(r"make .*\b(check|test)\b", (ROOT / ".ci" / "run").read_text())
