"""Large files go by path: no tool takes or answers with their content, and the guard keeps bytes unprinted (S109).

Steps are logged by the library and not through a tool (S108)."""

import asyncio
import json
from pathlib import Path

import pytest
from mcp import Client
from scene import scored

from golf.answers import ANSWER_BYTES_MAX
from golf.cli import main
from golf.hooks.guard import decide
from golf.hooks.state import State
from golf.jobs import progress
from golf.workspace import Workspace
from mcp_server import server, tools

ROOT = Path(__file__).parents[2]
CONTENT = {"content", "contents", "data", "bytes", "blob", "base64", "body", "file_content", "weights_bytes"}


def schemas() -> dict[str, dict[str, object]]:
    async def main() -> dict[str, dict[str, object]]:
        async with Client(server.build()) as client:
            return {tool.name: tool.input_schema["properties"] for tool in (await client.list_tools()).tools}

    return asyncio.run(main())


def test_s109_tools_take_paths_and_never_content() -> None:
    found = schemas()
    assert not CONTENT & {name for properties in found.values() for name in properties}
    for tool in ("measure_artifact", "evaluate_bpb", "review_submission", "triage_submissions"):
        assert {"path", "folder"} & set(found[tool]), tool


def test_s109_a_measured_file_s_bytes_are_not_in_the_answer(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.root)
    folder = workspace.root / "candidate"
    folder.mkdir()
    (folder / "train_gpt.py").write_text("x = 1\n")
    (folder / "final_model.int8.ptz").write_bytes(b"SECRETBYTES" * 300_000)
    answer = tools.measure_artifact(path="candidate").model_dump_json()
    assert "SECRETBYTES" not in answer and str(11 * 300_000) in answer
    assert len(answer) < 2000


def test_s109_a_binary_in_a_change_is_named_and_not_shown(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workspace.root)
    scored(workspace, "base", 1.25)
    scored(workspace, "table", 1.20, parent="base", beside={"lookup.npy": "\0NUMBERS" * 50_000})
    diff = tools.diff("table")
    assert "lookup.npy" in diff and "NUMBERS" not in diff and "\0" not in diff


def test_s109_a_binary_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "model.pt").write_bytes(bytes(ANSWER_BYTES_MAX + 5))
    assert main(["accept", "review", str(tmp_path / "model.pt")]) == 2
    said = capsys.readouterr().err
    assert len(said) < 2000 and "\0" not in said


@pytest.mark.parametrize(
    ("line", "is_refused"),
    [
        ("cat final_model.ptz", True),
        ("head -5 final_model.ptz", True),
        ("cd . && tail final_model.ptz", True),
        ("strings final_model.ptz", True),
        ("xxd final_model.ptz", True),
        ("base64 < final_model.ptz", True),
        ("cat README.md model.safetensors", True),
        ("cat tokens", True),
        ("bash -c 'cat tokens'", True),
        ("cat final_model.ptz | wc -c", False),
        ("cat final_model.ptz > copy.ptz", False),
        ("head -c 64 final_model.ptz", False),
        ("xxd -l 64 final_model.ptz", False),
        ("strings final_model.ptz | head -3", False),
        ("ls -l final_model.ptz", False),
        ("sha256sum final_model.ptz", False),
        ("cat README.md", False),
        ("tail -n 5 train.log", False),
        ("cat nothing", False),
        ("grep -c final_model.ptz README.md", False),
    ],
)
def test_s109_a_binary_is_not_printed_into_the_conversation(workspace: Workspace, line: str, is_refused: bool) -> None:
    for name, content in {
        "final_model.ptz": b"x",
        "tokens": b"a\0b",
        "README.md": b"text\n",
        "train.log": b"1\n",
    }.items():
        (workspace.root / name).write_bytes(content)
    event = {"tool_name": "Bash", "tool_input": {"command": line}, "cwd": str(workspace.root)}
    reason = decide(event, State(workspace.root))
    assert (reason is not None) is is_refused
    assert not is_refused or "measure_artifact" in str(reason)


def test_s108_steps_are_logged_by_the_library_and_no_tool_takes_one(tmp_path: Path) -> None:
    """Ten thousand steps are a file the trainer appends to; whoever looks reads it, and no server is between."""
    assert not {"metrics", "metric", "step", "loss"} & {name for one in schemas().values() for name in one}
    file = tmp_path / "seed1.metrics.jsonl"
    file.write_text("".join(json.dumps({"step": step, "train_loss": 3.0}) + "\n" for step in range(10_000)))
    assert progress.read_metrics(file)[-1]["step"] == 9_999
    assert "log_metrics" in (ROOT / "docs" / "codex.md").read_text()
