"""Imports point one way, and the light doors stay light."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = [
    {"golf.errors", "golf.rules", "golf.hooks"},
    {"golf.schema", "golf.rulings", "golf.answers"},
    {"golf.durable", "golf.database", "golf.workspace", "golf.bundle", "golf.environment", "golf.leftovers"},
    {"golf.measure", "golf.referee"},
    {"golf.data", "golf.jobs"},
    {"golf.play", "golf.codex", "golf.research", "golf.desk"},
    {"golf.report"},
    {"golf.cli", "mcp_server"},
]
"""Lowest first; a module may import from its own layer and from those below."""

HEAVY = ("torch", "trackio", "huggingface_hub", "scipy", "matplotlib", "sentencepiece")


def layer(module: str) -> int | None:
    for index, names in enumerate(LAYERS):
        if any(module == name or module.startswith(f"{name}.") for name in names):
            return index
    return None


def imported(path: Path) -> set[str]:
    """Absolute names of what a file imports, at its top or inside functions."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


MODULES = sorted([*(ROOT / "golf").rglob("*.py"), *(ROOT / "mcp_server").rglob("*.py")])
WRITTEN = ROOT / "golf" / "templates"
"""What golf writes into others' folders: read, never imported."""


@pytest.mark.parametrize("path", [one for one in MODULES if WRITTEN not in one.parents], ids=lambda p: p.stem)
def test_a_module_imports_only_from_its_own_layer_or_below(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    mine = layer(module)
    if mine is None:
        assert module == "golf", f"{module} has no layer: decide where it belongs"
        return
    # The command line starts the server, and the server stands beside it; nothing else crosses.
    above = {name for name in imported(path) if (theirs := layer(name)) is not None and theirs > mine}
    assert not above


@pytest.mark.parametrize(
    "statement", ["import golf", "import golf.cli", "from mcp_server import server; server.build()"]
)
def test_no_door_loads_a_heavy_library_at_its_start(statement: str) -> None:
    check = f"import sys; {statement}; print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_server_starts_without_the_referee_the_gates_and_research() -> None:
    """Most sessions ask for little of it; it is a third of a second of CPU."""
    late = ("numpy", "yaml", "golf.referee.ruling", "golf.referee.triage", "golf.play.promotion", "golf.research.loop")
    check = f"import sys; from mcp_server import server; server.build(); print([n for n in {late} if n in sys.modules])"
    done = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_every_public_name_can_be_loaded_and_the_list_is_sorted() -> None:
    import golf

    assert sorted(golf.__all__) == golf.__all__
    assert all(getattr(golf, name) is not None for name in golf.__all__)
