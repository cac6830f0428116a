"""A record folder follows from its logs, or is refused with every reason."""

import json
import math
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from packed import NAME, WHO, capsule_of, edit, swap_logs, table
from scene import git, scored
from toy_folder import log_of

from golf.cli import main
from golf.desk.package import capsule as capsules
from golf.desk.package import record_facts, record_text
from golf.desk.package.gathering import Gathered
from golf.desk.package.packing import Packed, Request, package
from golf.desk.package.verify import Verified, verify
from golf.errors import UnreadableInput
from golf.measure import logs as training_logs
from golf.play import experiments, ledger, worktree
from golf.referee import ruling
from golf.referee.triage import triage
from golf.schema import TrainingLog
from golf.workspace import Workspace


def test_a_played_experiment_becomes_a_whole_record_folder(record: Path, played: Workspace) -> None:
    result = experiments.read_result(experiments.find(played, "base"))
    assert result is not None
    assert record.name == f"{result.finished_at.date().isoformat()}_base"
    assert record.parent.name == "track_non_record_16mb"
    names = {path.name for path in record.iterdir()}
    assert names == {*record_text.WRITTEN, NAME, "train_seed1.log", "train_seed2.log"}
    found = verify(record, played)
    assert (found.verdict, found.reasons, found.not_checked) == ("whole", [], [])


def test_every_number_of_submission_json_is_its_log_s(record: Path) -> None:
    told = json.loads((record / record_text.SUBMISSION).read_text())
    logs = [training_logs.read_log(record / f"train_seed{seed}.log") for seed in (1, 2)]
    assert math.isclose(told["val_bpb"], sum(log.final_bpb or math.nan for log in logs) / 2, abs_tol=1e-8)
    assert math.isclose(told["val_loss"], sum(log.final_loss or math.nan for log in logs) / 2, abs_tol=1e-8)
    assert told["bytes_total"] == max(log.artifact_bytes or 0 for log in logs)
    assert told["bytes_code"] == (record / NAME).stat().st_size == logs[0].code_bytes["plain"]
    for log in logs:
        row = told["seed_results"][str(log.seed)]
        assert (row["val_bpb"], row["val_loss"], row["artifact_bytes"], row["steps"]) == (
            log.final_bpb, log.final_loss, log.artifact_bytes, log.steps,
        )  # fmt: skip
        assert (row["train_time_s"], row["eval_time_s"]) == (log.train_time_s, log.eval_time_s)


def test_our_own_referee_and_triage_pass_the_packed_folder(record: Path) -> None:
    judged = ruling.review_submission(record)
    assert judged.verdict != "block"
    assert not {"SCORE_DISAGREES", "SIZE_DISAGREES", "MISSING_FILES", "CODE_LOG_MISMATCH"} & set(judged.codes)
    assert judged.submission.val_bpb == pytest.approx(judged.submission.claimed_val_bpb, abs=1e-7)
    assert judged.submission.missing.keys() <= {"pr"}
    (one,) = triage(record.parents[1]).submissions
    assert one.verdict != "block"


def test_the_script_is_the_commit_s_and_not_the_working_tree_s(record: Path, played: Workspace) -> None:
    capsule = capsule_of(record)
    ran = worktree.content(played.root, capsule.commit, f"{capsule.source}/{NAME}")
    assert (record / NAME).read_bytes() == ran


def test_requirements_pin_what_the_script_imports_and_nothing_else(record: Path) -> None:
    from importlib.metadata import version

    lines = [line for line in (record / record_text.REQUIREMENTS).read_text().splitlines() if not line.startswith("#")]
    assert lines == [f"{name}=={version(name)}" for name in ("numpy", "sentencepiece", "torch")]


