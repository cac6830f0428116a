"""Whoever runs an idea that was tried is told so with the job, and the job runs all the same."""

import asyncio
from typing import Any

import pytest
from mcp import Client
from scene import scored

from golf.jobs.local import LocalJobs
from golf.play import experiments
from golf.workspace import Workspace
from mcp_server import server


def run(workspace: Workspace, **arguments: Any) -> dict[str, Any]:
    """What the tool answers, after the job has come to its end."""

    async def main() -> dict[str, Any]:
        async with Client(server.build()) as client:
            result = await client.call_tool("run_experiment", arguments)
        assert not result.is_error
        assert result.structured_content is not None
        return result.structured_content

    job = asyncio.run(main())
    LocalJobs(workspace).wait(job["id"], 120)
    return job


@pytest.fixture
def script(course_workspace: Workspace) -> str:
    (course_workspace.root / "train_gpt.py").write_text("raise SystemExit('no trainer')\n")
    return "train_gpt.py"


def test_a_new_experiment_s_job_says_what_came_of_its_idea(course_workspace: Workspace, script: str) -> None:
    base = scored(course_workspace, "base", 1.30, tier="tiny")
    scored(course_workspace, "smear-gate", 1.31, tier="tiny", parent=base.name)
    job = run(course_workspace, experiment="new", hypothesis="the smear gate helps", script=script, tier="tiny")
    assert job["message"].startswith("You tried this (")
    assert "smear-gate helps': discard, -0.0100 BPB gained" in job["message"]
    assert len(job["message"].encode()) <= 400
    assert experiments.exists(course_workspace, "new")


def test_a_new_idea_and_an_experiment_that_was_claimed_before_are_not_warned_of(
    course_workspace: Workspace, script: str
) -> None:
    said: dict[str, Any] = {"script": script, "tier": "tiny"}
    assert run(course_workspace, experiment="a", hypothesis="EMA decay 0.9", **said)["message"] == ""
    assert run(course_workspace, experiment="a", again=True)["message"] == ""
