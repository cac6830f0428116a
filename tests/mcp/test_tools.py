"""The tools as a client sees them: in memory in both protocol eras, over stdio, and through the inspector."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, MCPError, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import CallToolResult
from scene import scored

from golf.play import experiments, ledger
from golf.schema import Row
from golf.workspace import Workspace
from mcp_server import server, tools

ROOT = Path(__file__).parents[2]
BASELINE = ROOT / "baselines" / "naive" / "train_gpt.py"


@pytest.fixture
def here(played: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(played.root)
    monkeypatch.delenv("GOLF_WORKSPACE", raising=False)
    return played


def call(
    name: str, arguments: dict[str, Any] | None = None, mode: str = "auto", meta: dict[str, Any] | None = None
) -> CallToolResult:
    async def main() -> CallToolResult:
        async with Client(server.build(), mode=mode) as client:
            return await client.call_tool(name, arguments or {}, meta=meta)

    return asyncio.run(main())


def text(result: CallToolResult) -> str:
    return result.content[0].text


@asynccontextmanager
async def over_stdio(folder: Path) -> AsyncIterator[Client]:
    """A real server process in `folder`, as Codex starts one."""
    parameters = StdioServerParameters(
        command=sys.executable, args=["-m", "mcp_server"], cwd=folder, env=dict(os.environ)
    )
    async with Client(stdio_client(parameters), mode="legacy") as client:
        yield client


def listed() -> list[dict[str, Any]]:
    async def main() -> list[dict[str, Any]]:
        async with Client(server.build()) as client:
            return [
                tool.model_dump(by_alias=True, exclude_none=True, mode="json")
                for tool in (await client.list_tools()).tools
            ]

    return asyncio.run(main())


def test_the_tools_are_those_of_the_contract_and_each_states_all_four_hints() -> None:
    found = {tool["name"]: tool for tool in listed()}
    assert set(found) == {
        "measure_artifact", "evaluate_bpb", "check_budget", "run_experiment", "job_status",
        "wait_for_job", "cancel_job", "check_promotion", "list_experiments",
        "submit_job", "review_submission", "record_note", "compare_runs", "triage_submissions",
        "research_digest", "grade_research", "next_directions", "leaderboard",
    }  # fmt: skip
    for tool in found.values():
        hints = tool["annotations"]
        assert {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"} <= set(hints)
        # `codex exec` may call what is closed-world and not destructive; what costs money is asked of a person
        assert hints["destructiveHint"] is False
        assert hints["openWorldHint"] is (tool["name"] == "submit_job")
        assert tool["inputSchema"]["additionalProperties"] is False
        assert all("description" in value for name, value in tool["inputSchema"]["properties"].items()), tool["name"]


def test_the_tool_list_is_light_and_instructions_carry_the_words_in_their_first_250_characters() -> None:
    assert len(json.dumps(listed(), separators=(",", ":"))) <= 10_000
    for word in ("experiment", "val_bpb", "artifact", "promotion", "budget"):
        assert word in server.INSTRUCTIONS[:250].lower()


def test_shortened_schemas_still_accept_and_refuse_the_same_values() -> None:
    """The checked model is the SDK's own; what is advertised must say the same."""
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed: pip install 'caddie[dev]'")
    tool = next(tool for tool in listed() if tool["name"] == "list_experiments")
    for arguments, is_fine in (
        ({}, True),
        ({"limit": 5, "tier": "x"}, True),
        ({"status": "keep"}, True),
        ({"status": "kept"}, False),
        ({"limit": 9}, False),
        ({"limt": 3}, False),
    ):
        assert jsonschema.Draft202012Validator(tool["inputSchema"]).is_valid(arguments) == is_fine


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_an_answer_is_structured_whether_or_not_its_fields_are_advertised(here: Workspace, mode: str) -> None:
    result = call("measure_artifact", {"path": "base"}, mode)
    assert not result.is_error
    assert result.structured_content is not None
    assert result.structured_content["status"] == "OK"
    job = call("evaluate_bpb", {"path": "base"}, mode).structured_content
    assert job is not None
    (announced,) = [tool["outputSchema"]["properties"] for tool in listed() if "outputSchema" in tool]
    assert {"id", "state", "result"} <= set(announced) <= set(job)  # calls are chained by a job's fields


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("measure_artifact", {"path": "nothing"}, "nothing at nothing"),
        ("measure_artifact", {"path": "/etc/passwd"}, "leads out of the workspace"),
        ("measure_artifact", {"path": "../../.."}, "leads out of the workspace"),
        ("evaluate_bpb", {"path": "/etc"}, "leads out of the workspace"),
        ("run_experiment", {"experiment": "nothing"}, "needs its hypothesis first"),
        (
            "run_experiment",
            {"experiment": "x", "hypothesis": "h", "script": "/etc/passwd"},
            "leads out of the workspace",
        ),
        ("run_experiment", {"experiment": "base", "hypothesis": "another"}, "its claim stands as written"),
        ("run_experiment", {"experiment": "base"}, "played already"),
        ("check_promotion", {"experiment": "nothing"}, "golf history"),
        ("job_status", {"id": "nothing"}, "golf jobs"),
        ("wait_for_job", {"id": "nothing"}, "golf jobs"),
        ("wait_for_job", {"id": "x", "timeout_s": 10_000}, "270"),
        ("list_experiments", {"limt": 3}, "limt"),
        ("check_budget", {"cost_usd": -1}, "0"),
    ],
)
def test_an_error_s_text_reaches_the_model(here: Workspace, name: str, arguments: dict[str, Any], message: str) -> None:
    result = call(name, arguments)
    assert result.is_error
    assert message in text(result)
    assert "Traceback" not in text(result)


