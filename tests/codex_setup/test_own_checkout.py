"""This repository is a workspace too, and its own settings for Codex are what `golf init` would write today."""

from pathlib import Path

from golf.codex import setup
from golf.workspace import CONFIG_NAME, Workspace

ROOT = Path(__file__).parents[2]


def test_the_checkout_s_settings_for_codex_are_current() -> None:
    """When this fails: rm -r .codex && golf init --agents none."""
    stale = [wanted.name for wanted in setup.wanted(ROOT, "none") if (ROOT / wanted.name).read_text() != wanted.text]
    assert stale == []


def test_its_golf_toml_is_readable() -> None:
    assert (ROOT / CONFIG_NAME).is_file()
    assert "smoke" in Workspace(ROOT).config.tiers