def test_the_capsule_names_packages_data_weights_and_commit(record: Path, played: Workspace) -> None:
    capsule = capsule_of(record)
    assert {"torch", "numpy", "sentencepiece"} <= capsule.environment.packages.keys()
    assert "sympy" in capsule.environment.packages  # torch needs it
    assert capsule.data.tokenizer == capsules.hashed_file(played.tokenizer, played.tokenizer.name)
    assert {shard.path for shard in capsule.data.shards} == {path.name for path in played.data.glob("*.bin")}
    assert git(played.root, "cat-file", "-t", capsule.commit).strip() == "commit"
    weights = experiments.find(played, "base") / "artifact" / "seed1" / capsule.seeds[0].weights.path
    assert capsules.hashed_file(weights, weights.name) == capsule.seeds[0].weights


def test_packing_twice_gives_the_same_bytes(record: Path, played: Workspace, tmp_path: Path) -> None:
    again = Path(package(played, "base", WHO, out=tmp_path).folder)
    assert {path.name: path.read_bytes() for path in again.iterdir()} == {
        path.name: path.read_bytes() for path in record.iterdir()
    }


def test_a_folder_that_is_there_is_refused_and_replaced_only_by_force(played: Workspace, tmp_path: Path) -> None:
    first = package(played, "base", WHO, out=tmp_path)
    (Path(first.folder) / "mine.txt").write_text("mine")
    second = package(played, "base", WHO, out=tmp_path)
    assert not second.written and "--force" in second.reasons[0]
    assert (Path(first.folder) / "mine.txt").exists()
    third = package(played, "base", WHO, out=tmp_path, force=True)
    assert third.written and not (Path(first.folder) / "mine.txt").exists()
    assert [path.name for path in Path(first.folder).parent.iterdir()] == [Path(first.folder).name]


def test_a_dry_run_and_a_refusal_write_nothing(played: Workspace, tmp_path: Path) -> None:
    tried = package(played, "base", WHO, out=tmp_path / "a", dry_run=True)
    assert not tried.written and not tried.reasons and tried.seal
    refused = package(played, "base", Request(), out=tmp_path / "a")
    assert {"--author NAME", "--github-id ID"} <= {reason.split(": ")[-1] for reason in refused.reasons}
    assert not (tmp_path / "a").exists()


def test_the_author_s_own_words_stand_apart(played: Workspace, tmp_path: Path) -> None:
    asked = Request(
        author="A", github_id="a", redact_paths=True, notes="# What did not work\n\nWider.", builds_on=["#49"]
    )
    done = package(played, "base", asked, out=tmp_path)
    readme = (Path(done.folder) / record_text.README).read_text()
    assert "The author's words" in readme and "# What did not work" in readme
    assert "Builds on #49." in readme
    assert ruling.review_submission(Path(done.folder)).submission.parents == ["#49"]


# --- mutations of what is packed


def result_of(workspace: Workspace, change: Callable[[dict], object]) -> None:
    path = experiments.find(workspace, "base") / experiments.RESULT
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def base(workspace: Workspace) -> Path:
    return experiments.find(workspace, "base")


def ledger_of(workspace: Workspace, **changes: object) -> None:
    rows = [row.model_copy(update=changes) for row in ledger.read(workspace.ledger)]
    ledger.replace(workspace.ledger, rows)


def heavier(workspace: Workspace) -> None:
    (weights,) = (base(workspace) / "artifact" / "seed1").glob("*.ptz")
    weights.write_bytes(weights.read_bytes() + b"x")


def too_heavy(workspace: Workspace) -> None:
    (weights,) = (base(workspace) / "artifact" / "seed1").glob("*.ptz")
    with open(weights, "r+b") as file:
        file.truncate(16_000_001)


