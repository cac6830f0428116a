import lzma
import os
import pickle
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from golf import errors, rules
from golf.measure import codecs as streams
from golf.measure.artifact import find_weights, measure_artifact, packed_size, self_extractor

SUBMISSIONS = Path(__file__).parents[2].parent / "shared" / "data" / "submissions"
SOURCE = "import math\n\n" + "".join(f"def layer_{i}(x):\n    return math.tanh(x * {i})\n\n\n" for i in range(60))
NOISE = random.Random(0).randbytes(20_000)
WEIGHTS = zlib.compress(NOISE + bytes(10_000), 9)


def submission(folder: Path, code: str = SOURCE, **files: bytes) -> Path:
    """A folder with a script and `files`; two underscores in a keyword stand for the dot."""
    folder.mkdir(exist_ok=True)
    (folder / "train_gpt.py").write_text(code)
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content)
    return folder


def log(folder: Path, seed: int, model: int, code: int = len(SOURCE), total: int | None = None) -> None:
    total = model + code if total is None else total
    (folder / f"train_seed{seed}.log").write_text(
        f"seed:{seed}\nstep:10/10 val_loss:2.1000 val_bpb:1.2500 train_time:5000ms step_avg:500.00ms\n"
        f"Serialized model int8+zlib: {model} bytes (payload:{model} raw_torch:{model} payload_ratio:3.91x)\n"
        f"Code size: {code} bytes\nTotal submission size int8+zlib: {total} bytes\n"
        "final_int8_zlib_roundtrip val_loss:2.1100 val_bpb:1.2600 eval_time:1400ms\n"
        "final_int8_zlib_roundtrip_exact val_loss:2.11000000 val_bpb:1.26000000\n"
    )


# --- counting


def test_code_and_compressed_weights_count_as_they_lie(tmp_path):
    artifact = measure_artifact(submission(tmp_path, final_model__int8__ptz=WEIGHTS))
    assert artifact.artifact_bytes == len(SOURCE) + len(WEIGHTS)
    assert (artifact.code_bytes, artifact.model_bytes) == (len(SOURCE), len(WEIGHTS))
    assert artifact.headroom_bytes == 16_000_000 - artifact.artifact_bytes
    assert (artifact.accounting, artifact.status) == ("shipped", "OK")
    assert [(part.path, part.kind, part.counted_as) for part in artifact.parts] == [
        ("train_gpt.py", "code", "as is"),
        ("final_model.int8.ptz", "model", "as is"),
    ]


@pytest.mark.parametrize("total, status", [(16_000_000, "OK"), (16_000_001, "OVER LIMIT")])
def test_sixteen_million_bytes_pass_and_one_more_fails(total, status, tmp_path):
    folder = submission(tmp_path)
    with (folder / "model.lrz").open("wb") as file:
        file.truncate(total - len(SOURCE))
    artifact = measure_artifact(folder)
    assert (artifact.artifact_bytes, artifact.status) == (total, status)


def test_the_limit_is_the_challenge_s(tmp_path):
    small = replace(rules.PARAMETER_GOLF, artifact_bytes_max=1000)
    artifact = measure_artifact(submission(tmp_path, model__ptz=WEIGHTS), challenge=small)
    assert (artifact.limit_bytes, artifact.status) == (1000, "OVER LIMIT")


@pytest.mark.parametrize("ending", ["ptz", "xz", "lzma", "br", "zst", "bin.zst", "lrz", "gz", "bz2", "PTZ"])
def test_every_compressed_format_counts_as_is(ending, tmp_path):
    folder = submission(tmp_path)
    (folder / f"model.{ending}").write_bytes(NOISE)
    assert measure_artifact(folder).model_bytes == len(NOISE)


