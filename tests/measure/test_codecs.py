import gzip
import io
import lzma
import math
import random
import sys
import tracemalloc
import zlib
from collections import Counter
from pathlib import Path

import brotli
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from golf import errors
from golf.measure import codecs

ENGLISH = (Path(codecs.__file__).read_bytes() + Path(io.__file__).read_bytes() + Path(random.__file__).read_bytes())[
    :60_000
]
NOISE = random.Random(1).randbytes(150_000)
PAYLOAD = NOISE + b"abc" * 100_000 + ENGLISH

PACKERS = {
    "zlib": lambda data: zlib.compress(data, 6),
    "gzip": gzip.compress,
    "xz": lambda data: lzma.compress(data, preset=1),
    "lzma": lambda data: lzma.compress(data, lzma.FORMAT_ALONE, preset=1),
    "zstd": lambda data: zstandard.ZstdCompressor().compress(data),
    "brotli": lambda data: brotli.compress(data, quality=3),
}
PACKED = {codec: pack(PAYLOAD) for codec, pack in PACKERS.items()}


def unpack(path: Path, **bounds: int) -> bytes:
    return b"".join(codecs.decompress_stream(path, **bounds))


@pytest.mark.parametrize("codec", PACKERS)
def test_a_packed_file_is_recognised_and_unpacks_to_what_was_packed(codec, tmp_path):
    path = tmp_path / "model.ptz"
    path.write_bytes(PACKED[codec])
    assert codecs.sniff(path) == codec
    assert unpack(path) == PAYLOAD


@pytest.mark.parametrize("codec", PACKERS)
@pytest.mark.parametrize("kept", [0.001, 0.5, 1.0], ids=["first bytes", "half", "all but one byte"])
def test_a_stream_that_ends_early_is_an_error(codec, kept, tmp_path):
    path = tmp_path / ("model.br" if codec == "brotli" else "model.ptz")
    whole = PACKED[codec]
    path.write_bytes(whole[: min(len(whole) - 1, math.ceil(len(whole) * kept))])
    with pytest.raises(errors.UnreadableInput, match=r"model\.\w+ is damaged"):
        unpack(path)


@pytest.mark.parametrize("codec", PACKERS)
def test_bytes_after_the_end_of_a_stream_are_an_error(codec, tmp_path):
    path = tmp_path / ("model.br" if codec == "brotli" else "model.ptz")
    path.write_bytes(PACKED[codec] + b"and more")
    with pytest.raises(errors.UnreadableInput, match="damaged"):
        unpack(path)


@pytest.mark.parametrize("codec", ["gzip", "xz", "zstd"])
def test_streams_one_after_another_unpack_as_one_where_the_format_says_so(codec, tmp_path):
    path = tmp_path / "model.ptz"
    path.write_bytes(PACKED[codec] + PACKERS[codec](b"second"))
    assert unpack(path) == PAYLOAD + b"second"


@pytest.mark.parametrize("codec", ["zlib", "xz", "zstd", "brotli"])
def test_a_bomb_is_stopped_before_it_fills_the_memory(codec, tmp_path):
    path = tmp_path / "bomb.ptz"
    path.write_bytes(PACKERS[codec](bytes(1 << 27)))
    tracemalloc.start()
    try:
        with pytest.raises(errors.UnreadableInput, match="unpacks to more than"):
            sum(map(len, codecs.decompress_stream(path)))
        assert tracemalloc.get_traced_memory()[1] < 50_000_000
    finally:
        tracemalloc.stop()


def test_the_bound_on_bytes_is_exact(tmp_path):
    path = tmp_path / "model.ptz"
    path.write_bytes(PACKED["zlib"])
    assert len(unpack(path, max_bytes=len(PAYLOAD))) == len(PAYLOAD)
    with pytest.raises(errors.UnreadableInput, match="unpacks to more than"):
        unpack(path, max_bytes=len(PAYLOAD) - 1)


def test_a_high_ratio_is_fine_while_little_comes_out(tmp_path):
    """An untrained model, zeros for the most part, is no bomb."""
    path = tmp_path / "model.ptz"
    path.write_bytes(zlib.compress(bytes(1_000_000)))
    assert unpack(path) == bytes(1_000_000)


