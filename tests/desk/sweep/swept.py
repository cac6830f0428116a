"""A sweep's file, planned by the command, and what its script played."""

import importlib.util
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from golf.cli import main
from golf.desk.sweep import plan
from golf.desk.sweep.specification import Specification, parse
from golf.desk.sweep.values import word

needs_hydra = pytest.mark.skipif(not importlib.util.find_spec("hydra"), reason="hydra-core is not installed")
needs_mlflow = pytest.mark.skipif(not importlib.util.find_spec("mlflow"), reason="mlflow is not installed")
needs_optuna = pytest.mark.skipif(not importlib.util.find_spec("optuna"), reason="optuna is not installed")

HOSTILE = ["$(touch pwned)", "`touch pwned`", "a'; touch pwned; '", '"\\$HOME"', "a b", "-rf", "*", "", "é\\", "\\'"]

keys = st.lists(
    st.text("abcxyz_", min_size=1, max_size=4).filter(lambda key: key[0] != "_" and key != "seed"),
    min_size=1, max_size=3, unique=True,
)  # fmt: skip
scalars = st.one_of(
    st.integers(-(10**6), 10**6),
    st.floats(-1e6, 1e6, allow_nan=False),
    st.booleans(),
    st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=6),
)
grids = keys.flatmap(
    lambda names: st.fixed_dictionaries(
        {name: st.lists(scalars, min_size=1, max_size=3, unique_by=lambda value: word("hydra", "k", value))
         for name in names}
    )
)  # fmt: skip


def spec(**said: Any) -> Specification:
    return parse(json.dumps({"command": ["python", "train.py"], **said}, ensure_ascii=False), "test")


def planned(said: Specification, folder: Path = Path("/x/configs/sweeps/test"), root: Path = Path("/x")) -> Any:
    return plan.plan(said, folder, root)


def written(place: Path, text: str) -> Path:
    """A sweep's file in a folder of its own, planned by the command."""
    (place / "configs").mkdir(exist_ok=True)
    (place / "configs" / "sweep.yaml").write_text(text)
    assert main(["sweep", "plan", "configs/sweep.yaml"]) == 0
    return place / "configs" / "sweeps"


SAYS_ITS_SETTINGS = """import json, os, pathlib, sys
said = {"argv": sys.argv[1:], "env": {k: v for k, v in os.environ.items() if k.startswith(("X_", "SEED", "SWEEP_"))}}
with open("said.jsonl", "a") as file:
    file.write(json.dumps(said) + "\\n")
seed = int(os.environ["SWEEP_SEED"])
if pathlib.Path("break").exists() and seed == 2:
    raise SystemExit(3)
print(f"step 5: val loss {1 + seed / 100:.4f}")
"""


def play(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["bash", str(folder / script_name()), *words], capture_output=True, text=True, timeout=120)


def script_name() -> str:
    return plan.LAUNCH


def said(here: Path) -> list[dict[str, Any]]:
    path = here / "said.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