@pytest.mark.parametrize("ending", ["npz", "pt", "pth", "safetensors"])
@pytest.mark.parametrize("weights", [NOISE * 30, bytes(1 << 17), NOISE[:1]], ids=["noise", "zeros", "a byte"])
def test_an_uncompressed_checkpoint_counts_as_the_seed_s_script_counts_it(ending, weights, tmp_path):
    """Source: "Parameter Golf Auto Research", `measure_artifact.py`: script as is, zstd at its default for the rest."""
    folder = submission(tmp_path)
    (folder / f"model.{ending}").write_bytes(weights)
    artifact = measure_artifact(folder)
    seeds_number = (folder / "train_gpt.py").stat().st_size + len(zstandard.ZstdCompressor().compress(weights))
    assert artifact.artifact_bytes == seeds_number
    assert artifact.parts[1].counted_as == "zstd-3"
    assert any("not what would ship" in note and "zstd-3" in note for note in artifact.notes)


def test_a_real_npz_counts_as_the_seed_s_script_counts_it(tmp_path):
    folder = submission(tmp_path)
    rng = np.random.default_rng(0)
    np.savez(folder / "weights.npz", *(rng.normal(size=(256, 512)).astype(np.float32) for _ in range(6)))
    size = len(zstandard.ZstdCompressor().compress((folder / "weights.npz").read_bytes()))
    assert measure_artifact(folder).model_bytes == size


def test_named_helpers_count_as_code_and_others_are_mentioned(tmp_path):
    folder = submission(tmp_path, model__ptz=WEIGHTS, kernel__cpp=b"int x;", caps__py=b"y = 1\n", notes__md=b"#")
    alone, whole = measure_artifact(folder), measure_artifact(folder, helpers=["kernel.cpp", "caps.py", "kernel.cpp"])
    assert whole.code_bytes == alone.code_bytes + 6 + 6
    assert any("caps.py, kernel.cpp" in note and "--helper" in note for note in alone.notes)
    assert not any("not counted" in note for note in whole.notes)


def test_the_raw_twin_of_compressed_weights_is_named_and_not_counted(tmp_path):
    """The challenge's script leaves final_model.pt beside final_model.int8.ptz."""
    artifact = measure_artifact(submission(tmp_path, final_model__int8__ptz=WEIGHTS, final_model__pt=NOISE))
    assert artifact.model_bytes == len(WEIGHTS)
    assert any(note.startswith("final_model.pt is not counted") for note in artifact.notes)


@pytest.mark.parametrize("name", ["model.ptz", "other.npz", "modelled.pt"])
def test_two_candidate_weight_files_are_a_question_not_a_sum(name, tmp_path):
    folder = submission(tmp_path, final_model__int8__ptz=WEIGHTS)
    (folder / name).write_bytes(NOISE)
    with pytest.raises(errors.AmbiguousInput, match="--weights") as refusal:
        measure_artifact(folder)
    assert "final_model.int8.ptz" in str(refusal.value) and name in str(refusal.value)
    assert measure_artifact(folder, weights="final_model.int8.ptz").model_bytes == len(WEIGHTS)


def test_a_link_to_weights_beside_it_is_the_same_file(tmp_path):
    folder = submission(tmp_path, seed42__ptz=WEIGHTS)
    (folder / "best.ptz").symlink_to("seed42.ptz")
    assert [part.path for part in measure_artifact(folder).parts] == ["train_gpt.py", "seed42.ptz"]


def test_the_weights_that_are_counted_can_be_asked_for(tmp_path):
    folder = submission(tmp_path, final_model__int8__ptz=WEIGHTS, final_model__pt=NOISE)
    assert find_weights(folder) == folder / "final_model.int8.ptz"
    assert find_weights(folder, "final_model.pt") == folder / "final_model.pt"
    (folder / "other.ptz").write_bytes(NOISE)
    with pytest.raises(errors.AmbiguousInput):
        find_weights(folder)


def test_packed_logs_and_sources_are_no_weights(tmp_path):
    folder = submission(tmp_path, model__ptz=WEIGHTS, train__log__gz=NOISE, train_gpt__py__xz=NOISE)
    assert measure_artifact(folder).model_bytes == len(WEIGHTS)


