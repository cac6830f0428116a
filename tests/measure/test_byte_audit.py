import io
import pydoc_data.topics
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import NotFound, UnreadableInput
from golf.measure import byte_audit, byte_counts
from golf.measure.byte_audit import audit_bytes, read_table, table_of
from golf.measure.byte_counts import SPACE, ByteTable

ODD = "the of and \u2581\ufffd \n\t😀👩\u200d🚀你好éß\u0301\u3000\x00"
TEXT = st.text(st.one_of(st.sampled_from(ODD), st.characters(codec="utf-8")), max_size=60)
PROSE = "\n".join(pydoc_data.topics.topics.values())[:80_000]


class Tokenizer:
    """A tokenizer trained for the test, and documents through it as a shard has them."""

    def __init__(self, folder: Path, prose: str = PROSE, **options) -> None:
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(prose.splitlines()),
            model_writer=model,
            vocab_size=1024,
            model_type="bpe",
            minloglevel=2,
            num_threads=1,
            **{"byte_fallback": True, **options},
        )
        self.path = folder / "tokenizer.model"
        self.path.write_bytes(model.getvalue())
        self.model = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
        self.table = byte_counts.table(self.path)

    def stream(self, *texts: str) -> np.ndarray:
        return np.array([token for text in texts for token in (self.model.bos_id(), *self.model.encode(text))])

    def changed(self, **arrays) -> ByteTable:
        """The right table with some of it replaced."""
        return replace(self.table, **arrays)


@pytest.fixture(scope="module")
def verbatim(tmp_path_factory) -> Tokenizer:
    """No normalisation: every character survives."""
    return Tokenizer(
        tmp_path_factory.mktemp("verbatim"), normalization_rule_name="identity", remove_extra_whitespaces=False
    )


@pytest.fixture(scope="module")
def usual(tmp_path_factory) -> Tokenizer:
    """SentencePiece's own normalisation, as the challenge's tokenizers."""
    return Tokenizer(tmp_path_factory.mktemp("usual"))


HARD = [
    "naïve 😀 the",
    "你好，世界 and",
    "a\ufffdb \ufffd",
    "a \u2581 b\u2581c",
    "  two  spaces ",
    "👩\u200d🚀\x00é\u0301",
]


@pytest.mark.parametrize("text", HARD)
def test_decoding_counts_hard_text_to_the_byte(verbatim, text):
    audit = audit_bytes(verbatim.path, verbatim.stream(text))
    assert audit.decoded_bytes == audit.challenge_bytes == len(text.replace(SPACE, " ").encode())
    assert (audit.verdict, audit.defects, audit.notes) == ("exact", [], [])


@given(texts=st.lists(TEXT, min_size=1, max_size=4), data=st.data())
def test_cuts_and_slices_lose_no_byte_anywhere(verbatim, texts, data):
    """Wherever the stream begins, even within a character, and however it is handed over."""
    stream = verbatim.stream("the", *texts, "the")
    start = data.draw(st.integers(0, len(stream) - 2))
    cut = data.draw(st.integers(start, len(stream)))
    audit = audit_bytes(verbatim.path, [stream[start:cut], stream[cut:]])
    assert audit.decoded_bytes == audit.challenge_bytes == verbatim.table.count(stream[start:-1], stream[start + 1 :])
    assert audit.num_tokens == len(stream) - start - 1


def test_a_document_longer_than_a_slice_counts_the_same(verbatim, monkeypatch):
    stream = verbatim.stream("".join(HARD) * 3, PROSE[:2000])
    whole = audit_bytes(verbatim.path, stream)
    for size in (1, 2, 7, 64):
        monkeypatch.setattr(byte_audit, "SLICE_TOKENS", size)
        assert audit_bytes(verbatim.path, stream) == whole


