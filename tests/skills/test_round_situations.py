"""The wrong move of each skill about playing, made for real, and the skill's way beside it."""

import json
import re
import shutil
import zlib
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from bundle_skills import SKILLS
from doors import golf, refusal, tool
from scene import eventually, scored
from situations import goes_wrong_without

from golf import bundle
from golf.data import text
from golf.errors import NotFound, UnreadableInput
from golf.jobs.local import LocalJobs
from golf.measure import logs, shards, significance
from golf.play import experiments, ledger, record, start
from golf.rules import ARTIFACT_BYTES_MAX
from golf.workspace import Workspace

BASELINE = bundle.baselines() / "naive" / "train_gpt.py"
SIZES = (SKILLS["designing-an-experiment"].folder / "references" / "sizes.md").read_text()
SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "submissions"


@pytest.fixture(scope="module")
def naive() -> ModuleType:
    """The naive baseline's script as a module; its settings are read from the environment on access."""
    pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'caddie[train]'")
    import importlib.util

    spec = importlib.util.spec_from_file_location("naive_of_the_skills", BASELINE)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@goes_wrong_without("playing-a-round")
def test_a_lower_number_is_not_yet_a_gain(workspace: Workspace) -> None:
    scored(workspace, "base", 1.3000)
    scored(workspace, "lucky", 1.2995, parent="base", script="x = 2\n")
    newest = tool("list_experiments")["rows"][-1]
    assert newest["val_bpb"] < 1.3  # what would be reported as progress
    found = tool("check_promotion", experiment="lucky")
    assert found["decision"] == "discard"
    assert "this is noise" in next(gate["reason"] for gate in found["gates"] if gate["name"] == "noise")
    assert tool("list_experiments", best_first=True)["best"]["description"].endswith("base helps")


@goes_wrong_without("designing-an-experiment")
def test_a_model_that_cannot_fit_is_seen_on_paper(naive: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters by the skill's table times the lowest bytes per parameter: over the limit before anything ran."""
    wide = {"NUM_LAYERS": "12", "MODEL_DIM": "768", "NUM_HEADS": "12", "NUM_KV_HEADS": "4", "MLP_MULT": "3"}
    assert on_paper(wide) == built(naive, wide, monkeypatch)
    assert on_paper(wide) * bytes_per_parameter("int8", "zlib")[0] > ARTIFACT_BYTES_MAX
    assert on_paper({}) * bytes_per_parameter("int8", "zlib")[0] < ARTIFACT_BYTES_MAX


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"NUM_LAYERS": "11", "MLP_MULT": "4"},
        {"TIE_EMBEDDINGS": "0", "VOCAB_SIZE": "4096"},
        {"NUM_KV_HEADS": "8", "MODEL_DIM": "256"},
    ],
)
def test_the_table_s_formulas_are_the_script_s(
    naive: ModuleType, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str]
) -> None:
    assert on_paper(settings) == built(naive, settings, monkeypatch)


