"""`golf summary`: finished runs ranked and explained, in the shape Codex answers in."""

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import scored

from golf import answers
from golf.answers import ExperimentSummary
from golf.cli import main
from golf.errors import BadConfig
from golf.play import experiments, ledger, record, summary
from golf.schema import Row
from golf.workspace import Workspace


def names(found: ExperimentSummary) -> list[tuple[int | None, str]]:
    return [(entry.rank, entry.experiment.partition("_")[2]) for entry in found.experiments]


def write(workspace: Workspace, *rows: tuple[str, float | None], tier: str = "local", size: int = 9) -> None:
    """Rows of another tool: no folder here says more about them."""
    for index, (status, score) in enumerate(rows):
        row = Row.model_validate(
            {
                "commit": f"c{index}", "tier": tier, "val_bpb": score, "artifact_bytes": size, "memory_gb": None,
                "status": status, "promoted": "no", "cost_usd": 0.5, "description": f"idea {index}",
            }
        )  # fmt: skip
        ledger.append(workspace.ledger, row)


def test_runs_are_ranked_with_their_gain_and_the_noise(workspace: Workspace):
    scored(workspace, "base", 1.25)
    scored(workspace, "worse", 1.2505, parent="base")
    scored(workspace, "wider", 1.20, parent="base", env={"MLP_MULT": "3"})
    found = summary.summarise(workspace)
    assert names(found) == [(1, "wider"), (2, "base"), (3, "worse")]
    wider, base, worse = found.experiments
    assert wider.gain_bpb == pytest.approx(0.05)
    assert wider.noise_bpb is not None and 0 < wider.noise_bpb < 0.05
    assert (wider.flags, wider.tried) == ([], "wider helps")
    assert (base.gain_bpb, base.noise_bpb) == (None, None)
    assert worse.flags == ["within_noise"]
    assert found.best == wider.experiment
    assert "+0.050000 gained on its baseline" in found.summary


def test_the_last_runs_are_the_newest_ones(workspace: Workspace):
    for index, score in enumerate((1.30, 1.29, 1.28)):
        scored(workspace, f"run{index}", score)
    found = summary.summarise(workspace, last=2)
    assert (found.scope, names(found)) == ("the last 2 runs", [(1, "run2"), (2, "run1")])


def test_of_equals_the_earlier_leads_and_the_later_is_an_anomaly(workspace: Workspace):
    scored(workspace, "first", 1.25)
    scored(workspace, "same", 1.25)
    found = summary.summarise(workspace)
    assert names(found) == [(1, "first"), (2, "same")]
    assert "did the change reach the script?" in found.anomalies[0].evidence


def test_a_crash_has_no_rank_and_says_why(workspace: Workspace):
    scored(workspace, "base", 1.25)
    script = workspace.root / "train_gpt.py"
    script.write_text("x")
    folder = experiments.claim(workspace, "broken", hypothesis="it breaks", script=script)
    record.crash(workspace, "run-broken", folder.name, "CUDA out of memory\nTraceback")
    found = summary.summarise(workspace)
    assert names(found) == [(1, "base"), (None, "broken")]
    assert found.experiments[1].flags == ["crash"]
    assert [one.evidence for one in found.anomalies] == ["crashed: CUDA out of memory Traceback"]
    assert found.look_at == [f"the log of the crash: experiments/{folder.name}/logs"]
    assert "1 crashed" in found.summary


def test_what_is_over_the_limit_is_flagged_and_takes_no_rank(workspace: Workspace):
    write(workspace, ("keep", 1.0), size=16_000_001)
    write(workspace, ("keep", 1.1), size=16_000_000)
    found = summary.summarise(workspace)
    assert [(entry.rank, entry.val_bpb) for entry in found.experiments] == [(1, 1.1), (None, 1.0)]
    assert "artifact_over_limit" in found.experiments[1].flags
    assert found.anomalies[0].evidence == "artifact of 16000001 bytes, 1 over the limit"


