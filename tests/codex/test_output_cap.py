"""The real Codex cuts what a command prints by the setting that `golf init` writes (S98)."""

import pytest
from codex import Home
from hands import Hand
from scripted import say

from golf.workspace import Workspace

LINE = "python3 -c \"print('x' * 99 + chr(10), end='') or [print('x' * 99) for _ in range(5000)]\""


@pytest.mark.usefixtures("sandbox")
def test_s98_a_long_output_reaches_the_model_cut_off(home: Home, practice: Workspace, hand: Hand) -> None:
    """500,000 characters are printed; 6,000 tokens of them arrive, and Codex says that it cut."""
    session = home.exec(hand, [hand.shell(LINE), say("read")], cwd=practice.root)
    heard = session.outputs[0]
    assert "xxx" in heard, session.stderr
    assert len(heard) < 30_000  # Codex's own default would let 40,000 through
    config = practice.root / ".codex" / "config.toml"
    before = config.read_text()
    try:
        config.write_text(before.replace("tool_output_token_limit = 6000", "tool_output_token_limit = 9000"))
        more = home.exec(hand, [hand.shell(LINE), say("read")], cwd=practice.root).outputs[0]
    finally:
        config.write_text(before)
    assert len(more) > 1.3 * len(heard)  # so it is this setting that cuts