def test_a_weights_file_as_path_means_its_folder_with_these_weights(tmp_path):
    folder = submission(tmp_path, model__ptz=WEIGHTS, second__ptz=NOISE)
    assert measure_artifact(folder / "model.ptz").model_bytes == len(WEIGHTS)
    assert measure_artifact(folder / "second.ptz").artifact_bytes == len(SOURCE) + len(NOISE)
    with pytest.raises(errors.BadConfig, match="give one of them"):
        measure_artifact(folder / "model.ptz", weights="second.ptz")


def test_a_script_as_path_means_its_folder_with_this_script(tmp_path):
    folder = submission(tmp_path, model__ptz=WEIGHTS, train_v2__py=b"z = 2\n")
    assert measure_artifact(folder / "train_v2.py").artifact_bytes == len(b"z = 2\n") + len(WEIGHTS)
    assert measure_artifact(folder, script="train_v2.py").code_bytes == len(b"z = 2\n")


def test_names_with_spaces_accents_and_odd_bytes_are_fine(tmp_path):
    folder = submission(tmp_path / "Größe 16 MB ★")
    (folder / "mödel final ☃.ptz").write_bytes(WEIGHTS)
    odd = os.fsdecode(b"m\xff.model")
    (folder / odd).write_bytes(b"t")
    artifact = measure_artifact(folder)
    assert artifact.parts[1].path == "mödel final ☃.ptz"
    assert "\\xff" in artifact.model_dump_json()


# --- the tokenizer


@pytest.mark.parametrize(
    "name", ["spm.model", "tokenizer.json", "bpe.vocab", "tokenizers/caps.model", "o200k.tiktoken"]
)
def test_a_tokenizer_is_reported_and_not_counted(name, tmp_path):
    folder = submission(tmp_path, model__ptz=WEIGHTS)
    bare = measure_artifact(folder)
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(NOISE)
    artifact = measure_artifact(folder)
    assert artifact.artifact_bytes == bare.artifact_bytes
    assert artifact.tokenizer_bytes == len(NOISE)
    assert artifact.totals["with_tokenizer"] == bare.artifact_bytes + len(NOISE)
    assert (artifact.parts[-1].path, artifact.parts[-1].kind) == (name, "tokenizer")
    assert any("tokenizer" in note and "not counted" in note for note in artifact.notes)


def test_a_tokenizer_of_any_name_can_be_named(tmp_path):
    folder = submission(tmp_path, model__ptz=WEIGHTS, bytes__bin=NOISE)
    assert measure_artifact(folder, tokenizer="bytes.bin").tokenizer_bytes == len(NOISE)


# --- accounting conventions


def test_the_packed_size_is_that_of_a_script_that_runs(tmp_path):
    source = f'print("é", __name__)\n{SOURCE}print(layer_3(1) > 0.9)\n'.encode()
    packed = tmp_path / "packed.py"
    packed.write_bytes(self_extractor(source))
    assert packed_size(source) == packed.stat().st_size < len(source) / 2
    run = subprocess.run([sys.executable, "-X", "utf8", packed], capture_output=True, check=True)
    assert run.stdout.decode() == "é __main__\nTrue\n"


def test_code_that_packing_would_enlarge_counts_as_it_lies(tmp_path):
    already = self_extractor(SOURCE.encode())
    assert packed_size(already) == len(already)
    folder = submission(tmp_path, already.decode(), model__ptz=WEIGHTS)
    assert len(set(measure_artifact(folder).totals.values())) == 1


def test_packed_accounting_replaces_the_code_and_nothing_else(tmp_path):
    folder = submission(tmp_path, model__ptz=WEIGHTS, kernel__c=b"int x;")
    artifact = measure_artifact(folder, accounting="packed", helpers=["kernel.c"])
    assert artifact.accounting == "packed"
    assert artifact.artifact_bytes == packed_size(SOURCE.encode()) + len(b"int x;") + len(WEIGHTS)
    assert artifact.totals["shipped"] == len(SOURCE) + len(b"int x;") + len(WEIGHTS)