def test_noise_and_checkpoints_are_no_compressed_format(tmp_path):
    path = tmp_path / "model.ptz"
    for content in (NOISE, b"PK\x03\x04" + NOISE, b"plain text, and nothing but that " * 100):
        path.write_bytes(content)
        assert codecs.sniff(path) is None
        with pytest.raises(errors.UnreadableInput, match="no compressed format"):
            unpack(path)


def test_a_missing_file_is_an_error(tmp_path):
    with pytest.raises(errors.UnreadableInput, match="cannot be read"):
        codecs.sniff(tmp_path / "nothing.ptz")


@pytest.mark.parametrize(
    "codec, pack",
    [
        ("zlib-9", lambda data: zlib.compress(data, 9)),
        ("zlib-1", lambda data: zlib.compress(data, 1)),
        ("gzip", lambda data: gzip.compress(data, 9)),
        ("xz-9", lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)),
        ("lzma", lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)),
        ("zstd-3", lambda data: zstandard.ZstdCompressor(3).compress(data)),
        ("zstd", lambda data: zstandard.ZstdCompressor(22).compress(data)),
        ("brotli-5", lambda data: brotli.compress(data, quality=5, lgwin=24)),
        ("brotli", lambda data: brotli.compress(data, quality=11, lgwin=24)),
    ],
)
def test_a_size_is_that_of_the_library_s_own_one_call_result(codec, pack):
    assert codecs.compressed_size(ENGLISH, codec) == len(pack(ENGLISH))


@pytest.mark.parametrize("codec", ["zlib-9", "gzip-9", "xz-1", "zstd-3", "brotli-3", "entropy0"])
@settings(max_examples=15)
@given(data=st.data())
def test_the_size_of_a_stream_does_not_depend_on_its_pieces(codec, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(ENGLISH)), max_size=6)))
    pieces = [ENGLISH[start:end] for start, end in zip([0, *cuts], [*cuts, len(ENGLISH)], strict=True)]
    size = codecs.compressed_size(iter(pieces), codec, len(ENGLISH))
    whole = codecs.compressed_size([ENGLISH], codec, len(ENGLISH))
    # brotli alone may end a block where a piece ends
    assert abs(size - whole) <= (len(pieces) * 200 if codec == "brotli-3" else 0)


@given(st.binary(min_size=1, max_size=3000))
def test_entropy_is_shannon_s_and_blind_to_order(data):
    expected = -sum(n * math.log2(n / len(data)) for n in Counter(data).values()) / 8
    size = codecs.compressed_size(data, "entropy0")
    assert expected - 1e-6 <= size < expected + 1 + 1e-6
    assert codecs.compressed_size(bytes(sorted(data)), "entropy0") == size


def test_no_codec_without_repetitions_to_find_gets_below_the_entropy():
    values = random.Random(2).choices(range(256), [math.exp(-abs(i - 128) / 12) for i in range(256)], k=100_000)
    bound = codecs.compressed_size(bytes(values), "entropy0")
    for codec in ("zlib-9", "xz-9", "zstd-19"):
        assert bound < codecs.compressed_size(bytes(values), codec) < 1.06 * bound


@pytest.mark.parametrize(
    "codec", ["", "zstd-0", "zstd-23", "brotli-12", "zip-9", "zlib--1", "zlib-09", "entropy0-1", "zstd-²"]
)
def test_an_unknown_codec_is_refused_with_the_known_ones(codec):
    with pytest.raises(errors.BadConfig, match="known are zlib-1 to -9"):
        codecs.compressed_size(b"x", codec)


def test_a_missing_library_names_the_command_that_installs_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "brotli", None)
    with pytest.raises(errors.MissingPackage, match=r"pip install brotli$"):
        codecs.compressed_size(b"x", "brotli-5")


def test_reference_lines_are_bits_per_byte_of_plain_compressors():
    lines = codecs.reference_bpb(ENGLISH)
    assert list(lines) == ["unigram", "gzip", "zstd", "lzma"]
    assert lines["gzip"] == len(gzip.compress(ENGLISH, 9)) * 8 / len(ENGLISH)
    assert 8 > lines["unigram"] > lines["gzip"] > lines["lzma"] > 1
    assert codecs.reference_bpb(bytes(range(256)), ("unigram",)) == {"unigram": 8.0}


def test_an_empty_text_has_no_bits_per_byte():
    with pytest.raises(errors.UnreadableInput, match="0 bytes"):
        codecs.reference_bpb(b"")
