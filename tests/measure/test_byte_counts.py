import io
import itertools
import os
import pydoc_data.topics
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import NotFound, UnreadableInput
from golf.measure import byte_counts
from golf.measure.byte_counts import ByteTable


@dataclass
class Tokenizer:
    path: Path
    model: sentencepiece.SentencePieceProcessor
    table: ByteTable

    def ids(self, text: str) -> np.ndarray:
        """BOS and the pieces of `text`, as a document in a shard."""
        return np.array([self.model.bos_id(), *self.model.encode(text)])

    def count(self, ids: np.ndarray) -> int:
        return self.table.count(ids[:-1], ids[1:])


def train(folder: Path, **options) -> Tokenizer:
    lines = "\n".join(pydoc_data.topics.topics.values())[:80_000].splitlines()
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        vocab_size=1024,
        model_type="bpe",
        minloglevel=2,
        num_threads=1,
        **{"byte_fallback": True, **options},
    )
    path = folder / "tokenizer.model"
    path.write_bytes(model.getvalue())
    return Tokenizer(path, sentencepiece.SentencePieceProcessor(model_proto=model.getvalue()), byte_counts.table(path))


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Tokenizer:
    """SentencePiece's own normalisation (NFKC, spaces collapsed), as the challenge's tokenizers."""
    return train(tmp_path_factory.mktemp("plain"))


@pytest.fixture(scope="module")
def verbatim(tmp_path_factory) -> Tokenizer:
    """No normalisation: every character of the text survives, spaces at the ends and in runs too."""
    return train(
        tmp_path_factory.mktemp("verbatim"), normalization_rule_name="identity", remove_extra_whitespaces=False
    )


ODD = "the of and \u2581\ufffd \n\t😀👩\u200d🚀你好éß\u0301\u3000\x00"
TEXT = st.text(st.one_of(st.sampled_from(ODD), st.characters(codec="utf-8")), max_size=60)


@given(text=TEXT)
def test_counts_after_bos_add_up_to_the_bytes_of_the_decoded_text(plain, verbatim, text):
    for tokenizer in (plain, verbatim):
        ids = tokenizer.ids(text)
        assert tokenizer.count(ids) == len(tokenizer.model.decode(ids[1:].tolist()).encode())


@pytest.mark.parametrize("text", ["naïve 😀", "你好 world", "a\ufffdb", "  two  spaces ", "line\nbreak", "👩\u200d🚀"])
def test_a_verbatim_tokenizer_counts_every_byte_of_the_text(verbatim, text):
    assert verbatim.count(verbatim.ids(text)) == len(text.encode())


def test_a_lower_block_in_the_text_counts_as_the_space_it_is_taken_for(verbatim):
    """SentencePiece writes spaces as U+2581, so it cannot tell one in the text from a space."""
    assert verbatim.count(verbatim.ids("a\u2581b")) == len("a b")


@given(texts=st.lists(TEXT, min_size=1, max_size=4))
def test_documents_after_one_another_count_what_each_counts(plain, texts):
    each = [plain.ids(text) for text in texts]
    assert plain.count(np.concatenate(each)) == sum(plain.count(ids) for ids in each)


def test_a_leading_space_counts_only_after_text(plain):
    """The challenge's rule; a 1 added for every leading space as well is its commonest invalid record."""
    the = plain.model.piece_to_id("\u2581the")
    boundaries = (plain.model.bos_id(), plain.model.eos_id(), plain.model.unk_id())
    assert plain.count(np.array([the, the])) == 4
    assert [plain.count(np.array([boundary, the])) for boundary in boundaries] == [3, 3, 3]


def test_a_byte_token_is_one_byte_and_a_control_token_none(plain):
    model, table = plain.model, plain.table
    assert {int(table.base_bytes[i]) for i in range(1024) if model.is_byte(i)} == {1}
    assert {int(table.base_bytes[i]) for i in (model.bos_id(), model.eos_id(), model.unk_id())} == {0}
    assert table.is_boundary.sum() == 3


def test_unknown_tokens_count_nothing_without_byte_fallback(tmp_path):
    tokenizer = train(tmp_path, byte_fallback=False)
    assert tokenizer.model.unk_id() in tokenizer.ids("a你b")
    assert tokenizer.count(tokenizer.ids("a你b")) == len("ab")


def test_a_space_inside_a_piece_counts_three_bytes_as_the_challenge_has_it(tmp_path):
    tokenizer = train(tmp_path, remove_extra_whitespaces=False, allow_whitespace_only_pieces=True)
    ids = tokenizer.ids("if x:        return")
    inner = sum(tokenizer.model.id_to_piece(i)[1:].count("\u2581") for i in ids[1:].tolist())
    decoded = tokenizer.model.decode(ids[1:].tolist())
    assert inner > 0
    assert tokenizer.table.inner_spaces > 0
    assert tokenizer.count(ids) == len(decoded.encode()) + 2 * inner


