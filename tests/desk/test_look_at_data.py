"""Data before it is trained on: each leak and each damage is found, and what cannot be seen is said (S93)."""

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.cli import main
from golf.desk.pipeline import checking, overlap
from golf.desk.pipeline.checked import DataCheck
from golf.measure import shards

BOS, VOCAB_SIZE, DOCUMENT = 1, 500, 90


def tokens(seed: int, documents: int = 40) -> np.ndarray:
    """Documents of DOCUMENT tokens, unlike those of every other seed."""
    drawn = np.random.default_rng(seed).integers(2, VOCAB_SIZE, size=(documents, DOCUMENT), dtype=np.uint16)
    drawn[:, 0] = BOS
    return drawn.ravel()


def shard(folder: Path, name: str, values: np.ndarray) -> Path:
    shards.write_shard(folder / name, values)
    return folder / name


def text(seed: int) -> str:
    """A document of some 300 characters, unlike every other."""
    drawn = np.random.default_rng(seed).integers(0, 10**6, size=50)
    return " ".join(f"w{one}" for one in drawn)


def jsonl(folder: Path, name: str, documents: list[str]) -> Path:
    path = folder / name
    path.write_text("".join(json.dumps({"text": one}) + "\n" for one in documents), encoding="utf-8")
    return path


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Two splits of shards and two of text, with nothing wrong."""
    shard(tmp_path, "fineweb_train_000000.bin", tokens(0))
    shard(tmp_path, "fineweb_train_000001.bin", tokens(1))
    shard(tmp_path, "fineweb_val_000000.bin", tokens(2))
    jsonl(tmp_path, "train.jsonl", [text(seed) for seed in range(30)])
    jsonl(tmp_path, "val.jsonl", [text(seed) for seed in range(100, 110)])
    return tmp_path


def codes(found: DataCheck) -> set[str]:
    return {one.code for one in found.troubles}


def states(found: DataCheck) -> dict[str, str]:
    return {one.name: one.state for one in found.checklist}


def test_s93_clean_data_passes_and_what_cannot_be_seen_is_said(clean: Path) -> None:
    found = checking.check(clean, vocab_size=VOCAB_SIZE)
    assert found.troubles == []
    assert found.is_clean
    said = states(found)
    assert {name for name, state in said.items() if state == "ok"} == {*checking.CODES}
    assert {name for name, state in said.items() if state == "not checked"} == {*checking.CANNOT}
    facts = {one.path: (one.split, one.documents, one.tokens) for one in found.files}
    assert facts["fineweb_val_000000.bin"] == ("validation", 40, 40 * DOCUMENT)
    assert facts["train.jsonl"] == ("train", 30, None)


def break_header(folder: Path) -> None:
    path = folder / "fineweb_val_000000.bin"
    path.write_bytes(path.read_bytes()[:-2])


def break_magic(folder: Path) -> None:
    path = folder / "fineweb_val_000000.bin"
    path.write_bytes(b"\0\0\0\0" + path.read_bytes()[4:])


def add_token(folder: Path) -> None:
    values = tokens(2).copy()
    values[777] = VOCAB_SIZE
    shard(folder, "fineweb_val_000000.bin", values)


def write_int32(folder: Path) -> None:
    tokens(7).astype("<i4").tofile(folder / "more_train.bin")


def write_odd(folder: Path) -> None:
    (folder / "more_train.bin").write_bytes(b"\1" * 2001)


def repeat_one(folder: Path) -> None:
    shard(folder, "fineweb_val_000000.bin", np.full(3_000, 5, dtype=np.uint16))


def empty_document(folder: Path) -> None:
    shard(folder, "fineweb_val_000000.bin", np.concatenate([[BOS], tokens(2)]).astype(np.uint16))


def skip_a_shard(folder: Path) -> None:
    (folder / "fineweb_train_000001.bin").rename(folder / "fineweb_train_000002.bin")


def leak_documents(folder: Path) -> None:
    shard(folder, "fineweb_val_000000.bin", np.concatenate([tokens(2), tokens(1)[DOCUMENT : 3 * DOCUMENT]]))


def leak_a_stretch(folder: Path) -> None:
    values = tokens(2, documents=8)
    values[100:179], values[300:380] = tokens(0)[5:84], tokens(0)[200:280]  # in the middle of documents
    shard(folder, "fineweb_val_000000.bin", values)


def duplicate(folder: Path) -> None:
    shard(folder, "fineweb_train_000001.bin", np.concatenate([tokens(1), tokens(0)[:DOCUMENT]]))


def same_file(folder: Path) -> None:
    (folder / "fineweb_val_000000.bin").write_bytes((folder / "fineweb_train_000000.bin").read_bytes())


def wrong_sidecar(folder: Path) -> None:
    shard(folder, "fineweb_val_bytes_000000.bin", np.ones(17, dtype=np.uint16))


def wrong_checksum(folder: Path) -> None:
    (folder / "manifest.json").write_text(json.dumps({"files": {"train.jsonl": hashlib.sha256(b"").hexdigest()}}))


def line(content: bytes) -> Callable[[Path], None]:
    def add(folder: Path) -> None:
        with open(folder / "val.jsonl", "ab") as file:
            file.write(content)

    return add


def leak_text(folder: Path) -> None:
    jsonl(folder, "val.jsonl", [text(100), text(3).upper().replace(" ", "  ") + "!"])


def leak_a_passage(folder: Path) -> None:
    jsonl(folder, "val.jsonl", [f"{text(100)} {text(3)} {text(101)}"])


def copy_text(folder: Path) -> None:
    jsonl(folder, "train.jsonl", [*[text(seed) for seed in range(30)], text(4)])


@pytest.mark.parametrize(
    "wound, code, question",
    [
        (break_header, "HEADER", "headers"),
        (break_magic, "HEADER", "headers"),
        (wrong_sidecar, "SIDECAR", "headers"),
        (wrong_checksum, "CHECKSUM", "headers"),
        (add_token, "TOKEN_RANGE", "tokenizer"),
        (write_int32, "DTYPE", "dtype"),
        (write_odd, "DTYPE", "dtype"),
        (repeat_one, "CONSTANT", "dtype"),
        (empty_document, "EMPTY", "empty"),
        (skip_a_shard, "GAP", "order"),
        (leak_documents, "LEAK_DOCUMENTS", "leakage"),
        (leak_a_stretch, "LEAK_STRETCHES", "leakage"),
        (same_file, "SAME_FILE", "leakage"),
        (leak_text, "LEAK_DOCUMENTS", "leakage"),
        (leak_a_passage, "LEAK_STRETCHES", "leakage"),
        (duplicate, "DUPLICATES", "duplicates"),
        (copy_text, "DUPLICATES", "duplicates"),
        (line(b"\xe9\n"), "NOT_UTF8", "encoding"),
        (line(b'{"text": "a", }\n'), "NOT_JSON", "encoding"),
        (line(b"[1]\n"), "NOT_JSON", "encoding"),
        (line(b'{"body": "x"}\n'), "NO_TEXT", "encoding"),
        (line('{"text": "a\ufffdb"}\n'.encode()), "REPLACEMENT", "encoding"),
        (line(b'{"text": "a\\u0000b"}\n'), "CONTROL", "encoding"),
        (line(b'{"text": "a"}\r\n'), "CRLF", "encoding"),
        (line(b'{"text": " "}\n'), "EMPTY", "empty"),
    ],
)
def test_s93_each_leak_and_damage_is_found(
    clean: Path, wound: Callable[[Path], None], code: str, question: str
) -> None:
    wound(clean)
    found = checking.check(clean, vocab_size=VOCAB_SIZE)
    assert code in codes(found)
    assert states(found)[question] == "found"
    for one in found.troubles:
        assert str(clean) not in one.text
        assert one.fix


def test_s93_a_leak_is_told_with_both_places_and_how_much_of_the_split_it_is(clean: Path) -> None:
    leak_documents(clean)
    (leak,) = [one for one in checking.check(clean).troubles if one.code == "LEAK_DOCUMENTS"]
    assert (leak.file, leak.place, leak.count) == ("fineweb_val_000000.bin", 40 * DOCUMENT, 2)
    assert "2 of 42 validation documents (4.76%) are in train too" in leak.text
    assert f"fineweb_train_000001.bin:{DOCUMENT}" in leak.text


def test_s93_an_id_beyond_the_vocabulary_is_told_by_its_place(clean: Path) -> None:
    add_token(clean)
    (found,) = [one for one in checking.check(clean, vocab_size=VOCAB_SIZE).troubles if one.code == "TOKEN_RANGE"]
    assert (found.place, found.count) == (777, 1)


def test_s93_bytes_the_other_way_round_are_recognised(tmp_path: Path) -> None:
    tokens(3).astype(">u2").tofile(tmp_path / "train.bin")
    (found,) = checking.check(tmp_path, vocab_size=VOCAB_SIZE).troubles
    assert "big-endian" in found.fix


def test_s93_without_names_vocabulary_or_document_marks_nothing_is_claimed(tmp_path: Path) -> None:
    """As nanoGPT writes its files, were they not called train and val."""
    tokens(3).tofile(tmp_path / "part.bin")
    (tmp_path / "meta.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    found = checking.check(tmp_path)
    said = states(found)
    for name in ("headers", "tokenizer", "encoding", "empty", "duplicates", "leakage"):
        assert said[name] == "not checked"
    assert found.not_read == {"meta.pkl": "a pickle: to load it could run code"}


def test_s93_seeds_and_sizes_in_names_are_no_gaps(tmp_path: Path) -> None:
    for name in ("log_seed42.txt", "log_seed1337.txt", "log_seed7.txt", "ctx8192.txt", "ctx2048.txt"):
        (tmp_path / name).write_text(text(hash(name) % 100) + "\n")
    assert "GAP" not in codes(checking.check(tmp_path))


@pytest.mark.parametrize(
    "numbers, missing", [((0, 1, 3), (2, 2)), ((1, 2, 3, 5), (4, 1)), ((0, 1, 2, 3, 4), None), ((1, 2, 3, 4, 5), None)]
)
def test_s93_a_name_that_says_how_many_files_there_are_is_held_to_it(
    tmp_path: Path, numbers: tuple[int, ...], missing: tuple[int, int] | None
) -> None:
    """`train-00003-of-00005.jsonl`, counted from 0 or from 1; the last one may be what is missing."""
    for number in numbers:
        jsonl(tmp_path, f"train-{number:05}-of-00005.jsonl", [text(number)])
    gaps = [one for one in checking.check(tmp_path).troubles if one.code == "GAP"]
    assert [one.count for one in gaps] == ([] if missing is None else [missing[1]])
    if missing is not None:
        assert f"number {missing[0]} is missing" in gaps[0].text


def test_s93_folders_that_were_not_walked_into_are_said(
    clean: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    jsonl(elsewhere, "test.jsonl", [text(3)])
    (clean / "linked").symlink_to(elsewhere)
    (clean / "locked").mkdir()
    listed = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path).name == "locked":  # who runs this may be root, whom nothing stops
            raise PermissionError(13, "Permission denied", str(path))
        return listed(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert checking.check(clean).not_read == {
        "linked": "a link to a folder: give it a check of its own",
        "locked": "cannot be read: Permission denied",
    }


@pytest.mark.parametrize("name", ["val.jsonl", "val.txt"])
def test_s93_a_file_without_a_document_is_an_error(clean: Path, name: str) -> None:
    (clean / name).write_bytes(b"")
    (found,) = checking.check(clean).troubles
    assert (found.code, found.severity, found.file) == ("EMPTY", "error", name)


def test_s93_what_could_not_be_opened_is_said_to_be_neither_of_headers_nor_of_ids(tmp_path: Path) -> None:
    (tmp_path / "train.bin").write_bytes(b"")
    said = {one.name: one for one in checking.check(tmp_path).checklist}
    assert (said["headers"].state, said["headers"].text) == ("not checked", "no tokens")
    assert (said["tokenizer"].state, said["tokenizer"].text) == ("not checked", "no tokens")
    assert said["dtype"].state == "found"


def test_s93_a_manifest_that_holds_is_said(clean: Path) -> None:
    sums = {"files": {"train.jsonl": hashlib.sha256((clean / "train.jsonl").read_bytes()).hexdigest()}}
    (clean / "manifest.json").write_text(json.dumps(sums))
    (headers,) = [one for one in checking.check(clean).checklist if one.name == "headers"]
    assert (headers.state, headers.text) == ("ok", "files are as manifest.json states; headers and sizes agree")


def test_s93_the_verb_answers_in_text_and_json_with_its_exit_code(
    clean: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "check", str(clean), "--vocab-size", str(VOCAB_SIZE)]) == 0
    shown = capsys.readouterr().out
    assert "check leakage: ok" in shown
    assert "check licence: not checked" in shown
    leak_documents(clean)
    assert main(["data", "check", str(clean), "--json"]) == 1
    assert "LEAK_DOCUMENTS" in codes(DataCheck.model_validate_json(capsys.readouterr().out))
    assert main(["data", "check", str(clean / "gone")]) == 2
    assert main(["data", "check", str(clean), "--vocab-size", "70000"]) == 2


def test_s93_the_tokenizer_gives_the_vocabulary(course: Path) -> None:
    (model,) = (course / "tokenizers").glob("*.model")
    (tokenizer,) = [one for one in checking.check(course, tokenizer=model).checklist if one.name == "tokenizer"]
    assert tokenizer.state == "ok"
    assert "of 1024" in tokenizer.text


# --- fingerprints


@given(
    values=st.lists(st.integers(0, 65_535), min_size=30, max_size=200),
    before=st.lists(st.integers(0, 65_535), max_size=50),
    after=st.lists(st.integers(0, 65_535), max_size=50),
)
def test_s93_a_stretch_has_the_same_fingerprints_wherever_it_stands(
    values: list[int], before: list[int], after: list[int]
) -> None:
    def prints(run: list[int]) -> set[int]:
        return {int(one) for hashes, _ in overlap.fingerprints(np.asarray(run, np.uint16), 20, 1) for one in hashes}

    assert prints(values) <= prints([*before, *values, *after])


@given(st.lists(st.integers(0, 3), min_size=20, max_size=120))
def test_s93_windows_have_the_same_fingerprint_only_when_they_are_the_same(values: list[int]) -> None:
    seen: dict[int, tuple[int, ...]] = {}
    for hashes, places in overlap.fingerprints(np.asarray(values, np.uint16), 6, 1):
        assert places.tolist() == list(range(len(values) - 5))
        for one, place in zip(hashes.tolist(), places.tolist(), strict=True):
            assert seen.setdefault(one, tuple(values[place : place + 6])) == tuple(values[place : place + 6])


def test_s93_chunks_and_thinner_samples_change_no_fingerprint(monkeypatch: pytest.MonkeyPatch) -> None:
    values = np.random.default_rng(1).integers(0, 1000, size=5_000)

    def prints(sampled: int) -> list[tuple[int, int]]:
        found = overlap.fingerprints(values, 64, sampled)
        return [pair for hashes, places in found for pair in zip(hashes.tolist(), places.tolist(), strict=True)]

    whole = prints(4)
    monkeypatch.setattr(overlap, "CHUNK", 701)
    assert prints(4) == whole
    assert set(prints(16)) < set(whole)
    assert len(whole) == pytest.approx(5_000 / 4, rel=0.2)