INPUTS: dict[str, tuple[Callable[[Workspace], object], str]] = {
    "a seed's log is missing": (
        lambda w: (base(w) / "logs/train_seed2.log").unlink(),
        "log logs/train_seed2.log is missing",
    ),
    "a log was edited": (
        lambda w: edit(base(w) / "logs/train_seed1.log", "roundtrip_exact val_loss:6.", "roundtrip_exact val_loss:5."),
        "Caddie measured",
    ),
    "a log has no score": (
        lambda w: (base(w) / "logs/train_seed1.log").write_text("step:1/4 train_loss:6.9 train_time:1ms\n"),
        "has no final score",
    ),
    "logs are swapped": (lambda w: swap_logs(base(w) / "logs"), "result.json recorded"),
    "the result has another logged score": (
        lambda w: result_of(w, lambda r: r["seeds"][0].update(logged_val_bpb=1.0)),
        "result.json recorded 1.0",
    ),
    "the result has another measured score": (
        lambda w: result_of(w, lambda r: r["seeds"][0].update(val_bpb=3.9)),
        "Caddie measured 3.9",
    ),
    "the result has other bytes": (
        lambda w: result_of(w, lambda r: r["seeds"][0].update(artifact_bytes=r["seeds"][0]["artifact_bytes"] - 1)),
        "its artifact has",
    ),
    "the result has a better mean": (lambda w: result_of(w, lambda r: r.update(val_bpb=3.9)), "its seeds' mean is"),
    "the result has a smaller total": (
        lambda w: result_of(w, lambda r: r.update(artifact_bytes=1)),
        "result.json says 1 bytes",
    ),
    "the result lost a seed": (lambda w: result_of(w, lambda r: r["seeds"].pop()), "seeds [2] are claimed"),
    "the result has another claim": (
        lambda w: result_of(w, lambda r: r.update(hypothesis="it was clear")),
        "another hypothesis",
    ),
    "the result is of another commit": (
        lambda w: result_of(w, lambda r: r.update(commit="0" * 40)),
        "the commit that ran",
    ),
    "the run crashed": (lambda w: result_of(w, lambda r: r.update(status="crash", error="boom")), "crashed: boom"),
    "the ledger has another score": (lambda w: ledger_of(w, val_bpb=1.0), "the ledger says val_bpb 1.0"),
    "the ledger has other bytes": (lambda w: ledger_of(w, artifact_bytes=1), "the ledger says"),
    "the ledger has no such row": (lambda w: ledger_of(w, commit="abc"), "the ledger has no row"),
    "the script was edited": (
        lambda w: edit(base(w) / NAME, "import math\n", "import math\n\n"),
        f"{NAME} is not what ran",
    ),
    "the script is gone": (lambda w: (base(w) / NAME).unlink(), f"{NAME} is not what ran"),
    "the claim was edited": (lambda w: edit(base(w) / "config.yaml", "hypothesis: h", "hypothesis: i"), "was edited"),
    "the artifact is missing": (lambda w: shutil.rmtree(base(w) / "artifact/seed1"), "artifact is missing"),
    "the artifact is another": (heavier, "its artifact has"),
    "the artifact is over the limit": (too_heavy, "over the limit of 16,000,000"),
    "the artifact's script is another": (
        lambda w: edit(base(w) / "artifact/seed1" / NAME, "import math", "import cmath"),
        "the script beside its artifact",
    ),
    "the data are others": (
        lambda w: edit(w.root / "golf.toml", str(w.tokenizer), "golf.toml"),
        "the run was scored on",
    ),
    "a log has a key": (
        lambda w: edit(base(w) / "logs/train_seed1.log", "device:cpu", f"hf_{'b2' * 17} device:cpu"),
        "train_seed1.log:7 has a Hugging Face token",
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_an_experiment_whose_evidence_was_touched_is_not_packed(copied: Workspace, name: str, tmp_path: Path) -> None:
    mutate, reason = INPUTS[name]
    mutate(copied)
    done = package(Workspace(copied.root), "base", WHO, out=tmp_path / "out")
    assert any(reason in one for one in done.reasons), done.reasons
    assert not done.written and not (tmp_path / "out").exists()


def test_a_refusal_names_everything_at_once(copied: Workspace, tmp_path: Path) -> None:
    for name in ("a seed's log is missing", "the script was edited", "the ledger has other bytes"):
        INPUTS[name][0](copied)
    told = "\n".join(package(copied, "base", Request(), out=tmp_path).reasons)
    for part in ("--author", "--github-id", "train_seed2.log is missing", "is not what ran", "the ledger says"):
        assert part in told


def test_a_path_of_this_machine_is_refused_and_named(played: Workspace, tmp_path: Path) -> None:
    done = package(played, "base", Request(author="A", github_id="a"), out=tmp_path)
    assert [one.split(" ")[0] for one in done.reasons] == [
        "train_seed1.log:2", "train_seed1.log:4", "train_seed2.log:2", "train_seed2.log:4",
    ]  # fmt: skip
    assert all("--redact-paths" in one for one in done.reasons)


def test_redacting_changes_paths_and_nothing_that_is_read(record: Path, played: Workspace) -> None:
    for seed in (1, 2):
        left = training_logs.read_log(base(played) / "logs" / f"train_seed{seed}.log")
        packed = training_logs.read_log(record / f"train_seed{seed}.log")
        besides = {"path", "hyperparameters"}
        assert packed.model_dump(exclude=besides) == left.model_dump(exclude=besides)
        assert str(played.root) not in (record / f"train_seed{seed}.log").read_text()


def test_an_experiment_that_was_not_played_is_unusable(workspace: Workspace, tmp_path: Path) -> None:
    script = tmp_path / NAME
    script.write_text("x = 1\n")
    experiments.claim(workspace, "idea", hypothesis="h", script=script)
    with pytest.raises(UnreadableInput, match="golf run"):
        package(workspace, "idea", WHO)


def test_scores_without_logs_are_not_packed(workspace: Workspace) -> None:
    """A result alone, however well it looks, is no evidence."""
    scored(workspace, "wider", 1.2)
    done = package(workspace, "wider", WHO)
    assert {f"seed {seed}: its log logs/train_seed{seed}.log is missing" for seed in (1, 2)} <= set(done.reasons)
    assert not (workspace.root / "records").exists()


def weigh(workspace: Workspace, code: str) -> None:
    """Make both artifacts nearly as large as they may be, in every file that says so; `code` is what logs say of it."""
    folder, weights, script = base(workspace), 15_970_000, (base(workspace) / NAME).stat().st_size
    for seed in (1, 2):
        (file,) = (folder / f"artifact/seed{seed}").glob("*.ptz")
        log = folder / f"logs/train_seed{seed}.log"
        text = log.read_text().replace(f" {file.stat().st_size} bytes", f" {weights} bytes")
        text = text.replace(f"Code size: {script} bytes", code)
        total = training_logs.read_log(log).artifact_bytes
        counted = 10_000 if "(compressed)" in code else script
        log.write_text(text.replace(f"int8+zlib: {total} bytes", f"int8+zlib: {weights + counted} bytes"))
        with open(file, "r+b") as opened:
            opened.truncate(weights)

    def change(result: dict) -> None:
        result["artifact_bytes"] = weights + script
        for seed in result["seeds"]:
            seed["artifact_bytes"] = weights + script

    result_of(workspace, change)
    ledger_of(workspace, artifact_bytes=weights + script)


def test_code_counts_compressed_where_the_log_counts_it_so_and_the_note_says_it(
    copied: Workspace, tmp_path: Path
) -> None:
    """As the eleven accepted records since #1530, which are over the limit as their files lie."""
    script = (base(copied) / NAME).stat().st_size
    weigh(copied, f"Code size (uncompressed): {script} bytes\nCode size (compressed): 10000 bytes")
    done = package(copied, "base", WHO, out=tmp_path)
    assert done.written, done.reasons
    assert done.bytes_total == 15_980_000
    assert any("within it by its log" in note for note in done.notes)
    assert "code 10,000 (the script's compressed size" in (Path(done.folder) / "README.md").read_text()


def test_code_that_the_log_counts_as_it_lies_is_over_the_limit(copied: Workspace, tmp_path: Path) -> None:
    script = (base(copied) / NAME).stat().st_size
    weigh(copied, f"Code size: {script} bytes")
    told = package(copied, "base", WHO, out=tmp_path).reasons
    over = f"over the limit of 16,000,000 bytes by {15_970_000 + script - 16_000_000:,}"
    assert any(over in reason for reason in told)


def test_a_paid_run_is_packed_from_its_parent_s_commit(copied: Workspace, tmp_path: Path) -> None:
    parent = base(copied)
    claim = experiments.load(parent).model_copy(update={"parent": parent.name})
    paid = experiments.create(copied, "base-far", claim, parent / NAME)
    for name in ("logs", "artifact"):
        shutil.copytree(parent / name, paid / name)
    result = experiments.read_result(parent)
    assert result is not None
    theirs = result.model_copy(update={"experiment": paid.name})
    (paid / experiments.RESULT).write_text(theirs.model_dump_json())
    (row,) = ledger.read(copied.ledger)
    ledger.append(copied.ledger, row.model_copy(update={"description": experiments.described(paid.name, claim)}))
    done = package(copied, paid.name, WHO, out=tmp_path)
    assert done.written, done.reasons
    capsule = capsule_of(Path(done.folder))
    assert capsule.source == f"experiments/{parent.name}"
    assert [one.name for one in capsule.lineage] == [parent.name]
    assert f"1. `{parent.name}`, val_bpb {result.val_bpb:.6f}: h" in (Path(done.folder) / "README.md").read_text()


def test_versions_of_a_machine_elsewhere_are_not_made_up(played: Workspace, record: Path) -> None:
    result = experiments.read_result(base(played))
    assert result is not None
    gathered = Gathered(played, base(played), result, WHO)
    gathered.gather()
    assert gathered.tier is not None and not gathered.reasons
    gathered.tier = gathered.tier.model_copy(update={"backend": "ssh"})
    gathered.logged = [f"Running PyTorch 2.9.1+cu128\n{text}" for text in gathered.logged]
    gathered._environment()
    assert gathered.environment is not None and gathered.environment.source == "log"
    text = record_text.requirements(capsule_of(record).model_copy(update={"environment": gathered.environment}))
    assert "torch==2.9.1+cu128" in text
    assert "numpy  # train_gpt.py:34: its version there is not known" in text


def test_a_log_of_another_version_than_is_installed_is_refused(played: Workspace) -> None:
    result = experiments.read_result(base(played))
    assert result is not None
    gathered = Gathered(played, base(played), result, WHO)
    gathered.gather()
    gathered.logged = [f"Running PyTorch 1.0\n{text}" for text in gathered.logged]
    gathered._environment()
    assert any("the logs are of torch 1.0" in reason for reason in gathered.reasons)


def test_a_package_that_came_after_the_run_is_refused(played: Workspace) -> None:
    result = experiments.read_result(base(played))
    assert result is not None
    early = result.model_copy(update={"finished_at": result.finished_at - timedelta(days=20_000)})
    gathered = Gathered(played, base(played), early, WHO)
    gathered.gather()
    assert any("installed after the run ended" in reason for reason in gathered.reasons)


# --- the record track


def of_the_track(record: Path, tmp_path: Path, **log: object) -> list[str]:
    """What the record track has against logs of 8×H100 that keep its rules, but for `log`."""
    capsule = capsule_of(record)
    script = (record / NAME).read_bytes()
    seeds, logs = [], {}
    for seed in capsule.seeds:
        path = tmp_path / seed.log
        path.write_text(log_of(**{"seed": seed.seed, "code": len(script), "total": 15_000_000, **log}))
        logs[seed.seed] = read = training_logs.read_log(path)
        weights = seed.weights.model_copy(update={"bytes": 15_000_000 - len(script)})
        seeds.append(
            seed.model_copy(
                update={
                    "logged_val_bpb": read.final_bpb, "logged_val_loss": read.final_loss, "val_bpb": read.final_bpb,
                    "val_loss": read.final_loss, "artifact_bytes": 15_000_000, "weights": weights,
                    "train_time_s": read.train_time_s, "eval_time_s": read.eval_time_s, "steps": read.steps,
                    "scored_on": log.get("scored_on", "cuda in bfloat16, 62,021,632 of 62,021,632 target tokens"),
                }
            )
        )  # fmt: skip
    limits = capsules.Limits(artifact_bytes_max=16_000_000, train_time_s_max=600.0, eval_time_s_max=600.0)
    data = capsule.data.model_copy(update={"name": "fineweb10B_sp1024"})
    whole = capsule.model_copy(
        update={"track": "10min_16mb", "limits": limits, "seeds": seeds, "hardware": "8xH100", "data": data}
    )
    return record_facts.contradictions(whole, logs, {NAME: script})


def test_a_record_that_keeps_every_rule_has_nothing_against_it(record: Path, tmp_path: Path) -> None:
    assert of_the_track(record, tmp_path, train_s=600.137, eval_s=600.0) == []


@pytest.mark.parametrize(
    ("log", "reason"),
    [
        ({"train_s": 602.048}, "trained 602.048 s"),  # #1945's first log of seed 42
        ({"eval_s": 688.0}, "evaluated 688.000 s"),  # #1972
        ({"world_size": 2}, "is of 2 GPU(s)"),
        ({"total": 16_000_001}, "1 over the limit"),
        ({"code": 50}, "states 50 bytes of code"),
    ],
)
def test_a_record_that_breaks_a_rule_is_refused(record: Path, tmp_path: Path, log: dict, reason: str) -> None:
    assert any(reason in one for one in of_the_track(record, tmp_path, **log))


def test_s120_a_score_on_a_subset_is_no_record_and_the_readme_says_it_is_a_subset(record: Path) -> None:
    capsule = capsule_of(record)
    part = [
        seed.model_copy(update={"scored_on": "cpu in float32, 2,048 of 8,192 target tokens"}) for seed in capsule.seeds
    ]
    logs = {seed.seed: training_logs.read_log(record / seed.log) for seed in capsule.seeds}
    subset = capsule.model_copy(update={"seeds": part})
    assert "That is a subset of the split" in record_text.readme(subset, logs)
    assert "That is a subset" not in record_text.readme(capsule, logs)
    held = subset.model_copy(update={"track": "10min_16mb"})
    assert any("scored on a subset" in one for one in record_facts.contradictions(held, logs, {}))


def test_a_run_on_a_laptop_is_no_record(played: Workspace, tmp_path: Path) -> None:
    asked = Request(author="A", github_id="a", track="10min_16mb", hardware="8xH100", redact_paths=True)
    done = package(played, "base", asked, out=tmp_path)
    told = "\n".join(done.reasons)
    for part in (
        "is of 1 GPU(s)",
        "the hardware is cpu",
        "not the challenge's validation split",
        "the referee blocks it",
    ):
        assert part in told
    assert not done.written


# --- the door


def test_the_verb_packs_verifies_and_says_the_same_as_json(
    played: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(played.root)
    out = ["--out", str(tmp_path)]
    assert main(["package", "base", *out, "--json"]) == 1
    assert Packed.model_validate_json(capsys.readouterr().out).reasons
    asked = ["package", "base", "--author", "A. Player", "--github-id", "aplayer", "--redact-paths", *out]
    assert main(asked) == 0
    assert "package: packed" in capsys.readouterr().out
    (folder,) = tmp_path.glob("track_*/*")
    assert main(["package", "--verify", str(folder)]) == 0
    assert "verdict: whole" in capsys.readouterr().out
    table(folder, lambda value: value.update(val_bpb=1.0))
    assert main(["package", "--verify", str(folder), "--json"]) == 1
    assert Verified.model_validate_json(capsys.readouterr().out).verdict == "refused"
    assert main(["package", "--verify", str(tmp_path)]) == 2
    assert main(["package"]) == 2
    assert main(["package", "base", "--verify", str(folder)]) == 2


def test_logs_by_seed_leave_out_what_is_no_log(record: Path) -> None:
    capsule = capsule_of(record)
    nothing = TrainingLog(path="x")
    assert record_facts.by_seed(capsule, {seed.log: nothing for seed in capsule.seeds}) == {}
