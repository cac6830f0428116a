"""The naive baseline: its model, its artifact, its log, and what it does when told to stop or given nonsense."""

import importlib.util
import inspect
import io
import json
import math
import os
import pydoc
import shutil
import socket
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golf import bundle
from golf.data import tokenizer as tokenizers
from golf.measure.logs import read_log
from golf.measure.shards import write_shard
from golf.schema import TrainingLog

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'caddie[train]'")
pytest.importorskip("sentencepiece", reason="SentencePiece is not installed: pip install 'caddie[train]'")

SCRIPT = bundle.baselines() / "naive" / "train_gpt.py"
DEMO = bundle.TEMPLATES / "demo"
VOCAB_SIZE = 400
TINY = {
    "VOCAB_SIZE": str(VOCAB_SIZE),
    "NUM_LAYERS": "3",
    "MODEL_DIM": "32",
    "NUM_HEADS": "4",
    "NUM_KV_HEADS": "2",
    "TRAIN_SEQ_LEN": "32",
    "TRAIN_BATCH_TOKENS": "256",
    "VAL_LOSS_EVERY": "0",
    "WARMUP_STEPS": "1",
    "WARMDOWN_ITERS": "0",
    "ITERATIONS": "4",
    "MAX_WALLCLOCK_SECONDS": "0",
    "SEED": "7",
    "RUN_ID": "run",
    "DEVICE": "cpu",
}


def load(path: Path) -> ModuleType:
    """A training script as a module, under a name of its own."""
    spec = importlib.util.spec_from_file_location(f"script_{path.parent.name}", path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


gpt = load(SCRIPT)


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """DATA_PATH and TOKENIZER_PATH of two training shards and a validation shard of help texts."""
    folder = tmp_path_factory.mktemp("course")
    texts = [pydoc.plain(pydoc.render_doc(thing)) for thing in (str, dict, list, bytes, int, float, set)]
    model = tokenizers.train_tokenizer(texts, folder / "tiny.model", VOCAB_SIZE)
    tokens = list(tokenizers.encode_documents(texts, tokenizers.load_tokenizer(model)))
    write_shard(folder / "fineweb_train_000000.bin", tokens[:3])
    write_shard(folder / "fineweb_train_000001.bin", tokens[3:6])
    write_shard(folder / "fineweb_val_000000.bin", [tokens[6][:2000]])
    return {"DATA_PATH": str(folder), "TOKENIZER_PATH": str(model)}


@pytest.fixture
def play(
    course: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., TrainingLog]]:
    """Run the script in this process, on one thread, in a folder of its own; returns what its log says."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def run(script: ModuleType = gpt, folder: str = "run", **env: str) -> TrainingLog:
        (tmp_path / folder).mkdir()
        monkeypatch.chdir(tmp_path / folder)
        for name, value in {**TINY, **course, **env}.items():
            monkeypatch.setenv(name, value)
        script.main()
        return read_log(Path("logs/run.txt"))

    yield run
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)  # a run sets it, and hypothesis refuses to work with it


def model(**changes: object) -> Any:
    """A tiny GPT in float64 whose zero matrices were filled, so that every parameter matters."""
    torch.manual_seed(0)
    shape = {"vocab_size": 50, "num_layers": 3, "model_dim": 16, "num_heads": 4, "num_kv_heads": 2, "mlp_mult": 2}
    rest = {"tied_embed_init_std": 1.0, "logit_softcap": 30.0, "rope_base": 10_000.0, "qk_gain_init": 1.5}
    made = gpt.GPT(**{**shape, "tie_embeddings": True, **rest, **changes}).double()
    for parameter in made.parameters():
        if not parameter.any():
            torch.nn.init.normal_(parameter, std=0.5)
    return made


def from_settings() -> Any:
    """The model that the environment's hyper-parameters describe."""
    names = inspect.signature(gpt.GPT).parameters
    return gpt.GPT(**{name: getattr(gpt.Hyperparameters, name) for name in names})


