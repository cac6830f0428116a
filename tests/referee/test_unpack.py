"""Packed scripts are unpacked by reading alone, within bounds."""

import base64
import json
import lzma
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from referee.packing import CODECS, TEXTS, trainer, wrap

from golf.referee import source, unpack

TRAINER = trainer()


def payloads(script: str, plain: bool = True) -> list[str]:
    return unpack.payloads(source.parse(script), plain).texts


@pytest.mark.parametrize("codec", CODECS)
def test_every_codec_people_use_is_unpacked(codec: str) -> None:
    script = wrap(TRAINER, codec)
    assert unpack.is_dense(script)
    assert unpack.executes(script)
    assert payloads(script) == [TRAINER]


@pytest.mark.parametrize("text", TEXTS)
def test_every_text_encoding_people_use_is_read(text: str) -> None:
    script = wrap(TRAINER, "xz", text).replace("b85decode", "a85decode" if text in ("ascii85", "adobe") else "decode")
    assert unpack.is_dense(script)
    assert payloads(script) == [TRAINER]


def test_a_payload_broken_into_lines_is_put_together() -> None:
    packed = base64.b85encode(lzma.compress(TRAINER.encode())).decode()
    lines = "\n".join(packed[at : at + 76] for at in range(0, len(packed), 76))
    script = f'import lzma,base64\n_b = b"""\n{lines}\n"""\nexec(lzma.decompress(base64.b85decode(_b)))\n'
    assert unpack.is_dense(script)
    assert payloads(script) == [TRAINER]


def test_compressed_bytes_in_escapes_are_read_as_they_are() -> None:
    script = f"import zlib\nexec(zlib.decompress({zlib.compress(TRAINER.encode())!r}))\n"
    assert unpack.is_dense(script)
    assert payloads(script) == [TRAINER]


def test_modules_carried_as_plain_strings_are_read_where_the_script_runs_text() -> None:
    script = f"source = {TRAINER!r}\nexec(source)\n"
    assert payloads(script) == [TRAINER]
    assert payloads(script, plain=False) == []


def test_a_docstring_with_an_example_is_no_program() -> None:
    prose = "How it works:\n\n    import this\n\n" + "One more sentence that explains. " * 80
    assert payloads(f'"""{prose}"""\nexec("1")\n') == []


def test_data_in_a_literal_is_no_program() -> None:
    table = base64.b85encode(zlib.compress(bytes(n * n % 251 for n in range(20_000)))).decode()
    assert payloads(f"TABLE = {table!r}\n") == []


def test_scripts_bundled_as_json_come_out_one_by_one() -> None:
    bundle = json.dumps({"a.py": TRAINER, "b.py": trainer("other"), "version": "1"}).encode()
    assert unpack.unpack(lzma.compress(bundle)) == [TRAINER, trainer("other")]


def test_ordinary_code_is_not_taken_for_a_payload() -> None:
    assert not unpack.is_dense(TRAINER)
    assert not unpack.executes("model.eval()\nprogram.exec(1)\ntorch.compile(model)\n")


@pytest.mark.parametrize("codec", CODECS)
def test_an_archive_bomb_is_stopped_early(codec: str) -> None:
    bomb = CODECS[codec](b"import os\n" * 300_000)
    with pytest.raises(unpack.Bomb, match="stopped there"):
        unpack.unpack(bomb)


def test_a_damaged_payload_holds_nothing() -> None:
    packed = bytearray(lzma.compress(TRAINER.encode()))
    packed[40:200] = bytes(160)
    assert unpack.unpack(bytes(packed)) == []


@given(st.binary(max_size=3_000))
def test_any_bytes_either_hold_python_or_do_not(data: bytes) -> None:
    for text in unpack.unpack(data):
        assert "import" in text or "def" in text or "class" in text or "from" in text