def spoil(tokenizer: Tokenizer, kind: str) -> ByteTable:
    """A table with one known mistake."""
    table, model = tokenizer.table, tokenizer.model
    base, leads = table.base_bytes.astype(int), table.has_leading_space
    is_byte = np.array([model.is_byte(token) for token in range(1024)])
    none = np.zeros(1024, dtype=bool)
    characters = np.array([len(model.id_to_piece(token).removeprefix(SPACE)) for token in range(1024)])
    return {
        "leading_space_twice": lambda: tokenizer.changed(base_bytes=base + leads),
        "leading_space_always": lambda: tokenizer.changed(base_bytes=base + leads, has_leading_space=none),
        "leading_space_never": lambda: tokenizer.changed(has_leading_space=none),
        "space_marker_as_3": lambda: tokenizer.changed(base_bytes=base + 3 * leads, has_leading_space=none),
        "byte_fallback": lambda: tokenizer.changed(base_bytes=np.where(is_byte, 3, base)),
        "constant_bytes": lambda: tokenizer.changed(
            base_bytes=np.where(table.is_boundary, 0, 3.5), has_leading_space=none
        ),
        "characters": lambda: tokenizer.changed(base_bytes=np.where(is_byte | table.is_boundary, base, characters)),
        "control_counted": lambda: tokenizer.changed(base_bytes=np.where(table.is_boundary, 3, base)),
        "boundary_not_seen": lambda: tokenizer.changed(is_boundary=none),
        "other": lambda: tokenizer.changed(base_bytes=np.where(leads, base + 7, base)),
    }[kind]()


KINDS = list(byte_audit.ByteDefect.model_fields["kind"].annotation.__args__)


@pytest.fixture(scope="module")
def accented(tmp_path_factory) -> Tokenizer:
    """A tokenizer with pieces that are not ASCII."""
    return Tokenizer(tmp_path_factory.mktemp("accented"), PROSE[:20_000].replace("e", "é"))


@pytest.mark.parametrize("kind", KINDS)
def test_each_known_mistake_is_named_alone_with_the_bytes_it_makes(accented, kind):
    stream = accented.stream(*PROSE[:4000].replace("e", "é").splitlines(), "😀 你")
    table = spoil(accented, kind)
    audit = audit_bytes(accented.path, stream, table, source="a script", claimed_bpb=1.0)
    (defect,) = audit.defects
    assert (audit.verdict, defect.kind) == ("miscounted", kind)
    assert defect.bytes == audit.counted_bytes - audit.challenge_bytes != 0
    assert defect.occurrences > 0
    assert defect.tokens > 0
    prev, tokens = stream[:-1], stream[1:]
    by_hand = table.base_bytes[tokens].sum() + (table.has_leading_space[tokens] & ~table.is_boundary[prev]).sum()
    assert audit.counted_bytes == round(float(by_hand))
    assert audit.corrected_bpb == pytest.approx(by_hand / audit.challenge_bytes)
    assert audit.decoded_bytes == audit.challenge_bytes


def test_a_space_counted_twice_shows_what_it_hid(usual):
    """The commonest invalid record: one byte more for every word."""
    stream = usual.stream(PROSE[:20_000])
    audit = audit_bytes(usual.path, stream, spoil(usual, "leading_space_twice"), claimed_bpb=0.95)
    words = int(usual.table.has_leading_space[stream].sum())
    assert audit.counted_bytes - audit.decoded_bytes == words
    assert audit.corrected_bpb == pytest.approx(0.95 * (1 + words / audit.decoded_bytes))
    assert audit.tokens_per_byte == pytest.approx(audit.num_tokens / audit.decoded_bytes)


@given(kinds=st.sets(st.sampled_from(["leading_space_twice", "byte_fallback", "control_counted", "boundary_not_seen"])))
def test_several_mistakes_add_up_to_the_difference(verbatim, kinds):
    tables = [spoil(verbatim, kind) for kind in kinds]
    base = verbatim.table.base_bytes.astype(int)
    table = verbatim.changed(
        base_bytes=base + sum(spoiled.base_bytes.astype(int) - base for spoiled in tables),
        is_boundary=np.logical_and.reduce([verbatim.table.is_boundary, *(table.is_boundary for table in tables)]),
    )
    audit = audit_bytes(verbatim.path, verbatim.stream("the cat 😀", "the dog"), table)
    assert {defect.kind for defect in audit.defects} == kinds
    assert sum(defect.bytes for defect in audit.defects) == audit.counted_bytes - audit.challenge_bytes


def test_a_mistake_that_the_text_does_not_have_is_told_and_changes_nothing(verbatim):
    audit = audit_bytes(verbatim.path, verbatim.stream("the cat"), spoil(verbatim, "byte_fallback"))
    assert audit.verdict == "exact"
    assert [(defect.kind, defect.bytes) for defect in audit.defects] == [("byte_fallback", 0)]