def metrics(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# --- model -------------------------------------------------------------------------------------


def test_the_default_model_has_as_many_parameters_as_the_naive_baseline_logged(monkeypatch: pytest.MonkeyPatch):
    """Source: records/track_10min_16mb/2026-03-17_NaiveBaseline/train.log, `model_params:17059912`."""
    for name in TINY:
        monkeypatch.delenv(name, raising=False)
    assert sum(parameter.numel() for parameter in from_settings().parameters()) == 17_059_912


def test_state_dict_names_are_the_challenges():
    block = {f"attn.{name}.weight" for name in ("c_q", "c_k", "c_v", "proj")} | {"mlp.fc.weight", "mlp.proj.weight"}
    block |= {"attn.q_gain", "attn_scale", "mlp_scale", "resid_mix"}
    expected = {f"blocks.{number}.{name}" for number in range(3) for name in block} | {"tok_emb.weight", "skip_weights"}
    assert set(model().state_dict()) == expected
    assert set(model(tie_embeddings=False).state_dict()) == expected | {"lm_head.weight"}


@pytest.mark.parametrize("changes", [{}, {"tie_embeddings": False}, {"num_kv_heads": 4}, {"num_layers": 1}])
def test_forward_is_the_mean_cross_entropy_of_logits(changes: dict[str, object]):
    tokens = torch.randint(50, (3, 9))
    made = model(**changes)
    logits = made.logits(tokens[:, :-1])
    assert logits.shape == (3, 8, 50)
    by_hand = -logits.log_softmax(-1).gather(2, tokens[:, 1:, None]).mean()
    assert made(tokens[:, :-1], tokens[:, 1:]).item() == pytest.approx(by_hand.item(), rel=1e-12)


def test_a_token_changes_no_logits_before_it_and_some_after_it():
    tokens = torch.randint(50, (1, 8))
    other = tokens.clone()
    other[0, 5] = (other[0, 5] + 1) % 50
    difference = (model().logits(tokens) - model().logits(other)).abs().amax(dim=2)[0]
    assert (difference[:5] == 0).all()
    assert (difference[5:] > 1e-6).all()


def test_attention_sees_distance_not_position():
    """Rotary embeddings: shifting all positions by the same amount turns queries and keys alike."""
    like = torch.zeros(1, dtype=torch.float64)
    cos, sin = gpt.rotary_tables(12, 8, 10_000.0, like)
    q, k = torch.randn(2, 8, dtype=torch.float64)

    def score(i: int, j: int) -> float:
        return float(gpt.rotate(q, cos[i], sin[i]) @ gpt.rotate(k, cos[j], sin[j]))

    assert score(9, 7) == pytest.approx(score(4, 2))
    assert score(9, 7) != pytest.approx(score(9, 8))


def test_orthogonalise_brings_all_singular_values_near_one():
    stack = torch.randn(3, 16, 32, dtype=torch.float64) * torch.tensor([1e-3, 1.0, 1e3]).view(3, 1, 1)
    values = torch.linalg.svdvals(gpt.orthogonalise(stack, 5))
    assert values.min() > 0.5
    assert values.max() < 1.3


def test_the_model_compiles_as_one_graph_in_mixed_precision():
    """On cuda it runs so; here the graph is only traced, with the embedding in bfloat16 as there."""
    made = model().float()
    made.tok_emb.bfloat16()
    compiled = torch.compile(made, dynamic=False, fullgraph=True, backend="eager")
    tokens = torch.randint(50, (2, 9))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = compiled(tokens[:, :-1], tokens[:, 1:])
    loss.backward()
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(model()(tokens[:, :-1], tokens[:, 1:]).item(), rel=0.05)
    assert made.tok_emb.weight.grad.dtype == torch.bfloat16


# --- artifact ----------------------------------------------------------------------------------


@settings(max_examples=60)
@given(st.integers(0, 2**32 - 1), st.floats(-9, 4))
def test_no_weight_moves_by_more_than_half_its_rows_scale(seed: int, exponent: float):
    generator = torch.Generator().manual_seed(seed)
    matrix = torch.randn(5, 40, generator=generator) * 10**exponent
    matrix[0] = 0
    q, scale = gpt.quantize_rows(matrix)
    assert scale.dtype == torch.float16
    error = (q.float() * scale.float()[:, None] - matrix).abs()
    assert (error <= scale.float()[:, None] * 0.50001).all()
    assert int(q.abs().max()) <= 127


def test_rows_of_small_weights_keep_their_precision():
    """The challenge's quantiser clamps the scale to 1/127 at least, which leaves 0.01 as one step or none."""
    matrix = torch.linspace(-0.01, 0.01, 300 * 300).view(300, 300)
    content, _ = gpt.quantize_state_dict_int8({"w": matrix})
    back = gpt.dequantize_state_dict_int8(content)["w"]
    assert (back - matrix).abs().max() < 0.01 / 127


def test_every_kind_of_tensor_survives_the_round_trip():
    state = {
        "matrix": torch.randn(300, 300),
        "coarse": torch.randn(300, 300).bfloat16(),
        "cube": torch.randn(50, 50, 50),
        "small": torch.randn(8, 8),
        "small16": torch.randn(8).bfloat16(),
        "attn_scale": torch.randn(8) * 1e-6,
        "count": torch.tensor([1, 2**40]),
        "skip_weights": torch.zeros(0, 8),
    }
    content, sizes = gpt.quantize_state_dict_int8(state)
    buffer = io.BytesIO()
    torch.save(content, buffer)
    buffer.seek(0)
    back = gpt.dequantize_state_dict_int8(torch.load(buffer, weights_only=True))
    assert set(back) == set(state)
    for name, tensor in state.items():
        assert (back[name].dtype, back[name].shape) == (tensor.dtype, tensor.shape)
    assert torch.equal(back["count"], state["count"])
    assert torch.equal(back["attn_scale"], state["attn_scale"])
    assert (back["matrix"] - state["matrix"]).abs().max() < 0.03
    assert (back["cube"] - state["cube"]).abs().max() < 0.03
    assert sizes["baseline_tensor_bytes"] == sum(tensor.numel() * tensor.element_size() for tensor in state.values())


def test_the_artifact_is_in_the_challenges_format():
    """Names, scheme and dtypes as its reader looks them up; `scales` of matrices broadcast over rows."""
    state = {"big": torch.randn(300, 300), "cube": torch.randn(50, 50, 50), "small": torch.randn(3)}
    content, _ = gpt.quantize_state_dict_int8(state)
    assert content["__quant_format__"] == "int8_clean_per_row_v1"
    assert content["quantized"]["big"].dtype == torch.int8
    assert content["scales"]["big"].shape == (300,)
    assert content["qmeta"] == {"big": {"scheme": "per_row", "axis": 0}}
    assert content["scales"]["cube"].ndim == 0
    assert content["dtypes"] == {"big": "float32", "cube": "float32"}
    assert content["passthrough"]["small"].dtype == torch.float16
    assert content["passthrough_orig_dtypes"] == {"small": "float32"}


def test_an_artifact_without_the_optional_parts_is_read():
    """The challenge's writer leaves out `qmeta` and `passthrough_orig_dtypes` when they are empty."""
    q, scale = torch.ones(2, 3, dtype=torch.int8), torch.tensor([0.5, 2.0], dtype=torch.float16)
    content = {"quantized": {"w": q}, "scales": {"w": scale}, "dtypes": {"w": "bfloat16"}, "passthrough": {}}
    back = gpt.dequantize_state_dict_int8(content)["w"]
    assert back.dtype == torch.bfloat16
    assert back.tolist() == [[0.5] * 3, [2.0] * 3]


# --- data --------------------------------------------------------------------------------------


def test_bytes_are_those_of_the_text(course: dict[str, str]):
    text = "A naïve baseline: 8 heads, ▁ and 日本\n\n    indented, twice  spaced"
    sp = tokenizers.load_tokenizer(Path(course["TOKENIZER_PATH"]))
    tokens = np.concatenate(list(tokenizers.encode_documents([text], sp)))
    assert gpt.count_bytes(tokens.astype(np.int64), sp) == len(text.encode())


def test_the_leading_space_of_a_document_counts_for_nothing(course: dict[str, str]):
    """The metric's rule: after a control token a piece's space is not text. Source: the challenge's evaluation."""
    sp = tokenizers.load_tokenizer(Path(course["TOKENIZER_PATH"]))
    word = next(token for token in range(sp.vocab_size()) if sp.id_to_piece(token).startswith("▁t"))
    size = len(sp.id_to_piece(word)) - 1
    assert gpt.count_bytes(np.array([sp.bos_id(), word, word]), sp) == 2 * size + 1


def test_a_stream_gives_every_token_as_target_once_and_then_starts_again(tmp_path: Path):
    write_shard(tmp_path / "fineweb_train_000000.bin", [np.arange(5, dtype=np.uint16)])
    write_shard(tmp_path / "fineweb_train_000001.bin", [np.arange(5, 12, dtype=np.uint16)])
    stream = gpt.TokenStream(gpt.find_shards(str(tmp_path), "train"), 12)
    taken = [stream.take(4).tolist() for _ in range(6)]
    assert [piece[0] for piece in taken[1:]] == [piece[-1] for piece in taken[:-1]]
    targets = [token for piece in taken for token in piece[1:]]
    assert targets == [*range(1, 12), *range(12), 0]


# --- schedule ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "elapsed_s", "cap_s", "scale"),
    [
        (0, 0.0, 0, 1.0),
        (90, 1.0, 0, 0.5),  # 10 of 100 steps are left, warm-down is 20
        (100, 1.0, 0, 0.0),
        (50, 5.0, 6, 0.5),  # at 0.1 s a step another 10 fit into the cap
        (90, 9.0, 600, 0.5),  # the steps end before the cap does
        (50, 7.0, 6, 0.0),
    ],
)
def test_warm_down_ends_with_whichever_comes_first(
    monkeypatch: pytest.MonkeyPatch, step: int, elapsed_s: float, cap_s: int, scale: float
):
    for name, value in {"ITERATIONS": 100, "WARMDOWN_ITERS": 20, "MAX_WALLCLOCK_SECONDS": cap_s}.items():
        monkeypatch.setenv(name, str(value))
    assert gpt.lr_scale(gpt.Hyperparameters(), step, elapsed_s) == pytest.approx(scale)


