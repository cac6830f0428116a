"""`golf audit` runs a stranger's scorer in confined processes and says what it found and what held it in."""

import re
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

from golf.errors import BadConfig, JobFailed, NotFound, UnreadableInput
from golf.jobs import jail
from golf.measure import byte_counts, shards
from golf.play import audit as audits
from golf.play import experiments
from golf.referee.questions import Effort
from golf.referee.scorers import Checkpoint, PythonFile
from golf.workspace import Workspace

TOYS = Path(__file__).parents[1] / "referee" / "toys.py"
EFFORT = Effort(num_positions=24, sum_rows=80, border=24, controls=1)
QUICK = Effort(num_positions=2, sum_rows=16, controls=0)

HONEST = "import numpy as np\nVOCAB_SIZE = 16\ndef score(tokens): return np.full(len(tokens), np.log(16))\n"


def audit(target: str, **options):
    return audits.audit(target, **{"num_tokens": 96, "effort": EFFORT, **options})


def scorer(folder: Path, body: str) -> str:
    path = folder / "mine.py"
    path.write_text(f"import os, sys\nimport numpy as np\nVOCAB_SIZE = 16\n{body}\n")
    return f"{path}:score"


@pytest.mark.parametrize(
    "name, verdict, probe",
    [
        ("AdaptiveBigram", "causal", None),
        ("TrainThenScore", "violation", "future"),
        ("OracleGate", "violation", "normalisation"),
        ("WarmState", "violation", "memory"),
        ("CrashesWhenAsked", "inconclusive", None),
    ],
)
def test_a_scorer_in_confined_processes_is_judged_as_elsewhere(name: str, verdict: str, probe: str | None) -> None:
    found = audit(f"{TOYS}:{name}")
    assert (found.verdict, found.breaches[0].probe if found.breaches else None) == (verdict, probe)
    assert found.target.endswith(name)
    named = " ".join(found.confinement + found.unconfined)
    assert "no network" in named and "read-only" in named and "memory of 8589934592 bytes" in named


def test_the_text_is_the_splits_and_hidden_from_the_scorer(tmp_path: Path) -> None:
    """A scorer that looks its future up in the shard finds no shard."""
    data = tmp_path / "data"
    data.mkdir()
    stream = np.random.default_rng(0).integers(2, 16, size=20_000)
    stream[::50] = 1
    shards.write_shard(data / "fineweb_val_000000.bin", stream)
    body = f"""
def score(tokens):
    try:
        open({str(data / "fineweb_val_000000.bin")!r}).close()
    except OSError:
        return np.full(len(tokens), np.log(16))
    raise ValueError("the split can be read")
"""
    found = audit(scorer(tmp_path, body), data=data, effort=QUICK)
    assert "documents" in found.text
    assert found.verdict == "causal" or any("hidden" in lack for lack in found.unconfined), found.reason


def test_what_could_hide_is_said_in_bits_per_byte_where_bytes_are_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "honest.py").write_text(HONEST)
    stream = np.full(2_000, 3)
    stream[::50] = 1
    shards.write_shard(tmp_path / "fineweb_val_000000.bin", stream)
    four_bytes = byte_counts.ByteTable(np.full(16, 4, np.uint16), np.zeros(16, bool), np.zeros(16, bool))
    monkeypatch.setattr(byte_counts, "table", lambda path: four_bytes)
    found = audit(f"{tmp_path}/honest.py:score", data=tmp_path, tokenizer=tmp_path / "any.model", effort=QUICK)
    assert found.hidden_gain_nats and found.hidden_gain_bpb
    assert found.hidden_gain_bpb == pytest.approx(found.hidden_gain_nats / np.log(2) / 4)


@pytest.mark.parametrize(
    "body, reason",
    [
        ("def score(tokens): raise ValueError('no idea')", "ValueError: no idea"),
        ("def score(tokens): os._exit(0)", "ended with exit status 0"),
        ("def score(tokens): os.kill(os.getpid(), 11) or os.abort()", "SIG|exit status"),
        ("def score(tokens): return bytearray(4 << 30)", "MemoryError"),
        ("def score(tokens): open(__file__, 'a')", "Error"),
        ("def score(tokens): os.write(3, b'x' * 100_000 + b'\\n'); return tokens", "no line|no JSON"),
        ("def score(tokens): os.write(3, b'{}\\n'); return tokens * 0.0", "shape"),
        ("def score(tokens): import socket; socket.create_connection(('127.0.0.1', 9))", "Error"),
    ],
)
def test_a_scorer_that_misbehaves_is_inconclusive_and_the_reason_is_named(
    tmp_path: Path, body: str, reason: str
) -> None:
    found = audit(scorer(tmp_path, body), effort=QUICK, memory_bytes=1 << 30)
    assert found.verdict == "inconclusive"
    assert re.search(reason, found.reason), found.reason
    assert {probe.outcome for probe in found.probes} == {"not run"}


def test_a_scorer_without_end_is_ended_at_the_limit(tmp_path: Path) -> None:
    found = audit(scorer(tmp_path, "import time\ndef score(tokens): time.sleep(600)"), effort=QUICK, time_limit_s=4.0)
    assert found.verdict == "inconclusive"
    assert "limit" in found.reason


def test_a_scorer_cannot_judge_itself(tmp_path: Path) -> None:
    """What it changes in its own process changes nothing here: only numbers come back."""
    body = """
sys.modules["__main__"].ASKED["score"] = lambda scorer, tokens: np.zeros(tokens.shape)
def score(tokens): return np.full(len(tokens), np.log(16))
"""
    found = audit(scorer(tmp_path, body), effort=QUICK)
    assert found.verdict == "violation", "every token certain: the sums are 16"


