"""The real Codex CLI in a home that is thrown away; nothing leaves the machine and no model is asked."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from golf.play.init import init

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "node_modules" / ".bin"


def find() -> str | None:
    """What GOLF_CODEX names, the one `make tools` installed in the version we are tested with, or the one on PATH."""
    named = os.environ.get("GOLF_CODEX")
    return shutil.which(named) if named else shutil.which("codex", path=str(TOOLS)) or shutil.which("codex")


CODEX = find()

needs_codex = pytest.mark.skipif(CODEX is None, reason="no codex on PATH, in GOLF_CODEX or node_modules: make tools")


def move_in(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """Make `folder` the HOME of this process, with a CODEX_HOME in it; returns its config.toml."""
    home = folder / "codex home"
    home.mkdir(parents=True)
    config = home / "config.toml"
    config.write_text(
        '# mine\nmodel = "gpt-5.5"\ncheck_for_update_on_startup = false\n\n[analytics]\nenabled = false\n'
    )
    here = Path(sys.executable).parent  # golf and golf-hook
    monkeypatch.setenv("PATH", os.pathsep.join([str(here), os.environ["PATH"], str(TOOLS)]))
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.setenv("CODEX_HOME", str(home))
    for name in ("GOLF_WORKSPACE", "OPENAI_API_KEY", "CODEX_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    if CODEX:
        monkeypatch.setenv("GOLF_CODEX", CODEX)
    return config


def dress(root: Path) -> Path:
    """A workspace with everything `golf init` writes."""
    init(root)
    return root