def test_momentum_warms_up(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MUON_MOMENTUM_WARMUP_STEPS", "10")
    momenta = [gpt.momentum_at(gpt.Hyperparameters(), step) for step in (0, 5, 10, 99)]
    assert momenta == pytest.approx([0.85, 0.9, 0.95, 0.95])


# --- a run -------------------------------------------------------------------------------------


def test_a_run_logs_in_the_challenges_dialect_and_leaves_its_artifact(
    play: Callable[..., TrainingLog], tmp_path: Path, course: dict[str, str]
):
    log = play(TRAIN_LOG_EVERY="1", GOLF_METRICS=str(tmp_path / "metrics.jsonl"))
    text = Path("logs/run.txt").read_text()
    source = SCRIPT.read_text()
    assert text.startswith(source)
    artifact = Path("final_model.int8.ptz").read_bytes()
    assert log.missing == {key: reason for key, reason in log.missing.items() if key in ("wallclock_cap_s",)}
    assert log.final_label == "final_int8_zlib_roundtrip_exact"
    assert (log.seed, log.steps, log.iterations, log.world_size, log.train_shards) == (7, 4, 4, 1, 2)
    assert log.model_bytes == len(artifact)
    assert log.artifact_bytes == len(artifact) + len(source.encode())
    assert log.val_tokens == 1999 // 32 * 32
    assert log.final_bpb is not None and log.last_step_bpb is not None
    assert log.final_bpb == pytest.approx(log.last_step_bpb, rel=0.01)
    assert log.points[-1].train_time_s and log.eval_time_s is not None and log.memory_bytes

    records = metrics(tmp_path / "metrics.jsonl")
    assert [record["step"] for record in records] == [1, 2, 3, 4, 4]
    assert all({"step", "iterations", "train_time_s"} < set(record) for record in records)
    assert records[-1]["val_bpb"] == pytest.approx(log.last_step_bpb, abs=1e-4)
    assert [round(record["train_loss"], 4) for record in records[:4]] == [
        point.train_loss for point in log.points if point.train_loss is not None
    ]

    content = torch.load(io.BytesIO(zlib.decompress(artifact)), weights_only=True)
    made = from_settings()
    made.load_state_dict(gpt.dequantize_state_dict_int8(content))
    tokens = np.fromfile(Path(course["DATA_PATH"]) / "fineweb_val_000000.bin", dtype="<u2")[512 : 512 + 1985]
    rows = torch.from_numpy(tokens.astype(np.int64))
    with torch.no_grad():
        loss = made(rows[:-1].view(-1, 32), rows[1:].view(-1, 32)).item()
    assert log.final_loss == pytest.approx(loss, abs=2e-6)
    sp = tokenizers.load_tokenizer(Path(course["TOKENIZER_PATH"]))
    num_bytes = len(sp.decode(tokens.tolist()).encode())
    assert log.final_bpb == pytest.approx(loss * 1984 / math.log(2) / num_bytes, abs=2e-6)


def test_training_lowers_the_loss_and_the_seed_decides_it(play: Callable[..., TrainingLog], tmp_path: Path):
    def losses(folder: str, **env: str) -> list[float]:
        play(folder=folder, ITERATIONS="12", TRAIN_LOG_EVERY="1", GOLF_METRICS=str(tmp_path / folder / "m"), **env)
        return [record["train_loss"] for record in metrics(tmp_path / folder / "m") if "train_loss" in record]

    first = losses("first")
    assert first[-1] < first[0] - 0.3
    assert losses("second") == first
    assert losses("third", SEED="8") != first


def test_warm_up_leaves_no_trace(play: Callable[..., TrainingLog]):
    assert play(folder="cold", WARMUP_STEPS="0").final_bpb == play(folder="warm", WARMUP_STEPS="3").final_bpb


def test_passes_change_nothing_but_rounding(play: Callable[..., TrainingLog], monkeypatch: pytest.MonkeyPatch):
    at_once = play(folder="one", TRAIN_LOG_EVERY="1")
    monkeypatch.setattr(gpt, "EAGER_TOKENS_MAX", 64)
    in_parts = play(folder="eight", TRAIN_LOG_EVERY="1")
    assert "grad_accum_steps:8" in Path("logs/run.txt").read_text().replace(SCRIPT.read_text(), "")
    assert in_parts.points[0].train_loss == pytest.approx(at_once.points[0].train_loss, abs=2e-4)
    assert in_parts.final_bpb == pytest.approx(at_once.final_bpb, abs=0.02)


def test_the_wall_clock_cap_ends_training_at_the_next_step(play: Callable[..., TrainingLog]):
    log = play(ITERATIONS="1000000", MAX_WALLCLOCK_SECONDS="0.5", TRAIN_LOG_EVERY="0")
    said = Path("logs/run.txt").read_text().replace(SCRIPT.read_text(), "")
    assert "stopping_early: wallclock_cap train_time:" in said
    assert log.train_time_s is not None and log.steps is not None
    assert 0.5 <= log.train_time_s < 0.5 + 5 * log.train_time_s / log.steps + 0.5
    assert log.final_bpb is not None


def test_the_stop_file_ends_training_after_the_step_and_the_run_still_scores(
    play: Callable[..., TrainingLog], tmp_path: Path
):
    (tmp_path / "stop").touch()
    log = play(ITERATIONS="1000000", GOLF_STOP=str(tmp_path / "stop"))
    assert "stopping_early: stop_file train_time:" in Path("logs/run.txt").read_text()
    assert log.steps == 1
    assert log.final_bpb is not None


def test_metrics_are_written_between_log_lines(
    play: Callable[..., TrainingLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(gpt, "HEARTBEAT_S", 0.0)
    play(ITERATIONS="14", TRAIN_LOG_EVERY="0", GOLF_METRICS=str(tmp_path / "m"))
    assert [record["step"] for record in metrics(tmp_path / "m") if "train_loss" in record] == list(range(1, 15))
    assert "train_loss:" not in Path("logs/run.txt").read_text().replace(SCRIPT.read_text(), "")


def test_two_processes_take_the_same_first_steps_as_one(
    play: Callable[..., TrainingLog], course: dict[str, str], tmp_path: Path
):
    alone = play(TRAIN_LOG_EVERY="1")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = str(listener.getsockname()[1])
    shared = {**os.environ, **TINY, **course, "TRAIN_LOG_EVERY": "1", "OMP_NUM_THREADS": "1"}
    shared |= {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    (tmp_path / "two").mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT], cwd=tmp_path / "two", env={**shared, "RANK": rank, "LOCAL_RANK": rank}
        )
        for rank in "01"
    ]
    assert [process.wait(120) for process in processes] == [0, 0]
    together = read_log(tmp_path / "two" / "logs" / "run.txt")
    assert together.world_size == 2
    for one, two in zip(alone.points, together.points, strict=True):
        assert two.train_loss == pytest.approx(one.train_loss, abs=2e-4)
    assert together.final_bpb == pytest.approx(alone.final_bpb, abs=1e-3)


# --- unusable input ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("env", "said"),
    [
        ({"DATA_PATH": "nowhere"}, "no fineweb_val_*.bin in nowhere; set DATA_PATH"),
        ({"TOKENIZER_PATH": "none.model"}, "no tokenizer at none.model; set TOKENIZER_PATH"),
        ({"TOKENIZER_PATH": str(SCRIPT)}, "is not a SentencePiece model"),
        ({"VOCAB_SIZE": "401"}, "has 400 pieces and VOCAB_SIZE is 401"),
        ({"VOCAB_SIZE": "60"}, "outside VOCAB_SIZE=60"),
        ({"TRAIN_BATCH_TOKENS": "31"}, "TRAIN_BATCH_TOKENS=31 a multiple of it"),
        ({"TRAIN_BATCH_TOKENS": "33"}, "TRAIN_BATCH_TOKENS=33 a multiple of it"),
        ({"VAL_BATCH_SIZE": "8"}, "VAL_BATCH_SIZE=8 must be at least 32"),
        ({"TRAIN_SEQ_LEN": "2048", "TRAIN_BATCH_TOKENS": "2048"}, "too few for TRAIN_SEQ_LEN=2048"),
        ({"NUM_HEADS": "5"}, "MODEL_DIM=32 must be a multiple of twice NUM_HEADS=5"),
        ({"ITERATIONS": "many"}, "ITERATIONS must be of type int (got 'many')"),
        ({"DEVICE": "abacus"}, "DEVICE=abacus is not cuda, mps or cpu"),
        ({"WORLD_SIZE": "3"}, "WORLD_SIZE=3 must divide the 8 passes"),
        ({"TIED_EMBED_LR": "nan"}, "training diverged"),
    ],
)
def test_unusable_input_ends_in_one_line_and_exit_code_2(
    play: Callable[..., TrainingLog], capsys: pytest.CaptureFixture[str], env: dict[str, str], said: str
):
    with pytest.raises(SystemExit) as ended:
        play(**env)
    assert ended.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda raw: raw[:100], "does not begin like a token shard"),
        (lambda raw: b"\0" * 4 + raw[4:], "does not begin like a token shard"),
        (lambda raw: raw[:-1], "tokens and has"),
        (lambda raw: raw[:1024], "tokens and has 0 bytes"),
    ],
)
def test_a_damaged_shard_is_named(course: dict[str, str], tmp_path: Path, damage: Callable[[bytes], bytes], said: str):
    whole = (Path(course["DATA_PATH"]) / "fineweb_val_000000.bin").read_bytes()
    path = tmp_path / "fineweb_val_000000.bin"
    path.write_bytes(damage(whole))
    with pytest.raises(gpt.Unusable, match=said) as error:
        gpt.read_shard(path, VOCAB_SIZE)
    assert str(path) in str(error.value)


