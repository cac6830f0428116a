"""Byte tables of scripts and files: where they depart from the bytes of the text."""

import io
from pathlib import Path

import numpy as np
import pytest
from toy_case import fenced, toy_case

from golf.referee.case import Case, open_case
from golf.referee.checks.byte_tables import findings

TABLE = """\
import numpy as np

def build_table(sp, size):
    sizes = np.zeros(size)
    spaced = np.zeros(size, dtype=bool)
    boundary = np.ones(size, dtype=bool)
    for token in range(size):
        if sp.is_control(token) or sp.is_unknown(token) or sp.is_unused(token):
            continue
        boundary[token] = False
        if sp.is_byte(token):
            sizes[token] = 1
            continue
        piece = sp.id_to_piece(token)
        if piece.startswith("\u2581"):
            spaced[token] = True
            piece = piece[1:]
        sizes[token] = len(piece.encode("utf-8"))
    return sizes, spaced, boundary

def evaluate(sizes, space, boundary, previous, target):
    return sizes[target] + (space[target] & ~boundary[previous])

evaluate(*build_table(None, 1024), 0, 0)
"""


def codes(case: Case) -> dict[str, str]:
    return {one.code: one.severity for one in findings(case)}


def texts(case: Case) -> str:
    return " ".join(one.text for one in findings(case))


def test_the_canonical_table_is_right() -> None:
    assert findings(toy_case(TABLE)) == []


def test_a_leading_space_counted_twice_is_blocked() -> None:
    twice = TABLE.replace('len(piece.encode("utf-8"))', 'len(piece.encode("utf-8")) + 1')
    case = toy_case(twice)
    assert codes(case) == {"BPB_MISCOUNT": "block"}
    assert [where.line for where in findings(case)[0].evidence] == [18, 22]


def test_a_leading_space_counted_once_in_the_table_alone_is_right() -> None:
    once = TABLE.replace('len(piece.encode("utf-8"))', 'len(piece.encode("utf-8")) + 1')
    assert findings(toy_case(once.replace(" + (space[target] & ~boundary[previous])", ""))) == []


@pytest.mark.parametrize("mark", ["?", "\u2581".encode().decode("cp437")])
def test_a_garbled_mark_is_blocked(mark: str) -> None:
    assert codes(toy_case(TABLE.replace("\u2581", mark))) == {"BPB_MISCOUNT": "block"}


@pytest.mark.parametrize("stored", ["3", 'len(sp.id_to_piece(token).encode("utf-8"))'])
def test_a_byte_token_of_other_than_one_byte_is_blocked(stored: str) -> None:
    assert codes(toy_case(TABLE.replace("sizes[token] = 1", f"sizes[token] = {stored}"))) == {"BPB_MISCOUNT": "block"}


def test_byte_tokens_counted_by_their_names_are_wrong_under_the_challenges_tokenizers() -> None:
    named = TABLE.replace(
        "        if sp.is_byte(token):\n            sizes[token] = 1\n            continue\n",
        "",
    )
    assert codes(toy_case(named, readme="# A run with SP1024\n")) == {"BPB_MISCOUNT": "block"}
    assert codes(toy_case(named)) == {"BPB_MISCOUNT": "flag"}


def test_a_table_that_is_never_built_is_nothing() -> None:
    twice = TABLE.replace('len(piece.encode("utf-8"))', 'len(piece.encode("utf-8")) + 1')
    assert findings(toy_case(twice.replace("evaluate(*build_table(None, 1024), 0, 0)", ""))) == []


def test_a_constant_number_of_bytes_per_token_is_no_count() -> None:
    script = """\
import math

def score(val_loss):
    val_bpb = val_loss / (math.log(2) * 3.7)
    return val_bpb

score(1)
"""
    assert codes(toy_case(script)) == {"BPB_MISCOUNT": "block"}
    assert codes(toy_case(script, readme="A non-record run\n")) == {"BPB_APPROX": "note"}


