"""Imports, versions, keys, paths and the seal: what a record folder is made with."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packed import NAME

from golf.desk import private
from golf.desk.package import capsule as capsules
from golf.desk.package import pins
from golf.desk.package.capsule import Capsule


def test_imports_are_read_and_local_and_standard_ones_left_out() -> None:
    sources = {
        "train.py": "import os, torch.nn\nfrom helper import x\nfrom . import y\n"
        "try:\n    import flash_attn\nexcept ImportError: pass\n",
        "helper.py": "def f():\n    from einops import rearrange\n",
        "broken.py": "def (",
    }
    assert pins.imports(sources) == {"einops": "helper.py:2", "flash_attn": "train.py:5", "torch": "train.py:1"}


def test_imports_of_a_script_that_only_a_later_python_parses_are_read() -> None:
    """Four accepted records are packed scripts with 3.12's f-strings."""
    assert pins.imports({"train.py": 'import torch\nx = f"{d["a"]}"\n'}) == {"torch": "train.py:1"}


def test_a_log_s_own_versions_are_read() -> None:
    said = "Running Python 3.12.3 (main)\nRunning PyTorch 2.9.1+cu128\n"
    assert pins.logged(said) == {"python": "3.12.3", "torch": "2.9.1+cu128"}
    assert pins.logged("nothing") == {}


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (f"hf_{'x9' * 17}", "Hugging Face"),
        (f"ghp_{'x9' * 18}", "GitHub"),
        (f"sk-proj-{'x9' * 12}", "API key"),
        (f"AKIA{'X9' * 8}", "AWS"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        ("https://me:hunter22@host/x.git", "password"),
        ("export WANDB_API_KEY=0123456789abcdef0123456789abcdef01234567", "a key"),
        ('"api_key": "0123456789abcdefghij"', "a key"),
    ],
)
def test_keys_are_found_and_never_repeated(line: str, what: str) -> None:
    (leak,) = private.leaks({"a.py": f"x = 1\n{line}\n".encode()}, private.Machine(()), {})
    assert what in leak.what and leak.line == 2
    assert line not in leak.told()


@pytest.mark.parametrize(
    "line",
    [
        'api_key = os.environ["WANDB_API_KEY"]',
        "num_tokens: 62021632 token_embedding_lr=0.0500000000000001",
        "risk-sensitive-task-0123456789abcdefghij",
        "https://github.com/openai/parameter-golf@main",
        "PASSWORD = getpass.getpass()",
        "/usr/lib/python3/x /tmp/y",
    ],
)
def test_what_only_looks_like_a_key_is_left_alone(line: str) -> None:
    assert private.leaks({"a.py": line.encode()}, private.Machine((("/root", "<home>"),)), {}) == []


def test_the_value_of_a_variable_that_is_called_a_key_is_found() -> None:
    environ = {"RUNPOD_TOKEN": "abcdefghijklmnop", "KEY_FILE": "/home/a/key-of-the-lab", "KEYS": "short"}
    (leak,) = private.leaks({"log": b"got abcdefghijklmnop"}, private.Machine(()), environ)
    assert leak.what == "the value of RUNPOD_TOKEN"


@pytest.mark.parametrize("before", [0, 195_900, 199_990, 200_000, 600_000])
def test_a_key_is_found_once_however_far_out_in_a_line(before: int) -> None:
    bar = "\r".join("step 1 of 9" for _ in range(before // 12 + 1))[:before]  # a progress bar is one line
    key = f"hf_{'a1' * 18}"
    (leak,) = private.leaks({"log": f"x\n{bar} {key}\n".encode()}, private.Machine(()), {})
    assert leak.line == 2 and "Hugging Face" in leak.what


@given(st.text(alphabet="/ab.-_ \n<>", max_size=60))
def test_redacting_leaves_no_path_and_the_number_of_lines(text: str) -> None:
    machine = private.Machine((("/a/b", "<workspace>"), ("/a", "<home>")))
    done, count = machine.redacted(text)
    pattern = machine.pattern()
    assert pattern is not None and pattern.search(done) is None
    assert done.count("\n") == text.count("\n")
    assert (done == text) == (count == 0)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=4, unique=True), st.booleans())
def test_a_capsule_reads_back_as_it_was_written_and_any_change_breaks_its_seal(seeds: list[int], paid: bool) -> None:
    evidence = [
        capsules.SeedEvidence(
            seed=seed, log=f"train_seed{seed}.log", logged_val_bpb=1.2, logged_val_loss=2.0, val_bpb=1.2, val_loss=2.0,
            artifact_bytes=10, weights=capsules.hashed(b"w", "w.ptz"), train_time_s=None, eval_time_s=None, steps=None,
            scored_on="", log_sha256="0" * 64,
        )
        for seed in seeds
    ]  # fmt: skip
    one = capsules.sealed(
        Capsule(
            layout=1,
            made_by="t",
            challenge="parameter-golf",
            track="non_record_16mb",
            name="x",
            author="a",
            github_id="a",
            blurb="",
            hardware=None,
            hardware_from="unknown",
            experiment="e",
            run_id="r",
            commit="a" * 40,
            source="experiments/e",
            tier="t",
            status="keep",
            finished_at=datetime(2026, 5, 1, tzinfo=UTC),
            hypothesis="h",
            expected_outcome="",
            outcome="",
            techniques=[],
            script=NAME,
            scripts=[NAME],
            command=["c"],
            settings={},
            claimed_seeds=seeds,
            seeds=evidence,
            limits=capsules.Limits(artifact_bytes_max=16_000_000, train_time_s_max=None, eval_time_s_max=None),
            lineage=[],
            builds_on=[],
            run_notes=[],
            author_notes="",
            cost_usd=3.5 if paid else 0.0,
            data=capsules.DataPrint(
                name="d",
                fingerprint="d 0",
                shards=[],
                train_tokens=0,
                validation_tokens=0,
                tokenizer=capsules.hashed(b"t", "t.model"),
            ),
            environment=capsules.Environment(source="unknown", python=None, platform=None, packages={}, imported={}),
            files=[],
        )
    )
    assert capsules.parse(capsules.dump(one)) == one
    assert capsules.seal(one) == one.seal
    assert capsules.seal(one.model_copy(update={"cost_usd": one.cost_usd + 1e-9})) != one.seal