def test_a_tokenizer_that_folds_case_is_lossy_and_leaves_no_score(tmp_path):
    folded = Tokenizer(tmp_path, normalization_rule_name="nmt_nfkc_cf")
    audit = audit_bytes(folded.path, folded.stream("The Cat"), claimed_bpb=1.0)
    assert (audit.verdict, audit.corrected_bpb) == ("lossy", None)
    assert any(loss.startswith("the case of letters: 'Aa ÉÖ' comes back as 'aa éö'") for loss in audit.lost)
    assert "bytes of the original are needed" in audit.notes[0]


def test_the_usual_normalisation_is_told_and_no_fault(usual):
    audit = audit_bytes(usual.path, usual.stream("The Cat"), claimed_bpb=1.0)
    assert (audit.verdict, audit.corrected_bpb) == ("exact", 1.0)
    assert {loss.split(":")[0] for loss in audit.lost} <= set(byte_audit.USUAL_LOSSES)
    assert audit.lost


def test_without_byte_fallback_unknown_text_is_lost(tmp_path):
    tokenizer = Tokenizer(tmp_path, byte_fallback=False)
    audit = audit_bytes(tokenizer.path, tokenizer.stream("a你b"))
    assert audit.verdict == "lossy"
    assert audit.decoded_bytes == audit.challenge_bytes == len("ab")


def test_where_the_challenges_own_count_differs_it_is_told(tmp_path):
    tokenizer = Tokenizer(tmp_path, remove_extra_whitespaces=False, allow_whitespace_only_pieces=True)
    audit = audit_bytes(tokenizer.path, tokenizer.stream("if x:        return"))
    assert audit.decoded_bytes == len("if x:        return")
    assert audit.challenge_bytes > audit.decoded_bytes
    assert f"counts {audit.challenge_bytes - audit.decoded_bytes} bytes more" in audit.notes[0]
    assert audit.verdict == "exact"


def save(path: Path, **arrays) -> Path:
    np.savez(path, **arrays)
    return path


def test_a_table_beside_a_script_is_read_without_pickles(tmp_path, verbatim):
    table = verbatim.table
    path = save(
        tmp_path / "meta.npz",
        base_bytes=table.base_bytes,
        has_leading_space=table.has_leading_space,
        is_boundary_token=table.is_boundary,
        tokenizer_kind=np.array("sentencepiece"),
    )
    read = read_table(path)
    assert audit_bytes(verbatim.path, verbatim.stream(*HARD), read).verdict == "exact"
    shorter = table_of({"base_bytes": table.base_bytes[:500]})
    assert audit_bytes(verbatim.path, verbatim.stream(*HARD), shorter).verdict == "miscounted"


@pytest.mark.parametrize(
    "arrays",
    [
        {},
        {"base_bytes": np.ones((2, 2))},
        {"base_bytes": np.array(["a"])},
        {"base_bytes": np.array([np.nan])},
        {"base_bytes": np.array([1e300])},
        {"base_bytes": np.array([-1])},
        {"base_bytes": np.zeros(0)},
        {"base_bytes": np.ones(70_000)},
        {"base_bytes": np.ones(4), "has_leading_space": np.ones(3, dtype=bool)},
        {"base_bytes": np.array([object()])},
    ],
)
def test_what_is_no_table_is_an_error(tmp_path, arrays):
    with pytest.raises(UnreadableInput):
        read_table(save(tmp_path / "meta.npz", **arrays))


def test_a_file_that_only_looks_like_a_table_is_an_error(tmp_path):
    with pytest.raises(NotFound):
        read_table(tmp_path / "none.npz")
    (tmp_path / "text.npz").write_bytes(b"hello")
    with pytest.raises(UnreadableInput):
        read_table(tmp_path / "text.npz")
    with zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("base_bytes.npy", bytes(byte_audit.TABLE_BYTES_MAX + 1))
    with pytest.raises(UnreadableInput, match="unpacks to over"):
        read_table(tmp_path / "bomb.npz")
    with zipfile.ZipFile(tmp_path / "bad.npz", "w") as archive:
        archive.writestr("base_bytes.npy", b"\x93NUMPY junk")
    with pytest.raises(UnreadableInput):
        read_table(tmp_path / "bad.npz")


def test_tokens_of_another_tokenizer_and_streams_without_text_are_errors(verbatim):
    with pytest.raises(UnreadableInput, match="the tokenizer has 1024 pieces"):
        audit_bytes(verbatim.path, np.array([1, 1024]))
    for stream in (np.array([5]), np.array([1, 1, 1]), np.zeros(0, dtype=np.uint16)):
        with pytest.raises(UnreadableInput, match="nothing to count"):
            audit_bytes(verbatim.path, stream)