def test_a_model_in_the_challenges_layout_is_asked_as_a_scorer(tmp_path: Path) -> None:
    import torch

    (tmp_path / "train_gpt.py").write_text("""
import torch, torch.nn.functional as F
from torch import nn

class Hyperparameters:
    vocab_size = 16
    train_seq_len = 24

class GPT(nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, 16)

    def forward(self, input_ids, target_ids):
        x = self.tok_emb(input_ids)
        return F.cross_entropy(F.linear(x, self.tok_emb.weight).flatten(0, 1), target_ids.flatten())
""")
    torch.manual_seed(0)
    torch.save({"tok_emb.weight": torch.randn(16, 16)}, tmp_path / "final_model.pt")
    found = audit(str(tmp_path), effort=QUICK)
    assert found.verdict == "causal", found.reason
    assert found.vocab_size == 16


# --- targets


def test_a_python_file_needs_the_name_of_its_scorer(tmp_path: Path) -> None:
    (tmp_path / "x.py").write_text(HONEST)
    target = audits.find_target(f"{tmp_path}/x.py:score", vocab_size=9)
    assert target.source == PythonFile(str(tmp_path / "x.py"), "score", 9)
    assert target.python == sys.executable
    with pytest.raises(BadConfig, match=r"FILE\.py:NAME"):
        audits.find_target(f"{tmp_path}/x.py")
    with pytest.raises(NotFound):
        audits.find_target(f"{tmp_path}/y.py:score")


def test_a_folder_means_its_weights_and_the_script_beside_them(tmp_path: Path) -> None:
    (tmp_path / "train_gpt.py").write_text("")
    (tmp_path / "final_model.int8.ptz").write_bytes(b"x")
    source = audits.find_target(str(tmp_path), env={"A": "1"}, seq_len=8).source
    assert isinstance(source, Checkpoint)
    assert (Path(source.script).name, Path(source.weights).name) == ("train_gpt.py", "final_model.int8.ptz")
    assert (source.env, source.seq_len, source.device) == ({"A": "1"}, 8, "cpu")
    with pytest.raises(NotFound, match="nothing at"):
        audits.find_target(str(tmp_path / "none"))


def test_an_experiment_means_its_artifact_its_script_and_its_settings(workspace: Workspace) -> None:
    script = workspace.root / "train_gpt.py"
    script.write_text("x = 1")
    folder = experiments.claim(workspace, "wide", hypothesis="h", script=script, env={"MODEL_DIM": "64"})
    with pytest.raises(NotFound, match="golf run"):
        audits.find_target("wide", workspace=workspace)
    artifact = folder / "artifact" / "seed7"
    artifact.mkdir(parents=True)
    (artifact / "final_model.int8.ptz").write_bytes(b"x")
    source = audits.find_target("wide", workspace=workspace, checkpoint_seed=7, env={"NUM_HEADS": "2"}).source
    assert isinstance(source, Checkpoint)
    assert Path(source.script) == folder / "train_gpt.py"
    assert (source.env["MODEL_DIM"], source.env["NUM_HEADS"]) == ("64", "2")


def test_a_scorer_reads_no_file_of_the_machine_and_shows_none_through_its_errors(tmp_path: Path) -> None:
    """Only a list of known places was hidden once: a secret came back as the reason why the scorer failed."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as secret:
        secret.write("hunter2")
        secret.flush()
        found = audit(
            scorer(tmp_path, f"def score(tokens): raise ValueError(open({secret.name!r}).read())"), effort=QUICK
        )
    assert found.verdict == "inconclusive"
    assert "hunter2" not in found.model_dump_json() or any(line.startswith(jail.VIEW) for line in found.unconfined)


@pytest.mark.parametrize("options, why", [({"device": "banana"}, "no device 'banana'"), ({"beside": "x"}, "--with")])
def test_a_device_or_a_file_that_is_not_there_is_refused(tmp_path: Path, options: dict, why: str) -> None:
    options = {key: [tmp_path / value] if key == "beside" else value for key, value in options.items()}
    with pytest.raises((BadConfig, NotFound), match=why):
        audits.find_target(scorer(tmp_path, "score = None"), **options)


def test_what_cannot_be_asked_is_an_error_before_anything_is_concluded(tmp_path: Path) -> None:
    with pytest.raises(UnreadableInput, match="SyntaxError"):
        audit(scorer(tmp_path, "def"))
    with pytest.raises(JobFailed, match="exit status 5"):
        audit(scorer(tmp_path, "os._exit(5)"))
    with pytest.raises(BadConfig, match="num_tokens"):
        audit(f"{TOYS}:CausalBigram", num_tokens=3)
    stream = np.full(2_000, 900)
    shards.write_shard(tmp_path / "fineweb_val_000000.bin", stream)
    with pytest.raises(UnreadableInput, match="vocabulary is 16"):
        audit(f"{TOYS}:CausalBigram", data=tmp_path)


def test_a_workspaces_split_of_another_vocabulary_is_left_alone(workspace: Workspace) -> None:
    workspace.data.mkdir(parents=True)
    shards.write_shard(workspace.data / "fineweb_val_000000.bin", np.full(2_000, 900))
    assert "made-up" in audit(f"{TOYS}:CausalBigram", workspace=workspace, effort=QUICK).text