def test_time_limits_hold_on_eight_gpus_alone(workspace: Workspace):
    (workspace.root / "golf.toml").write_text("[tiers.local]\n[tiers.h100x8]\ngpus = 8\n")
    workspace = Workspace(workspace.root)
    for tier in ("local", "h100x8"):
        folder = scored(workspace, f"slow-{tier}", 1.2, tier=tier)
        value = json.loads((folder / "result.json").read_text())
        (folder / "result.json").write_text(json.dumps({**value, "train_time_s": 600.5, "eval_time_s": 601.0}))
    found = {entry.tier: entry for entry in summary.summarise(workspace).experiments}
    assert found["local"].rank == 1
    assert found["local"].flags == []
    assert found["h100x8"].rank is None
    assert found["h100x8"].flags == ["train_time_over_limit", "eval_time_over_limit"]


def test_each_tier_is_ranked_by_itself_the_newest_first(workspace: Workspace):
    write(workspace, ("keep", 2.0), ("keep", 1.9), tier="smoke")
    write(workspace, ("keep", 1.5), tier="local")
    found = summary.summarise(workspace)
    assert [(entry.tier, entry.rank, entry.val_bpb) for entry in found.experiments] == [
        ("local", 1, 1.5),
        ("smoke", 1, 1.9),
        ("smoke", 2, 2.0),
    ]
    assert "tiers do not compare (local, smoke)" in found.summary
    assert [entry.tier for entry in summary.summarise(workspace, tier="smoke").experiments] == ["smoke", "smoke"]


def test_a_row_without_evidence_is_listed_and_says_so(workspace: Workspace):
    write(workspace, ("keep", 1.5))
    folder = scored(workspace, "gone", 1.4)
    (folder / "result.json").unlink()
    found = summary.summarise(workspace)
    assert [(entry.experiment, entry.flags) for entry in found.experiments] == [
        (folder.name, ["evidence_missing"]),
        ("c0", ["evidence_missing"]),
    ]
    assert "no result.json of the experiment is of it" in found.anomalies[0].evidence


def test_a_log_that_disagrees_with_the_measurement_is_flagged(workspace: Workspace):
    folder = scored(workspace, "boast", 1.4)
    value = json.loads((folder / "result.json").read_text())
    value["seeds"][0]["logged_val_bpb"] = 1.2
    value["notes"] = ["seed 1: the log says 1.200000, Caddie measured 1.399000", "scored on cpu"]
    (folder / "result.json").write_text(json.dumps(value))
    found = summary.summarise(workspace)
    assert found.experiments[0].flags == ["log_disagrees"]
    assert [one.evidence for one in found.anomalies] == [f"result.json: {value['notes'][0]}"]
    assert found.look_at == [f"{folder.name}'s log and Caddie's measurement disagree: golf review {folder.name}"]


def test_a_repetition_does_not_take_the_earlier_runs_evidence(workspace: Workspace):
    folder = scored(workspace, "base", 1.25)
    result = experiments.read_result(folder)
    assert result is not None
    experiments.set_aside(folder, result)
    again = result.model_copy(update={"run_id": "run-again", "val_bpb": 1.24, "commit": "f" * 40, "train_time_s": 7.0})
    record.record(workspace, again, experiments.described(folder.name, experiments.load(folder)))
    found = summary.summarise(workspace)
    assert [(entry.val_bpb, entry.train_time_s) for entry in found.experiments] == [(1.24, 7.0), (1.25, 100.0)]
    assert all("evidence_missing" not in entry.flags for entry in found.experiments)


def test_nothing_played_is_said_and_no_error(workspace: Workspace):
    found = summary.summarise(workspace, last=10)
    assert (found.num_runs, found.summary) == (0, "nothing has been played")