def test_logged_accounting_takes_the_worst_seed(tmp_path):
    folder = submission(tmp_path, model__ptz=WEIGHTS)
    for seed, model in [(1, 15_900_000), (2, 15_960_000), (3, 15_910_000)]:
        log(folder, seed, model, code=40_000)
    artifact = measure_artifact(folder, accounting="logged")
    assert (artifact.code_bytes, artifact.model_bytes) == (40_000, 15_960_000)
    assert artifact.status == "OK"
    assert measure_artifact(folder).totals["logged"] == 16_000_000
    assert measure_artifact(folder).accounting == "shipped"


def test_logged_accounting_needs_no_weights_but_says_what_it_read(tmp_path):
    folder = submission(tmp_path)
    log(folder, 42, 1_000_000)
    artifact = measure_artifact(folder, accounting="logged")
    assert artifact.totals == {"logged": 1_000_000 + len(SOURCE)}
    assert {part.counted_as for part in artifact.parts} == {"logged in train_seed42.log"}
    with pytest.raises(errors.UnreadableInput, match=r"no weights in .* --accounting logged"):
        measure_artifact(folder)


def test_conventions_that_disagree_about_the_verdict_are_called_out(tmp_path):
    folder = submission(tmp_path)
    with (folder / "model.lrz").open("wb") as file:
        file.truncate(16_000_000 - len(SOURCE) + 1)
    note = next(note for note in measure_artifact(folder).notes if "depends on the accounting" in note)
    assert "shipped 16_000_001 (over)" in note and "(fits)" in note
    small = measure_artifact(submission(tmp_path / "small", model__ptz=WEIGHTS))
    assert not any("depends on the accounting" in note for note in small.notes)


def test_a_log_of_other_files_is_noticed(tmp_path):
    folder = submission(tmp_path, model__ptz=WEIGHTS)
    log(folder, 1, len(WEIGHTS))
    assert measure_artifact(folder).notes == []
    log(folder, 1, len(WEIGHTS) + 5, code=99)
    notes = " ".join(measure_artifact(folder).notes)
    assert "no log has a model of that size" in notes and "its log says 99" in notes


def test_logged_accounting_without_a_log_is_an_error(tmp_path):
    with pytest.raises(errors.UnreadableInput, match=r"no log in .* states a total"):
        measure_artifact(submission(tmp_path, model__ptz=WEIGHTS), accounting="logged")


@pytest.mark.skipif(not SUBMISSIONS.is_dir(), reason="third-party submissions are not on this machine")
def test_the_record_that_states_model_bytes_only_is_over_by_its_own_logs(tmp_path):
    """#1412 states 15,978,121 in its submission.json; its worst seed's log says 16,059,704."""
    folder = submission(tmp_path)
    for file in (SUBMISSIONS / "1412").glob("*.log"):
        shutil.copy(file, folder)
    artifact = measure_artifact(folder, accounting="logged")
    assert (artifact.artifact_bytes, artifact.status) == (16_059_704, "OVER LIMIT")


