"""Does it fit: each verdict says what was done, and claims no more than that proves."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.cli import main
from golf.errors import BadConfig, UnreadableInput
from golf.measure import fit
from golf.measure.codecs import compressed_size
from golf.measure.fit import does_it_fit, payload_of


def weights(count: int, std: float = 20.0, seed: int = 0) -> bytes:
    return np.clip(np.random.default_rng(seed).normal(0, std, count), -127, 127).astype(np.int8).tobytes()


def pieces(data: bytes) -> fit.Payload:
    return lambda: (data[at : at + 1000] for at in range(0, len(data), 1000))


@pytest.fixture
def ran(monkeypatch) -> list[str]:
    """Codecs that were run."""
    found: list[str] = []
    size = fit.compressed_size

    def watched(data: object, codec: str, *rest: object) -> int:
        found.append(codec)
        return size(data, codec, *rest)

    monkeypatch.setattr(fit, "compressed_size", watched)
    return found


@given(st.binary(min_size=1, max_size=3000) | st.integers(1, 3000).map(weights), st.integers(0, 4000))
def test_what_is_proven_is_true(data, room):
    told = does_it_fit(pieces(data), room, "zlib-9")
    sizes = {"as it is": len(data), "zlib-9": compressed_size(data, "zlib-9")}
    sizes["zstd-1"] = compressed_size(pieces(data)(), "zstd-1")
    assert told.packed_bytes == sizes[told.packed_with]
    if told.verdict == "fits":
        assert told.is_proven
        assert told.packed_bytes <= room
    if told.verdict == "does not fit":
        assert told.is_proven
        assert min(sizes.values()) > room
    assert told.is_proven == (told.verdict in ("fits", "does not fit"))


def test_far_below_the_limit_the_record_s_codec_is_not_run(ran):
    data = weights(100_000)
    told = does_it_fit(pieces(data), 95_000, "brotli-11")
    assert (told.verdict, told.is_proven, told.packed_with) == ("fits", True, "zstd-1")
    assert "brotli-11 was not run" in told.reason
    assert ran == ["zstd-1"]


def test_far_above_it_it_is_not_run_either_and_that_is_called_no_proof(ran):
    told = does_it_fit(pieces(weights(100_000)), 50_000, "brotli-11")
    assert (told.verdict, told.is_proven) == ("likely does not fit", False)
    assert ran == ["zstd-1"]


def test_entropy_far_over_the_room_proves_nothing_of_what_repeats():
    """Order-0 entropy would say 8 bits a byte; a codec that finds repetitions needs almost none."""
    block = np.random.default_rng(0).integers(0, 256, 20_000, dtype=np.uint8).tobytes()
    told = does_it_fit(pieces(block * 20), 25_000, "brotli-9")
    assert (told.verdict, told.is_proven) == ("fits", True)


def test_close_to_it_the_record_s_codec_decides(ran):
    data = weights(100_000)
    own, fast = compressed_size(data, "zlib-9"), compressed_size(pieces(data)(), "zstd-1")
    assert fast < own
    assert does_it_fit(pieces(data), own, "zlib-9").packed_with == "zlib-9"
    assert ran == ["zstd-1", "zlib-9"]
    other = does_it_fit(pieces(data), own - 1, "zlib-9")
    assert (other.verdict, other.packed_with) == ("fits", "zstd-1")
    assert f"zlib-9 makes {own:_} of it" in other.reason
    over = does_it_fit(pieces(data), fast - 1, "zlib-9")
    assert (over.verdict, over.is_proven, over.packed_with) == ("does not fit", True, "zlib-9")
    assert does_it_fit(pieces(data), own, "zlib-9", exact=False).verdict == "cannot tell"


def test_a_size_is_made_once_for_a_content(ran, tmp_path):
    data = weights(50_000)
    room = compressed_size(data, "zlib-9")
    first = does_it_fit(pieces(data), room, "zlib-9", cache=tmp_path / "sizes")
    assert does_it_fit(pieces(data), room, "zlib-9", cache=tmp_path / "sizes") == first
    assert ran == ["zstd-1", "zlib-9", "zstd-1"]
    other = weights(50_000, seed=1)
    does_it_fit(pieces(other), compressed_size(other, "zlib-9"), "zlib-9", cache=tmp_path / "sizes")
    assert ran[3:] == ["zstd-1", "zlib-9"]


def test_a_damaged_cache_entry_is_made_anew(tmp_path):
    data = weights(50_000)
    room = compressed_size(data, "zlib-9")
    first = does_it_fit(pieces(data), room, "zlib-9", cache=tmp_path)
    for place in tmp_path.iterdir():
        place.write_text("")
    assert does_it_fit(pieces(data), room, "zlib-9", cache=tmp_path) == first


def test_progress_counts_the_payload_and_may_end_it():
    data = weights(50_000)
    done: list[int] = []
    room = compressed_size(data, "zlib-9")
    does_it_fit(pieces(data), room, "zlib-9", progress=done.append)
    assert done[-1] == len(data)

    def end(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        does_it_fit(pieces(data), room, "zlib-9", progress=end)


def test_nothing_to_pack_and_no_such_codec_are_errors():
    with pytest.raises(UnreadableInput):
        does_it_fit(pieces(b""), 100, "zlib-9")
    with pytest.raises(BadConfig):
        does_it_fit(pieces(b"x"), 10, "zip-9")


@pytest.mark.parametrize(("count", "code"), [(200_000, 0), (40_000_000, 1)])
def test_the_command_says_whether_it_fits(tmp_path, capsys, monkeypatch, count, code):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train_gpt.py").write_text("pass\n")
    (tmp_path / "final_model.pt").write_bytes(weights(count))
    assert main(["measure-artifact", ".", "--fits", "brotli-11", "--json"]) == code
    told = json.loads(capsys.readouterr().out)
    assert told["verdict"] == ("likely does not fit" if code else "fits")
    assert told["room_bytes"] == 16_000_000 - 5
    data = b"".join(payload_of(tmp_path / "final_model.pt")())
    assert told["packed_bytes"] in (len(data), compressed_size([data], "zstd-1"))
    assert main(["measure-artifact", ".", "--fits", "brotli-11"]) == code
    assert "verdict" in capsys.readouterr().out