def test_a_long_ledger_gives_a_short_answer_about_all_of_it(workspace: Workspace):
    with workspace.ledger.open("w") as file:
        file.write(ledger.HEADER + "\n")
        for index in range(5000):
            status = "crash" if index % 10 == 0 else "discard"
            score = "" if status == "crash" else str(1.2 + index * 1e-5)
            file.write(f"c{index}\tlocal\t{score}\t9\t1.0\t{status}\tno\t0\tidea {index}\n")
    found = summary.summarise(workspace)
    assert (found.num_runs, len(found.experiments), found.experiments[0].experiment) == (5000, 20, "c1")
    assert found.anomalies[0].evidence == "500 of 5000 runs crashed; the newest three:"
    assert len(found.model_dump_json()) < 12_000
    assert len(summary.summarise(workspace, limit=3).experiments) == 3


@pytest.mark.parametrize("wrong", [{"last": 0}, {"limit": 0}])
def test_a_summary_of_nothing_is_refused(workspace: Workspace, wrong: dict[str, int]):
    with pytest.raises(BadConfig, match="at least one"):
        summary.summarise(workspace, **wrong)


@settings(max_examples=40)
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["smoke", "local"]),
            st.sampled_from(["keep", "discard", "crash"]),
            st.none() | st.floats(0.5, 9),
            st.none() | st.integers(1, 20_000_000),
            st.text(max_size=30),
        ),
        max_size=12,
    ),
    last=st.none() | st.integers(1, 12),
    limit=st.integers(1, 12),
)
def test_whatever_the_ledger_holds_the_summary_is_an_acceptable_answer(
    tmp_path_factory: pytest.TempPathFactory, rows: list, last: int | None, limit: int
):
    """The scene of the seeds: the schema file validates the deterministic output."""
    root = tmp_path_factory.mktemp("ledger")
    (root / "golf.toml").write_text("")
    workspace = Workspace(root)
    for tier, status, score, size, description in rows:
        text = description.encode("utf-8", "ignore").decode()
        row = {
            "commit": "c",
            "tier": tier,
            "val_bpb": score,
            "artifact_bytes": size,
            "memory_gb": None,
            "status": status,
        }
        ledger.append(
            workspace.ledger, Row.model_validate({**row, "promoted": "no", "cost_usd": 0, "description": text})
        )
    found = summary.summarise(workspace, last=last, limit=limit)
    jsonschema.validate(found.model_dump(mode="json"), answers.schema("experiment-summary"))
    assert answers.read("experiment-summary", found.model_dump_json().encode()) == found
    assert found.num_runs == min(len(rows), last or len(rows))
    assert len(found.experiments) == min(found.num_runs, limit)


def test_a_played_round_is_summed_up_in_text_and_json(
    played: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(played.root)
    monkeypatch.delenv("GOLF_WORKSPACE", raising=False)
    assert main(["summary", "--last", "10", "--json"]) == 0
    found = answers.read("experiment-summary", capsys.readouterr().out.encode())
    assert isinstance(found, ExperimentSummary)
    base = next(entry for entry in found.experiments if entry.experiment.endswith("_base"))
    result = experiments.read_result(experiments.find(played, "base"))
    assert result is not None
    assert (base.val_bpb, base.artifact_bytes) == (result.val_bpb, result.artifact_bytes)
    assert main(["summary"]) == 0
    out = capsys.readouterr().out
    assert f"run {base.rank}: {base.experiment}, tiny, keep, val_bpb" in out


def test_terminal_codes_in_a_description_do_not_reach_the_terminal(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    row = {
        "commit": "c\x1b[31m",
        "tier": "local",
        "val_bpb": 1.0,
        "artifact_bytes": 1,
        "memory_gb": None,
        "status": "keep",
    }
    ledger.append(
        workspace.ledger, Row.model_validate({**row, "promoted": "no", "cost_usd": 0, "description": "\x1b]0;x\x07"})
    )
    assert main(["summary"]) == 0
    assert "\x1b" not in capsys.readouterr().out
