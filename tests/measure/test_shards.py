import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from golf.errors import NotFound, UnreadableInput
from golf.measure import shards


def header(magic: int = 20240520, version: int = 1, num_tokens: int = 3) -> bytes:
    ints = np.zeros(256, dtype="<i4")
    ints[:3] = magic, version, num_tokens
    return ints.tobytes()


@settings(max_examples=25)  # each one is flushed to disk
@given(values=st.lists(st.integers(0, 65_535), min_size=1), cuts=st.lists(st.integers(0, 50), max_size=4))
def test_what_is_written_is_read_back_whole_or_in_pieces(tmp_path_factory, values, cuts):
    folder = tmp_path_factory.mktemp("shards")
    whole, pieces = folder / "fineweb_val_000000.bin", folder / "fineweb_val_000001.bin"
    shards.write_shard(whole, np.array(values))
    shards.write_shard(pieces, np.split(np.array(values), sorted(cuts)))
    assert shards.tokens(whole).tolist() == values
    assert shards.tokens(whole).dtype == np.uint16
    assert whole.read_bytes() == pieces.read_bytes()


def test_a_shard_is_the_challenges_bytes_exactly(tmp_path):
    """256 little-endian int32 (magic 20240520, version 1, count, zeros), then little-endian uint16."""
    path = tmp_path / "fineweb_train_000000.bin"
    shards.write_shard(path, np.array([1, 2, 258]))
    assert path.read_bytes() == header() + b"\x01\x00\x02\x00\x02\x01"
    assert shards.read_header(path) == shards.ShardHeader(num_tokens=3, version=1)


def test_an_array_larger_than_a_chunk_is_written_completely(tmp_path):
    values = np.arange(2_500_000) % 50_000
    path = tmp_path / "fineweb_train_000000.bin"
    shards.write_shard(path, values)
    assert np.array_equal(shards.tokens(path), values)


def test_tokens_cannot_be_changed_through_the_map(tmp_path):
    shards.write_shard(tmp_path / "a.bin", np.array([1, 2]))
    with pytest.raises(ValueError, match="read-only"):
        shards.tokens(tmp_path / "a.bin")[0] = 5


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "0 bytes, shorter than its header of 1024"),
        (header()[:1000], "1000 bytes, shorter"),
        (header(magic=1) + bytes(6), "magic 1"),
        (header(version=2) + bytes(6), "version 2"),
        (header() + bytes(4), "3 tokens, which makes 1030 bytes, but the file has 1028"),
        (header() + bytes(8), "the file has 1032"),
        (header(num_tokens=0), "holds 0 tokens"),
        (header(num_tokens=-5) + bytes(6), "holds -5 tokens"),
    ],
)
def test_a_damaged_shard_is_unreadable_and_the_message_says_how(tmp_path, content, fact):
    path = tmp_path / "fineweb_val_000000.bin"
    path.write_bytes(content)
    with pytest.raises(UnreadableInput, match=fact) as error:
        shards.tokens(path)
    assert "golf data fineweb" in str(error.value)


def test_a_missing_shard_is_not_found(tmp_path):
    with pytest.raises(NotFound, match="golf data pydocs"):
        shards.read_header(tmp_path / "none.bin")


@pytest.mark.parametrize(
    "values", [np.array([65_536]), np.array([-1]), np.array([0.5]), np.array([[1]]), np.array([], dtype=int), []]
)
def test_what_a_shard_cannot_hold_is_refused_and_the_old_shard_stays(tmp_path, values):
    path = tmp_path / "fineweb_val_000000.bin"
    shards.write_shard(path, np.array([7]))
    with pytest.raises(UnreadableInput):
        shards.write_shard(path, values)
    assert shards.tokens(path).tolist() == [7]
    assert os.listdir(tmp_path) == [path.name]


def test_shards_are_found_in_order_and_byte_sidecars_are_not_among_them(tmp_path):
    for name in ("val_000001", "val_000000", "val_bytes_000000", "train_000000"):
        shards.write_shard(tmp_path / f"fineweb_{name}.bin", np.array([1]))
    (tmp_path / "fineweb_val_notes.txt").write_text("x")
    assert [path.name for path in shards.find_shards(tmp_path, "val")] == [
        "fineweb_val_000000.bin",
        "fineweb_val_000001.bin",
    ]
    assert [path.name for path in shards.find_shards(tmp_path, "train")] == ["fineweb_train_000000.bin"]
    assert [path.name for path in shards.find_sidecars(tmp_path)] == ["fineweb_val_bytes_000000.bin"]


def test_a_folder_of_nothing_but_sidecars_has_no_val_shards(tmp_path):
    shards.write_shard(tmp_path / "fineweb_val_bytes_000000.bin", np.array([1]))
    with pytest.raises(NotFound, match=r"no fineweb_val_\*\.bin.*golf data fineweb.*golf data pydocs"):
        shards.find_shards(tmp_path, "val")


@settings(max_examples=25)  # each one is flushed to disk
@given(sizes=st.lists(st.integers(1, 9), min_size=1, max_size=5), data=st.data())
def test_a_stream_reads_as_the_shards_joined(tmp_path_factory, sizes, data):
    folder = tmp_path_factory.mktemp("stream")
    joined = np.arange(100, 100 + sum(sizes))
    paths: list[Path] = []
    for number, part in enumerate(np.split(joined, np.cumsum(sizes)[:-1])):
        paths.append(folder / f"fineweb_val_{number:06d}.bin")
        shards.write_shard(paths[-1], part)
    stream = shards.Stream(paths)
    start = data.draw(st.integers(0, len(joined)))
    stop = data.draw(st.integers(start, len(joined)))
    assert len(stream) == len(joined)
    assert stream.read(start, stop).tolist() == joined[start:stop].tolist()
    assert stream.largest() == joined[-1]