def test_importing_the_script_loads_nothing_of_golf_and_writes_nothing(tmp_path: Path):
    code = f"import importlib.util as u, sys; s = u.spec_from_file_location('t', {str(SCRIPT)!r}); "
    code += "s.loader.exec_module(u.module_from_spec(s)); print([name for name in sys.modules if 'golf' in name])"
    done = subprocess.run([sys.executable, "-I", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
    assert not list(tmp_path.iterdir())


# --- the demonstration's candidate -------------------------------------------------------------


@pytest.fixture(scope="module")
def candidate(tmp_path_factory: pytest.TempPathFactory) -> ModuleType:
    folder = tmp_path_factory.mktemp("candidate")
    shutil.copyfile(SCRIPT, folder / "train_gpt.py")
    said = json.loads((DEMO / "candidate.json").read_text())
    done = subprocess.run(["git", "apply", str(DEMO / said["patch"])], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return load(folder / "train_gpt.py")


def test_the_demos_candidate_applies_trains_and_is_scored(play: Callable[..., TrainingLog], candidate: ModuleType):
    log = play(candidate, ITERATIONS="2")
    baseline = play(folder="baseline", ITERATIONS="2")
    assert (log.steps, log.val_tokens, log.model_params) == (2, baseline.val_tokens, baseline.model_params)
    assert log.final_bpb is not None
    assert log.final_bpb != baseline.final_bpb


def test_the_demos_candidate_takes_every_row_of_a_shard_once_and_not_in_order(
    candidate: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TRAIN_SEQ_LEN", "4")
    write_shard(tmp_path / "fineweb_train_000000.bin", [np.arange(42, dtype=np.uint16)])
    paths = candidate.find_shards(str(tmp_path), "train")
    stream = candidate.TokenStream(paths, candidate.Hyperparameters())
    for rows in (torch.cat((stream.take(7), stream.take(3))), stream.take(10)):
        assert rows.shape == (10, 5)
        assert (rows[:, 1:] == rows[:, :1] + torch.arange(1, 5)).all()  # each row is one stretch of text
        assert sorted(rows[:, 0].tolist()) == list(range(0, 40, 4))
        assert rows[:, 0].tolist() != list(range(0, 40, 4))


def test_the_demos_settings_are_the_scripts():
    known = {value.name for value in vars(gpt.Hyperparameters).values() if isinstance(value, gpt.Setting)}
    wanted: Mapping[str, str] = json.loads((DEMO / "settings.json").read_text())
    assert all(isinstance(value, str) for value in wanted.values())
    assert set(wanted) <= known | {"DEVICE", "OMP_NUM_THREADS", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"}
    assert not {"SEED", "RUN_ID", "DATA_PATH", "TOKENIZER_PATH"} & set(wanted)
