"""The `golf` command's start against the interpreter's own, and against what no typed command line can do without."""

import os
import sys
from pathlib import Path

from side_by_side import Row, Sides, absolute, command, shown
from speed_server import ROWS, ledger_rows

BARE = [sys.executable, "-c", "pass"]
UNAVOIDABLE = [sys.executable, "-c", "import argparse, importlib.metadata, json, pydantic, sqlite3, tomllib"]
GOLF = [os.fspath(Path(sys.executable).with_name("golf"))]
CPU_S_MAX = 0.35


def rows(quick: bool) -> list[Row]:
    """Each command beside both baselines."""
    pairs = 7 if quick else 15
    imports = "python that imports argparse, pydantic, sqlite3, tomllib"
    limit = [absolute("cpu_s", CPU_S_MAX)]
    return [
        Row(
            name="start: the unavoidable imports",
            baseline="python -c pass",
            prepare=lambda scratch: Sides(baseline=command(BARE), ours=command(UNAVOIDABLE)),
            goals=[shown("cpu_s")],
            pairs=pairs,
        ),
        Row(name="start: golf --version", baseline=imports, prepare=_version, goals=limit, pairs=pairs),
        Row(
            name=f"start: golf history, {ROWS:,} rows",
            baseline=imports,
            prepare=_history,
            goals=limit,
            pairs=pairs,
        ),
    ]


def _version(scratch: Path) -> Sides:
    def check(_: str, said: str) -> None:
        assert said.startswith("caddie "), said

    return Sides(baseline=command(UNAVOIDABLE), ours=command([*GOLF, "--version"], cwd=scratch), check=check)


def _history(scratch: Path) -> Sides:
    (scratch / "golf.toml").write_text("")
    ledger_rows(scratch)
    ours = command([*GOLF, "history"], cwd=scratch, env={"GOLF_WORKSPACE": os.fspath(scratch)})

    def check(_: str, said: str) -> None:
        assert f"{ROWS:,}" in said or str(ROWS) in said, said

    return Sides(baseline=command(UNAVOIDABLE), ours=ours, check=check)