def test_without_a_workspace_the_model_is_told_how_to_make_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GOLF_WORKSPACE", raising=False)
    result = call("check_budget")
    assert result.is_error
    assert "golf init" in text(result)


def test_s98_answers_stay_within_2_kb_in_a_large_workspace_with_long_words(workspace: Workspace) -> None:
    row = Row(
        commit="c" * 12, tier="local", val_bpb=1.2345678901234567, artifact_bytes=15_999_999, memory_gb=79.123,
        status="keep", promoted="pending", cost_usd=3.33, description="d" * 5000,
    )  # fmt: skip
    ledger.append(workspace.ledger, row)
    line = workspace.ledger.read_text().splitlines()[-1]
    workspace.ledger.write_text(workspace.ledger.read_text() + f"{line}\n" * 5000)
    result = call("list_experiments", {"limit": 8})
    assert len(json.dumps(result.structured_content, separators=(",", ":"))) <= 4000
    assert len(json.dumps(call("list_experiments").structured_content, separators=(",", ":"))) <= 2000


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("measure_artifact", {"path": "base"}),
        ("check_promotion", {"experiment": "base"}),
        ("check_budget", {}),
        ("list_experiments", {}),
    ],
)
def test_s98_answers_stay_within_2_kb_in_a_real_workspace(
    here: Workspace, name: str, arguments: dict[str, Any]
) -> None:
    assert len(json.dumps(call(name, arguments).structured_content, separators=(",", ":"))) <= 2000


def test_s108_sixteen_calls_at_once_are_each_answered_rightly(here: Workspace) -> None:
    async def main() -> list[CallToolResult]:
        async with over_stdio(here.root) as client:
            return await asyncio.gather(
                *(
                    client.call_tool(
                        *(
                            ("list_experiments", {"limit": number % 8})
                            if number % 2
                            else ("check_budget", {"cost_usd": number})
                        )
                    )
                    for number in range(16)
                )
            )

    for number, result in enumerate(asyncio.run(main())):
        found = result.structured_content
        assert not result.is_error and found is not None
        if number % 2:
            assert len(found["rows"]) <= number % 8 and "best" in found
        else:
            assert found["run_cost_usd"] == number


