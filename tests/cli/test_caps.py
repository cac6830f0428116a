"""What lists things prints a page, however much there is: the settings of a session cut off what is longer (S98)."""

import tomllib
from pathlib import Path

import pytest
from scene import scored

from golf.cli import main
from golf.codex import setup
from golf.jobs.store import JobStore
from golf.play import ledger, notes
from golf.schema import Row
from golf.workspace import Workspace

SETTINGS = tomllib.loads((setup.TEMPLATES / "config.toml").read_text())
CHARACTERS = 4 * SETTINGS["tool_output_token_limit"]
"""What the limit is in text, at four characters to a token."""


@pytest.fixture(scope="module")
def crowded(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A workspace after months: 5,000 runs, 400 notes, 300 jobs, 60 experiments. Tests only read it."""
    root = tmp_path_factory.mktemp("crowded")
    (root / "golf.toml").touch()
    workspace = Workspace(root)
    import subprocess

    subprocess.run(["git", "init", "--quiet", str(root)], check=True)
    for number in range(60):
        scored(workspace, f"idea-{number}", 1.25 - number / 10_000)
    row = Row(
        commit="c" * 12, tier="local", val_bpb=1.2345678901234567, artifact_bytes=15_999_999, memory_gb=79.1,
        status="keep", promoted="no", cost_usd=3.33, description="d" * 1500,
    )  # fmt: skip
    ledger.append(workspace.ledger, row)
    line = workspace.ledger.read_text().splitlines()[-1]
    workspace.ledger.write_text(workspace.ledger.read_text() + f"{line}\n" * 5000)
    for number in range(400):
        notes.add(workspace, by="implementer", kind="finding", text=f"finding {number} " + "w" * 900)
    for number in range(300):
        store = JobStore(workspace)
        store.ended(store.add("run", f"idea-{number}", "local").id, "done", 0, "m" * 500)
    return workspace


def test_s98_the_settings_cap_what_a_command_puts_into_the_conversation(tmp_path: Path) -> None:
    from golf.play import init

    init.init(tmp_path / "ws")
    written = tomllib.loads((tmp_path / "ws" / ".codex" / "config.toml").read_text())
    assert 0 < written["tool_output_token_limit"] <= 10_000
    assert "/compact" in (Path(__file__).parents[2] / "docs" / "codex.md").read_text()


@pytest.mark.parametrize(
    "argv",
    [["history"], ["history", "--best"], ["summary"], ["notes"], ["jobs"], ["notebook"], ["check-budget"], ["next"]],
    ids=" ".join,
)
def test_s98_a_list_is_a_page_in_a_crowded_workspace(
    crowded: Workspace, argv: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(crowded.root)
    monkeypatch.delenv("GOLF_WORKSPACE", raising=False)
    main(argv)
    said = capsys.readouterr().out
    assert said
    assert len(said) <= CHARACTERS