# --- what cannot be measured


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listening(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # a socket's path must be short
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


BROKEN = {
    "empty": (lambda path: path.touch(), "is empty"),
    "folder": (lambda path: path.mkdir(), "is a folder"),
    "FIFO": (fifo, "is a FIFO"),
    "socket": (listening, "is a socket"),
    "dangling": (lambda path: path.symlink_to("nowhere"), "does not exist"),
    "to itself": (lambda path: path.symlink_to(path.name), "cannot be read"),
    "outward": (lambda path: path.symlink_to(sys.executable), "leads out of"),
    "device": (lambda path: path.symlink_to("/dev/zero"), "leads out of"),
}


@pytest.mark.parametrize("name", ["train_gpt.py", "model.ptz", "model.npz", "helper.py", "spm.model"])
@pytest.mark.parametrize("defect", BROKEN)
def test_a_broken_file_is_an_error_and_never_a_small_number(name, defect, tmp_path):
    folder = submission(tmp_path, helper__py=b"h = 1\n", spm__model=b"t")
    if "npz" not in name:
        (folder / "model.ptz").write_bytes(WEIGHTS)
    (folder / name).unlink(missing_ok=True)
    make, message = BROKEN[defect]
    make(folder / name)
    with pytest.raises(errors.UnreadableInput, match=message) as refusal:
        measure_artifact(folder, helpers=["helper.py"])
    assert name in str(refusal.value)


def test_a_file_that_cannot_be_read_is_an_error(tmp_path, monkeypatch):
    folder = submission(tmp_path, model__ptz=WEIGHTS)
    real_open = Path.open

    def broken_disk(path: Path, *arguments: Any, **named: Any) -> Any:
        if path.name == "model.ptz":
            raise OSError(5, "Input/output error")
        return real_open(path, *arguments, **named)

    monkeypatch.setattr(Path, "open", broken_disk)
    with pytest.raises(errors.UnreadableInput, match=r"model.ptz cannot be read: .*Input/output error"):
        measure_artifact(folder)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_an_error(tmp_path):
    folder = submission(tmp_path, model__ptz=WEIGHTS)
    (folder / "model.ptz").chmod(0)
    with pytest.raises(errors.UnreadableInput, match="cannot be read"):
        measure_artifact(folder)


def test_a_missing_script_is_an_error_that_names_the_option(tmp_path):
    (tmp_path / "model.ptz").write_bytes(WEIGHTS)
    with pytest.raises(errors.NotFound, match=r"there is no train_gpt.py in .* --script NAME"):
        measure_artifact(tmp_path)


def test_missing_weights_are_an_error_unless_code_alone_is_asked_for(tmp_path):
    folder = submission(tmp_path)
    with pytest.raises(errors.UnreadableInput, match=r"there are no weights .* --code-only"):
        measure_artifact(folder)
    artifact = measure_artifact(folder, code_only=True)
    assert (artifact.artifact_bytes, artifact.model_bytes) == (len(SOURCE), 0)
    assert any(note.startswith("code only") for note in artifact.notes)


def test_weights_in_a_subfolder_are_suggested_and_can_be_named(tmp_path):
    folder = submission(tmp_path)
    (folder / "seed 42").mkdir()
    (folder / "seed 42" / "model.ptz").write_bytes(WEIGHTS)
    with pytest.raises(errors.UnreadableInput, match=r"--weights 'seed 42/model.ptz'"):
        measure_artifact(folder)
    assert measure_artifact(folder, weights="seed 42/model.ptz").model_bytes == len(WEIGHTS)


@pytest.mark.parametrize("named", [{"weights": "x.ptz"}, {"script": "x.py"}, {"helpers": ["x.py"]}, {"tokenizer": "x"}])
def test_a_named_file_that_is_missing_is_an_error(named, tmp_path):
    with pytest.raises(errors.NotFound, match="there is no x"):
        measure_artifact(submission(tmp_path, model__ptz=WEIGHTS), **named)


@pytest.mark.parametrize("name", ["../outside.ptz", sys.executable])
def test_a_name_may_not_lead_out_of_the_folder(name, tmp_path):
    (tmp_path / "outside.ptz").write_bytes(NOISE)
    with pytest.raises(errors.UnreadableInput, match="leads out of"):
        measure_artifact(submission(tmp_path / "in"), weights=name)


def test_a_path_that_is_nothing_of_the_kind_is_an_error(tmp_path):
    with pytest.raises(errors.NotFound, match="there is no"):
        measure_artifact(tmp_path / "absent")
    readme = submission(tmp_path) / "README.md"
    readme.write_text("hello")
    with pytest.raises(errors.UnreadableInput, match="no folder, script or weights file"):
        measure_artifact(readme)


def test_one_file_cannot_be_code_and_weights(tmp_path):
    folder = submission(tmp_path, model__ptz=WEIGHTS)
    with pytest.raises(errors.BadConfig, match="both as code and as weights"):
        measure_artifact(folder, helpers=["model.ptz"])


# --- savings


def test_what_a_better_coder_could_save_is_estimated_for_free(tmp_path):
    skewed = bytes(min(int(abs(x) * 12), 255) for x in np.random.default_rng(0).normal(size=50_000))
    packed = zlib.compress(skewed, 1)
    (size,) = measure_artifact(submission(tmp_path, model__ptz=packed)).savings
    assert size.codec == "entropy0"
    assert size.bytes == streams.compressed_size(skewed, "entropy0") < len(packed)
    assert size.saved_bytes == len(packed) - size.bytes


def test_savings_are_measured_on_the_unpacked_weights(tmp_path):
    payload = NOISE + bytes(30_000) + NOISE[:5000]
    packed = zlib.compress(payload, 1)
    seen: list[tuple[str, int, int]] = []
    artifact = measure_artifact(
        submission(tmp_path, model__ptz=packed),
        savings=True,
        codecs=["zlib-9", "zstd-19", "xz-9", "brotli-11"],
        progress=lambda *step: seen.append(step),
    )
    assert [size.codec for size in artifact.savings] == ["zlib-9", "zstd-19", "xz-9", "brotli-11"]
    assert artifact.savings[0].bytes == len(zlib.compress(payload, 9))
    assert all(size.saved_bytes == len(packed) - size.bytes for size in artifact.savings)
    assert [step for step in seen if step[1] == step[2]] == [
        (codec, len(payload), len(payload)) for codec in ("zlib-9", "zstd-19", "xz-9", "brotli-11")
    ]


def test_savings_of_an_uncompressed_checkpoint_are_against_what_it_counts_for(tmp_path):
    artifact = measure_artifact(submission(tmp_path, model__npz=NOISE * 3), savings=True, codecs=["zstd-19"])
    assert artifact.savings[0].saved_bytes == artifact.model_bytes - artifact.savings[0].bytes


def test_progress_can_stop_the_work(tmp_path):
    def stop(codec: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_artifact(submission(tmp_path, model__ptz=WEIGHTS), savings=True, codecs=["zlib-9"], progress=stop)


def test_a_misspelt_codec_is_refused_before_any_work(tmp_path):
    with pytest.raises(errors.BadConfig, match="zstd-99"):
        measure_artifact(tmp_path / "absent", savings=True, codecs=["brotli-11", "zstd-99"])


@pytest.mark.parametrize("packed", [WEIGHTS[:-20], zlib.compress(bytes(40_000_000), 9)], ids=["cut short", "bomb"])
@pytest.mark.parametrize("savings", [False, True])
def test_a_damaged_stream_and_a_bomb_keep_their_size_and_are_noted(packed, savings, tmp_path):
    artifact = measure_artifact(submission(tmp_path, model__ptz=packed), savings=savings, codecs=["zlib-1"])
    assert artifact.model_bytes == len(packed)
    assert artifact.savings == []
    assert any("The size stands" in note and "model.ptz" in note for note in artifact.notes)


def test_a_cut_xz_file_is_noted(tmp_path):
    packed = lzma.compress(NOISE)
    assert measure_artifact(submission(tmp_path / "whole", model__xz=packed)).notes == []
    (note,) = measure_artifact(submission(tmp_path / "cut", model__xz=packed[:-9])).notes
    assert "model.xz is damaged" in note


def test_weights_of_an_unknown_format_say_that_savings_are_unknown(tmp_path):
    folder = submission(tmp_path, model__lrz=b"LRZI" + NOISE)
    assert measure_artifact(folder).notes == []
    artifact = measure_artifact(folder, savings=True)
    assert artifact.savings == [] and "unknown" in artifact.notes[0]


# --- safety


class _Trap:
    def __init__(self, path: str) -> None:
        self.path = path

    def __reduce__(self):
        return open, (self.path, "w")


@pytest.mark.parametrize("name", ["model.ptz", "model.pt"])
def test_nothing_is_run_or_unpickled(name, tmp_path):
    trap = tmp_path / "sprung"
    folder = submission(tmp_path / "in", f"open({str(trap)!r}, 'w')\n")
    payload = pickle.dumps(_Trap(str(trap)))
    (folder / name).write_bytes(zlib.compress(payload) if name.endswith("ptz") else payload)
    measure_artifact(folder, savings=True, codecs=["zlib-9"])
    assert not trap.exists()
    pickle.loads(payload).close()
    assert trap.exists()


def peak_bytes(folder: Path) -> tuple[int, int]:
    """model_bytes of `folder`, and the peak resident size of a process that does nothing but measure it."""
    program = (
        "import pathlib, resource, sys\n"
        "from golf.measure.artifact import measure_artifact\n"
        "artifact = measure_artifact(pathlib.Path(sys.argv[1]))\n"
        "print(artifact.model_bytes, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    # Through a shell that forks: on Linux a process starts with the peak of the one it was made from.
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", program, folder]
    root = Path(__file__).parents[2]
    run = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    model_bytes, peak = map(int, run.stdout.split())
    return model_bytes, peak * (1 if sys.platform == "darwin" else 1024)


def test_a_400_mb_checkpoint_takes_under_60_mb_of_memory(tmp_path):
    folder = submission(tmp_path)
    with (folder / "model.npz").open("wb") as file:
        file.truncate(400_000_000)  # sparse, but every byte of it is read and compressed
    model_bytes, peak = peak_bytes(folder)
    assert 10_000 < model_bytes < 20_000
    assert peak < 60_000_000


def test_weights_that_unpack_to_100_mb_take_under_60_mb_of_memory(tmp_path):
    packer = zlib.compressobj(1)
    packed = b"".join(packer.compress(NOISE + bytes(80_000)) for _ in range(1000)) + packer.flush()
    model_bytes, peak = peak_bytes(submission(tmp_path, model__ptz=packed))
    assert model_bytes == len(packed) > 15_000_000
    assert peak < 60_000_000


# --- laws

content = st.binary(min_size=1, max_size=300)


@settings(max_examples=40)
@given(code=content, weights=content, helper=content, tokenizer=st.none() | content, raw=st.booleans())
def test_parts_sum_to_the_whole_and_headroom_to_the_limit(code, weights, helper, tokenizer, raw):
    with tempfile.TemporaryDirectory() as name:
        folder = submission(Path(name), "")
        (folder / "train_gpt.py").write_bytes(code)
        (folder / ("model.npz" if raw else "model.ptz")).write_bytes(weights)
        (folder / "helper.c").write_bytes(helper)
        if tokenizer is not None:
            (folder / "spm.model").write_bytes(tokenizer)
        for accounting in ("shipped", "packed"):
            artifact = measure_artifact(folder, helpers=["helper.c"], accounting=accounting)
            sums = {
                kind: sum(p.bytes for p in artifact.parts if p.kind == kind) for kind in ("code", "model", "tokenizer")
            }
            assert sums == {
                "code": artifact.code_bytes,
                "model": artifact.model_bytes,
                "tokenizer": artifact.tokenizer_bytes,
            }
            assert artifact.artifact_bytes == artifact.code_bytes + artifact.model_bytes == artifact.totals[accounting]
            assert artifact.headroom_bytes + artifact.artifact_bytes == artifact.limit_bytes
            assert artifact.totals["packed"] <= artifact.totals["shipped"]


@settings(max_examples=30)
@given(files=st.fixed_dictionaries(dict.fromkeys(("train_gpt.py", "model.ptz", "helper.c"), content)), data=st.data())
def test_a_byte_more_in_any_counted_file_is_a_byte_more_in_all(files, data):
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for file, inside in files.items():
            (folder / file).write_bytes(inside)
        before = measure_artifact(folder, helpers=["helper.c"])
        grown = data.draw(st.sampled_from(sorted(files)))
        with (folder / grown).open("ab") as file:
            file.write(data.draw(st.binary(min_size=1, max_size=1)))
        after = measure_artifact(folder, helpers=["helper.c"])
        assert after.artifact_bytes == before.artifact_bytes + 1
        assert after.headroom_bytes == before.headroom_bytes - 1