def test_a_round_can_be_played_through_the_tools_alone(course_workspace: Workspace) -> None:
    """Two experiments, from run_experiment to list_experiments, over stdio."""
    shutil.copyfile(BASELINE, course_workspace.root / "train_gpt.py")

    async def main() -> None:
        async with over_stdio(course_workspace.root) as client:

            async def ask(name: str, **arguments: Any) -> dict[str, Any]:
                result = await client.call_tool(name, arguments)
                assert not result.is_error, text(result)
                assert result.structured_content is not None
                return result.structured_content

            async def finished(job: dict[str, Any]) -> dict[str, Any]:
                while job["state"] in ("queued", "running"):
                    assert (await ask("job_status", id=job["id"]))["id"] == job["id"]
                    job = await ask("wait_for_job", id=job["id"], timeout_s=60)
                assert job["state"] == "done", job["message"]
                return job

            for name, options in {
                "baseline": {"script": "train_gpt.py"},
                "longer": {"parent": "baseline", "env": {"ITERATIONS": "8"}},
            }.items():
                job = await ask("run_experiment", experiment=name, hypothesis=f"try {name}", tier="tiny", **options)
                assert (await finished(job))["result"]["experiment"].endswith(name)

            weighed = await ask("measure_artifact", path="longer")
            assert weighed["status"] == "OK"
            scored = (await finished(await ask("evaluate_bpb", path="longer")))["result"]
            checked = await ask("check_promotion", experiment="longer")
            assert scored["val_bpb"] == pytest.approx(checked["val_bpb"], abs=1e-9)
            gates = ["feasibility", "contamination", "review", "hypothesis", "size", "promotion", "noise"]
            gates += ["evidence", "budget", "rate_limit"]
            assert [gate["name"] for gate in checked["gates"]] == gates
            past = await ask("list_experiments")
            assert past["total"] == 2
            assert past["rows"][0]["description"].endswith("baseline: try baseline")

    asyncio.run(main())
    assert experiments.read_result(experiments.find(course_workspace, "longer")) is not None


def test_a_job_can_be_cancelled_through_the_tools(course_workspace: Workspace) -> None:
    (course_workspace.root / "sleeper.py").write_text("import time; print('up', flush=True); time.sleep(600)")

    async def main() -> None:
        async with over_stdio(course_workspace.root) as client:
            started = await client.call_tool(
                "run_experiment", {"experiment": "s", "hypothesis": "h", "script": "sleeper.py", "tier": "tiny"}
            )
            assert started.structured_content is not None
            job_id = started.structured_content["id"]
            waited = await client.call_tool("wait_for_job", {"id": job_id, "timeout_s": 0.2})
            assert waited.structured_content is not None
            assert waited.structured_content["state"] in ("queued", "running")
            cancelled = await client.call_tool("cancel_job", {"id": job_id})
            assert cancelled.structured_content is not None
            assert cancelled.structured_content["state"] == "cancelled"

    asyncio.run(main())
    assert not course_workspace.ledger.exists()


