"""In the shell that a model is given, `golf` is found, as AGENTS.md and the skills promise."""

import sys
from pathlib import Path

import pytest
from codex import Home
from hands import Hand
from scripted import say


@pytest.mark.usefixtures("sandbox")
def test_the_model_s_shell_finds_golf_though_the_profile_resets_path(codex: Path, hand: Hand, tmp_path: Path) -> None:
    """As /etc/profile does on Debian: an activated environment does not outlive a login shell."""
    home = Home.make(codex, tmp_path / "home")
    for profile in (".profile", ".zprofile"):
        (home.folder / profile).write_text("PATH=/usr/bin:/bin\n")
    root = tmp_path / "ws"
    assert home.golf("init", str(root), cwd=tmp_path).returncode == 0
    assert home.golf("init", "--trust", cwd=root).returncode == 0
    session = home.exec(hand, [hand.shell("command -v golf && golf --version"), say("found")], cwd=root)
    assert str(Path(sys.executable).parent / "golf") in session.outputs[0], session.stderr
    assert "caddie 0." in session.outputs[0]
    config = root / ".codex" / "config.toml"
    config.write_text(config.read_text().replace("allow_login_shell = false", ""))
    session = home.exec(hand, [hand.shell("command -v golf || echo no golf"), say("lost")], cwd=root)
    assert "no golf" in session.outputs[0]