@goes_wrong_without("designing-an-experiment")
def test_an_untrained_artifact_predicts_too_little(naive: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    torch.manual_seed(0)
    small = {"NUM_LAYERS": "4", "MODEL_DIM": "256"}
    model = construct(naive, small, monkeypatch)
    content, _ = naive.quantize_state_dict_int8(model.state_dict())
    packed = zlib.compress(b"".join(tensor.numpy().tobytes() for tensor in content["quantized"].values()), 9)
    elements = sum(tensor.numel() for tensor in content["quantized"].values())
    assert len(packed) / elements < bytes_per_parameter("int8", "zlib")[0]


def test_the_table_s_bytes_per_parameter_hold_for_accepted_records() -> None:
    if not SHARED.is_dir():
        pytest.skip("the real submissions are not here")
    labels = {
        "int8+zlib": ("int8", "zlib"),
        "int6+zstd": ("int6, wider embedding", "zstd"),
        "int6+zstd-22": ("int6, wider embedding", "zstd"),
        "int6+lzma": ("int6", "lzma"),
        "int6+lzma-9": ("int6", "lzma"),
        "int6+brotli": ("int6", "brotli"),
        "quantized+brotli": ("GPTQ int6, int8 embedding", "brotli"),
    }
    verdicts = (SHARED.parent / "verdicts.jsonl").read_text().splitlines()
    accepted = [row for line in verdicts if (row := json.loads(line))["verdict"] == "valid" and row["data"]]
    checked: set[tuple[str, str]] = set()
    for row in accepted:
        for path in sorted((SHARED.parent / row["data"]).glob("*.log")):
            try:
                log = logs.read_log(path)
            except UnreadableInput:
                continue
            codec = re.findall(r"Serialized model (\S+): \d+ bytes", path.read_text(errors="replace"))
            if log.model_bytes is None or log.model_params is None or not codec or codec[-1] not in labels:
                continue
            low, high = bytes_per_parameter(*labels[codec[-1]])
            assert low <= round(log.model_bytes / log.model_params, 2) <= high, path
            checked.add(labels[codec[-1]])
    assert checked == set(labels.values())


@goes_wrong_without("deciding-what-to-try-next")
def test_the_newest_rows_hide_what_was_discarded_before(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(workspace, "base", 1.3)
    scored(workspace, "swiglu", 1.31, parent="base", script="swiglu = 1\n")
    for number in range(8):
        scored(workspace, f"lr{number}", 1.32, parent="base", env={"LR": str(number)})
    assert "swiglu" not in json.dumps(tool("list_experiments"))
    assert "swiglu" not in json.dumps(tool("list_experiments", status="discard", limit=8))  # the most a tool shows
    assert "swiglu" in workspace.ledger.read_text()
    assert golf("history", "--limit", "100", "--json") == 0
    assert "swiglu" in capsys.readouterr().out


@goes_wrong_without("sweeping-settings")
def test_a_point_s_name_keeps_it_from_being_played_twice(course_workspace: Workspace) -> None:
    (course_workspace.root / "golf.toml").write_text(
        (course_workspace.root / "golf.toml").read_text() + "[tiers.local]\n"
    )
    workspace = Workspace(course_workspace.root)
    scored(workspace, "base", 1.3)
    scored(workspace, "mlp-sweep-mlp3", 1.31, parent="base", env={"MLP_MULT": "3"})
    assert "was played already" in refusal("run_experiment", experiment="mlp-sweep-mlp3")
    rows = ledger.read(workspace.ledger)
    scored(workspace, "mlp-sweep-second-mlp3", 1.305, parent="base", env={"MLP_MULT": "3"})  # the wrong move
    sheet = tool("review_submission", path="mlp-sweep-second-mlp3")
    assert {point["name"]: point["verdict"] for point in sheet["points"]}["provenance"] == "fail"  # a twin
    assert len(ledger.read(workspace.ledger)) == len(rows) + 1


@goes_wrong_without("sweeping-settings")
def test_a_whole_number_setting_refuses_the_values_between(naive: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLP_MULT", "2.5")
    with pytest.raises(naive.Unusable, match="MLP_MULT must be of type int"):
        naive.Hyperparameters.mlp_mult  # noqa: B018 # settings are read on access


@goes_wrong_without("monitoring-a-run")
def test_cancelling_loses_what_the_stop_file_keeps(course_workspace: Workspace) -> None:
    """The same endless run, given up and ended early."""
    workspace = course_workspace
    experiments.claim(
        workspace, "endless", hypothesis="h", script=BASELINE, tier="tiny", env={"ITERATIONS": "1000000"}, seeds=[1]
    )
    name = experiments.find(workspace, "endless").name
    logs_folder = workspace.experiments / name / "logs"

    job = tool("run_experiment", experiment="endless")["id"]
    eventually(lambda: (tool("job_status", id=job)["step"] or 0) > 0, 120)
    assert "is being played already" in refusal("run_experiment", experiment="endless")
    assert tool("cancel_job", id=job)["state"] == "cancelled"
    assert tool("list_experiments")["total"] == 0

    job = tool("run_experiment", experiment="endless")["id"]
    eventually(lambda: (tool("job_status", id=job)["step"] or 0) > 0, 120)
    (logs_folder / "train_seed1.stop").touch()
    assert LocalJobs(workspace).wait(job, 240).state == "done"
    record.recover(workspace)
    result = experiments.read_result(workspace.experiments / name)
    assert result is not None and result.val_bpb is not None
    assert any("was stopped early by its stop file" in note for note in result.notes)


@goes_wrong_without("diagnosing-a-training-run")
def test_a_warm_down_longer_than_the_run_never_reaches_the_full_rate(
    naive: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The challenge's default warm-down on a short tier: every other suspect would be chased in vain."""
    monkeypatch.setenv("ITERATIONS", "500")
    monkeypatch.setenv("MAX_WALLCLOCK_SECONDS", "0")
    assert full_rate(naive) < 0.5
    monkeypatch.setenv("WARMDOWN_ITERS", "100")
    assert full_rate(naive) == 1.0


@goes_wrong_without("auditing-reproducibility")
def test_drift_is_between_the_result_and_today_s_tier_and_not_in_config_yaml(played: Workspace, tmp_path: Path) -> None:
    root = tmp_path / "drifted"
    shutil.copytree(played.root, root, symlinks=True)
    settings = root / "golf.toml"
    settings.write_text(settings.read_text().replace('MODEL_DIM = "32"', 'MODEL_DIM = "64"'))
    workspace = Workspace(root)
    folder = experiments.find(workspace, "base")
    before = (experiments.find(played, "base") / "config.yaml").read_bytes()
    assert (folder / "config.yaml").read_bytes() == before  # nothing to see
    result = experiments.read_result(folder)
    assert result is not None
    today = start.plan_run(workspace, "base").settings
    assert {key for key, value in result.settings.items() if today.get(key) != value} == {"MODEL_DIM"}


@goes_wrong_without("auditing-reproducibility")
def test_seeds_that_agree_to_the_last_digit_are_a_finding() -> None:
    with pytest.raises(UnreadableInput, match="check that the script uses SEED"):
        significance.welch([1.2, 1.2], [1.3, 1.3])


@goes_wrong_without("building-data-pipelines")
def test_a_split_by_position_moves_documents_and_one_by_content_does_not() -> None:
    documents = [f"document {number} " + "about something " * 20 for number in range(400)]
    more = ["a new one " * 30, *documents]

    def by_position(all_of_them: list[str]) -> set[str]:
        return set(all_of_them[: len(all_of_them) // 20])

    def by_content(all_of_them: list[str]) -> set[str]:
        return {document for document in all_of_them if text.is_validation(document)}

    def moved(split: Callable[[list[str]], set[str]]) -> set[str]:
        return (split(documents) ^ split(more)) - {more[0]}

    assert moved(by_position)
    assert not moved(by_content)


@goes_wrong_without("building-data-pipelines")
def test_copies_removed_after_the_split_stay_in_both_halves(tmp_path: Path) -> None:
    said = "The same paragraph, long enough to be worth remembering, said in two documents of one corpus. " * 3
    documents = [said, said.upper() + "!"]
    halves = [list(text.deduplicate([document])) for document in documents]  # the wrong order
    assert all(halves)
    assert len(list(text.deduplicate(documents))) == 1
    with pytest.raises(UnreadableInput):  # and what does not fit a shard is refused, not wrapped around
        import numpy as np

        shards.write_shard(tmp_path / "fineweb_val_000000.bin", np.array([70_000]))


def test_what_was_never_said_of_an_experiment_cannot_be_added_after_its_run(workspace: Workspace) -> None:
    """Designing comes first: a claim stands as it was written."""
    scored(workspace, "base", 1.3)
    assert "its claim stands as written" in refusal(
        "run_experiment", experiment="base", hypothesis="as if I had known", expected_outcome="1.3"
    )
    with pytest.raises(NotFound, match="needs its hypothesis first"):
        start.start_run(workspace, "no-plan")


def on_paper(settings: dict[str, str]) -> int:
    """Parameters by the formulas of references/sizes.md, read from the file."""
    defaults = {
        "VOCAB_SIZE": 1024, "MODEL_DIM": 512, "NUM_LAYERS": 9, "MLP_MULT": 2, "NUM_HEADS": 8, "NUM_KV_HEADS": 4,
        "TIE_EMBEDDINGS": 1,
    }  # fmt: skip
    chosen = {**defaults, **{key: int(value) for key, value in settings.items()}}
    letters = ("VOCAB_SIZE", "MODEL_DIM", "NUM_LAYERS", "MLP_MULT", "NUM_HEADS", "NUM_KV_HEADS")
    values = dict(zip("VdLfhk", (chosen[name] for name in letters), strict=True))
    total = 0
    for part, formula in re.findall(r"^\| (.+?) \| ([^|]*[dL·][^|]*) \|$", SIZES, re.MULTILINE):
        if part.startswith("part"):
            continue
        count = eval(formula.replace("·", "*").replace("²", "**2"), {"__builtins__": {}}, values)
        if part.startswith("embedding"):
            count *= 1 if chosen["TIE_EMBEDDINGS"] else 2
        total += count * (values["L"] if "per layer" in part else 1)
    return int(total)


def bytes_per_parameter(stored: str, codec: str) -> tuple[float, float]:
    """The range that references/sizes.md gives."""
    (found,) = re.findall(rf"^\| {stored} \| {codec} \| ([\d.]+)–([\d.]+) \|$", SIZES, re.MULTILINE)
    return float(found[0]), float(found[1])


def construct(naive: ModuleType, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """The baseline's model under some settings, untrained."""
    import inspect

    with monkeypatch.context() as changed:
        for key, value in settings.items():
            changed.setenv(key, value)
        names = list(inspect.signature(naive.GPT.__init__).parameters)[1:]
        return naive.GPT(**{name: getattr(naive.Hyperparameters, name) for name in names})


def built(naive: ModuleType, settings: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> int:
    """Parameters of the model itself; nothing is trained, and no memory is filled."""
    import torch

    with torch.device("meta"):
        return sum(parameter.numel() for parameter in construct(naive, settings, monkeypatch).parameters())


def full_rate(naive: ModuleType) -> float:
    """The largest share of its base rates that a run under the environment's settings ever trains with."""
    arguments = naive.Hyperparameters()
    return max(naive.lr_scale(arguments, step, 0.0) for step in range(arguments.iterations))