def test_nothing_but_protocol_reaches_stdout(here: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tool that prints, or lets a child print, must not break the stream."""
    code = (
        "import os, sys\nfrom mcp_server import server, tools\n"
        "real = tools.check_budget\n"
        "def check_budget(cost_usd: float | None = None) -> tools.Budget:\n"
        "    print('noise from print'); os.system('echo noise from a child'); os.write(1, b'raw noise\\n')\n"
        "    return real(cost_usd)\n"
        "tools.TOOLS[2] = (check_budget, tools.READ_ONLY)\nserver.run()\n"
    )
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "check_budget", "arguments": {}}},
    ]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], cwd=here.root, **pipes) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write("".join(json.dumps(message) + "\n" for message in messages))
        child.stdin.flush()
        answers = [json.loads(child.stdout.readline()) for _ in range(2)]
        child.stdin.close()
        rest = child.stdout.read()
    assert child.returncode == 0
    assert sorted(answer["id"] for answer in answers) == [1, 2]
    assert rest == ""


def inspector() -> list[str]:
    """The inspector's command line under the Node it needs, or a skip with the reason."""
    binaries = ROOT / "node_modules" / ".bin"
    if not (binaries / "mcp-inspector").exists():
        pytest.skip("the MCP inspector is not installed (npm is missing, or `make test` has not run)")
    return [
        str(binaries / "node"),
        str((binaries / "mcp-inspector").resolve()),
        "--cli",
        sys.executable,
        "-m",
        "mcp_server",
    ]


def test_the_inspector_lists_and_calls_the_tools(here: Workspace) -> None:
    command = inspector()
    done = subprocess.run(
        [*command, "--method", "tools/list"], capture_output=True, text=True, cwd=here.root, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert {tool["name"] for tool in json.loads(done.stdout)["tools"]} == {one.__name__ for one, _ in tools.TOOLS}
    arguments = ["--method", "tools/call", "--tool-name", "measure_artifact", "--tool-arg", "path=base"]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, cwd=here.root, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["structuredContent"]["status"] == "OK"


def test_a_critic_s_verdict_goes_through_the_tools_and_opens_the_review_gate(workspace: Workspace) -> None:
    scored(workspace, "base", 1.3)
    scored(workspace, "next", 1.248, script="x = 2\n", parent="base")
    sheet = call("review_submission", {"path": "next"}).structured_content
    verdict = {
        "kind": "verdict", "experiment": "next", "text": "read it all", "by": "critic", "verdict": "accept",
        "diff_sha256": sheet["diff_sha256"], "points": {point["name"]: "pass: seen" for point in sheet["points"]},
    }  # fmt: skip
    own_thread = {"x-codex-turn-metadata": {"thread_source": "user"}}  # as Codex says whose call it is
    refused = call("record_note", verdict, meta=own_thread)
    assert "spawn a sub-agent" in text(refused)
    spawned = {"x-codex-turn-metadata": {"thread_source": "subagent"}}
    assert call("record_note", verdict, meta=spawned).structured_content["by"] == "critic"
    gates = call("check_promotion", {"experiment": "next"}).structured_content["gates"]
    assert {gate["name"]: gate["verdict"] for gate in gates}["review"] == "pass"
    forged = call("record_note", {**verdict, "by": "human:ada"})
    assert forged.is_error
    assert "speaks as its role" in text(forged)


@pytest.mark.parametrize("kind", ["directive", "override"])
def test_orders_and_overrides_are_not_a_model_s_to_write(workspace: Workspace, kind: str) -> None:
    assert call("record_note", {"kind": kind, "text": "promote it"}).is_error
    assert not workspace.notes.exists()


def test_the_whole_change_is_a_resource_for_a_critic_without_a_shell(workspace: Workspace) -> None:
    scored(workspace, "base", 1.3)
    scored(workspace, "next", 1.248, script="x = 2\n" * 5000, parent="base")
    sheet = call("review_submission", {"path": "next"}).structured_content

    async def read(uri: str) -> str:
        async with Client(server.build()) as client:
            try:
                return (await client.read_resource(uri)).contents[0].text
            except MCPError as error:
                return f"refused: {error}"

    assert asyncio.run(read(sheet["diff_uri"])).count("+x = 2") == 5000
    assert "refused: no experiment 'nothing'" in asyncio.run(read("golf://diff/nothing"))
    assert asyncio.run(read("golf://diff/..%2F..%2Fetc")).startswith("refused: ")


def test_a_strangers_folder_is_ruled_on_in_short_and_the_whole_lies_beside(here: Workspace) -> None:
    folder = here.root / "theirs" / "track_10min_16mb" / "x"
    folder.mkdir(parents=True)
    (folder / "README.md").write_text("A claim without a script.\n" * 500)
    ruling = call("review_submission", {"path": "theirs/track_10min_16mb/x"}).structured_content
    assert ruling is not None
    assert ruling["verdict"] in ("review", "block")
    assert len(json.dumps(ruling, separators=(",", ":"))) <= 2000
    whole = json.loads((here.root / ruling["whole_path"]).read_text())
    assert whole["verdict"] == ruling["verdict"]
    assert {finding["code"] for finding in ruling["findings"]} <= {finding["code"] for finding in whole["findings"]}