def test_a_named_constant_is_one_too() -> None:
    script = """\
import math
BYTES_PER_TOKEN = 3.6

def score(val_loss):
    val_bpb = val_loss / math.log(2) / BYTES_PER_TOKEN
    return val_bpb

score(1)
"""
    assert codes(toy_case(script)) == {"BPB_MISCOUNT": "block"}


def test_a_constant_of_a_function_is_one_too() -> None:
    script = """\
import math

def score(val_loss):
    BYTES_PER_TOKEN = 3.6
    val_bpb = (val_loss / math.log(2)) * (1.0 / BYTES_PER_TOKEN)
    return val_bpb

score(1)
"""
    assert codes(toy_case(script)) == {"BPB_MISCOUNT": "block"}


def test_an_estimate_beside_a_count_is_nothing() -> None:
    script = """\
def score(val_loss, byte_count, token_count):
    bpb = val_loss * 0.41
    return val_loss * token_count / byte_count

score(1, 1, 1)
"""
    assert findings(toy_case(script)) == []


def test_clamped_targets_are_flagged() -> None:
    script = """\
def forward(target_ids, size):
    target_ids = target_ids.clamp(0, size - 1)
    return target_ids

forward(0, 1)
"""
    assert codes(toy_case(script)) == {"BPB_MISCOUNT": "flag"}


def saved(folder: Path, sizes: list[int]) -> Path:
    held = io.BytesIO()
    np.savez(held, base_bytes=np.array(sizes, dtype=np.int16))
    (folder / "tokenizer.meta.npz").write_bytes(held.getvalue())
    return folder


def test_byte_tokens_of_three_bytes_in_a_file_are_blocked(tmp_path: Path) -> None:
    case = open_case(saved(tmp_path, [0] + [1] * 40 + [3] * 20 + [1] * 10 + [2] * 30 + [3] * 30))
    assert codes(case) == {"BPB_MISCOUNT": "block"}
    assert "tokens 41 to 60" in texts(case)


def test_a_file_of_plain_lengths_is_right(tmp_path: Path) -> None:
    assert findings(open_case(saved(tmp_path, [0] + [1] * 80 + [2] * 30 + [3] * 30 + [5] * 9))) == []


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04", b"not an archive", b"\x00" * 5000])
def test_a_broken_archive_is_no_table(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "meta.npz").write_bytes(data)
    assert findings(open_case(tmp_path)) == []


def test_an_archive_of_objects_is_never_unpickled(tmp_path: Path) -> None:
    held = io.BytesIO()
    np.savez(held, base_bytes=np.array([print], dtype=object))
    (tmp_path / "meta.npz").write_bytes(held.getvalue())
    assert findings(open_case(tmp_path)) == []


def test_a_table_that_is_not_there_is_flagged() -> None:
    script = """\
import numpy as np

def table(path):
    data = np.load(path)
    return data["base_bytes"]

table("meta.npz")
"""
    assert codes(toy_case(script)) == {"BPB_MISCOUNT": "flag"}


def test_a_tokenizer_of_folded_text_is_flagged(tmp_path: Path) -> None:
    (tmp_path / "bpe_casefold.model").write_bytes(b"model")
    assert codes(open_case(tmp_path)) == {"TOKENIZER_LOSSY": "flag"}


def test_a_bijective_transform_is_none(tmp_path: Path) -> None:
    (tmp_path / "bpe_lossless_caps.model").write_bytes(b"model")
    assert findings(open_case(tmp_path)) == []


def test_settings_decide_whether_a_table_is_built() -> None:
    guarded = TABLE.replace("evaluate(*", "import os\nif os.environ.get('COUNT', '0') == '1':\n    evaluate(*").replace(
        'len(piece.encode("utf-8"))', 'len(piece.encode("utf-8")) + 1'
    )
    assert findings(toy_case(guarded)) == []
    assert codes(toy_case(guarded, readme=fenced("COUNT=1 torchrun train_gpt.py"))) == {"BPB_MISCOUNT": "block"}