def test_a_larger_vocabulary_adds_boundaries_of_no_bytes(plain):
    table = byte_counts.table(plain.path, vocab_size=1100)
    assert table.vocab_size == 1100
    assert table.is_boundary[1024:].all()
    assert not table.base_bytes[1024:].any()


@pytest.mark.parametrize("size", [byte_counts._CHUNK - 1, byte_counts._CHUNK, byte_counts._CHUNK + 1, 300_000])
def test_chunks_do_not_show(size):
    """Counted in one go, with plain indexing, the number is the same; boundaries fall on chunk edges too."""
    rng = np.random.default_rng(size)
    table = ByteTable(rng.integers(0, 16, 1024), rng.random(1024) < 0.4, rng.random(1024) < 0.3)
    ids = rng.integers(0, 1024, size + 1).astype(np.uint16)
    prev, tokens = ids[:-1], ids[1:]
    spaces = table.has_leading_space[tokens] & ~table.is_boundary[prev]
    assert table.count(prev, tokens) == table.base_bytes[tokens].sum() + spaces.sum()


@given(
    st.integers(1, 40).flatmap(
        lambda size: st.tuples(
            st.lists(st.integers(0, 2_000) | st.just(65_534), min_size=size, max_size=size),
            st.lists(st.booleans(), min_size=size, max_size=size),
            st.lists(st.booleans(), min_size=size, max_size=size),
            st.lists(st.integers(0, size - 1), min_size=1, max_size=300),
        )
    )
)
def test_any_table_counts_as_the_challenge_does_token_by_token(drawn):
    base, space, boundary, stream = drawn
    table = ByteTable(np.array(base), np.array(space), np.array(boundary))
    expected = sum(base[now] + (space[now] and not boundary[before]) for before, now in itertools.pairwise(stream))
    ids = np.array(stream, dtype=np.uint16)
    assert table.count(ids[:-1], ids[1:]) == expected
    assert table.count(ids[:-1].astype(np.int64), ids[1:].astype(np.int64)) == expected


def test_several_threads_count_what_one_counts(monkeypatch):
    monkeypatch.setattr(byte_counts, "_CHUNK", 1_000)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2}, raising=False)
    chance = np.random.default_rng(0)
    table = ByteTable(chance.integers(0, 20, 64), chance.random(64) < 0.4, chance.random(64) < 0.1)
    stream = chance.integers(0, 64, 50_001).astype(np.uint16)
    before, now = stream[:-1], stream[1:]
    expected = table.base_bytes[now].sum() + (table.has_leading_space[now] & ~table.is_boundary[before]).sum()
    assert table.count(before, now) == expected
    stream[40_000] = 64
    with pytest.raises(UnreadableInput, match="token id 64"):
        table.count(before, now)


def test_a_table_that_16_bits_cannot_hold_is_an_error_and_flags_of_any_type_are_flags():
    ids = np.array([1, 0, 1], dtype=np.uint16)
    for base in ([1, 65_535], [1, 70_000], [1, -3]):
        with pytest.raises(UnreadableInput, match="byte table gives a token"):
            ByteTable(np.array(base), np.array([True, True]), np.array([False, False])).count(ids[:-1], ids[1:])
    chance = np.random.default_rng(0)
    space, boundary = chance.random(64) < 0.4, chance.random(64) < 0.4
    base, stream = chance.integers(0, 9, 64), chance.integers(0, 64, 500)
    tables = [ByteTable(base, space.astype(kind), boundary.astype(kind)) for kind in (bool, "u1")]
    assert len({table.count(stream[:-1], stream[1:]) for table in tables}) == 1


@pytest.mark.parametrize("ids", [np.zeros((2, 2), int), np.array(3), np.zeros(4), np.zeros(4, bool)])
def test_what_is_no_row_of_integers_is_an_error(plain, ids):
    with pytest.raises(UnreadableInput, match="one row of integers"):
        plain.table.count(ids, ids)


def test_a_token_beyond_the_tokenizer_is_an_error(plain):
    with pytest.raises(UnreadableInput, match="token id 1024 is out of range for this tokenizer's 1024 pieces"):
        plain.table.count(np.array([5]), np.array([1024]))
    with pytest.raises(UnreadableInput, match="token id 65535"):
        plain.table.count(np.array([65_535], dtype=np.uint16), np.array([3], dtype=np.uint16))
    with pytest.raises(UnreadableInput, match="token id -1"):
        plain.table.count(np.array([5]), np.array([-1]))


def test_each_token_needs_its_predecessor(plain):
    with pytest.raises(UnreadableInput, match="1 preceding tokens for 2 tokens"):
        plain.table.count(np.array([5]), np.array([5, 6]))


def test_a_file_that_is_no_tokenizer_is_an_error(tmp_path):
    with pytest.raises(NotFound, match="golf data fineweb"):
        byte_counts.table(tmp_path / "none.model")
    for content in (b"not a model", b""):
        (tmp_path / "bad.model").write_bytes(content)
        with pytest.raises(UnreadableInput, match="not a SentencePiece model"):
            byte_counts.table(tmp_path / "bad.model")
