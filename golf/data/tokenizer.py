"""A SentencePiece BPE like the challenge's, and documents as tokens.

Nothing is lost: no normalisation, no prefix, runs of spaces kept, byte fallback for whatever has no piece; decoding
gives back every document to the byte. And nothing is miscounted by the challenge's byte rule, which takes off one
leading `▁` from a piece and counts the rest as text: no piece may therefore hold a second `▁`, and a run of spaces
costs one token per space. A newline has no piece either; it is one byte token. U+2581 itself, which SentencePiece
writes for a space, goes through bytes as well.
"""

import io
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from golf import durable
from golf.errors import BadConfig, MissingPackage, NotFound, UnreadableInput

if TYPE_CHECKING:
    from sentencepiece import SentencePieceProcessor

SPACE_MARK = "▁"
PAD_ID, BOS_ID, EOS_ID, UNK_ID = range(4)
"""The challenge's control ids. A shard's documents each start with BOS; EOS is not written."""
VOCAB_SIZE_MIN = 4 + 256 + 128
"""Controls, bytes, and room for the characters of English text."""


def train_tokenizer(documents: Iterable[str], path: Path, vocab_size: int = 1024) -> Path:
    """Train a BPE of `vocab_size` pieces on `documents` and write it to `path`, atomically.

    The same documents give the same bytes. Memory grows with the text: meant for megabytes, not for FineWeb.

    Raises:
        BadConfig: `vocab_size` is too small for bytes and letters, or too large for the text or for uint16.
        MissingPackage: sentencepiece is not installed.
    """
    if not VOCAB_SIZE_MIN <= vocab_size <= 65_536:
        raise BadConfig(
            f"vocab_size is {vocab_size}; a byte-fallback BPE needs at least {VOCAB_SIZE_MIN}, "
            "and a shard's uint16 tokens allow at most 65536"
        )
    sentencepiece = _sentencepiece()
    model = io.BytesIO()  # not model_prefix: the trainer would write the folder's name into the model
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_lines(documents),
            model_writer=model,
            model_type="bpe",
            vocab_size=vocab_size,
            byte_fallback=True,
            character_coverage=0.9995,
            split_digits=True,
            normalization_rule_name="identity",
            add_dummy_prefix=False,
            remove_extra_whitespaces=False,
            max_sentence_length=1 << 20,  # the default drops longer lines without a word
            num_threads=1,
            pad_id=PAD_ID,
            bos_id=BOS_ID,
            eos_id=EOS_ID,
            unk_id=UNK_ID,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:  # its C++ checks, e.g. more pieces than the text has pairs
        raise BadConfig(
            f"a tokenizer of {vocab_size} pieces could not be trained on this text: {error}. "
            "Give more text or a smaller vocab_size"
        ) from error
    durable.replace(path, model.getvalue())
    return path


def load_tokenizer(path: Path) -> "SentencePieceProcessor":
    """The SentencePiece model in `path`.

    Raises:
        NotFound: there is no such file.
        UnreadableInput: it is not a SentencePiece model.
        MissingPackage: sentencepiece is not installed.
    """
    sentencepiece = _sentencepiece()
    if not path.is_file():
        raise NotFound(f"there is no tokenizer {path}. Fetch one: golf data fineweb; or make one: golf data pydocs")
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise UnreadableInput(f"{path} is not a SentencePiece model: {error}") from error


def encode(text: str, tokenizer: "SentencePieceProcessor") -> np.ndarray:
    """The tokens of `text`, uint16, without BOS; `decode` inverts it for every text that UTF-8 can hold."""
    mark = [tokenizer.piece_to_id(f"<0x{byte:02X}>") for byte in SPACE_MARK.encode()]
    first, *rest = tokenizer.encode(text.split(SPACE_MARK))
    for part in rest:
        first += mark + part
    return np.array(first, dtype=np.uint16)


def decode(tokens: np.ndarray, tokenizer: "SentencePieceProcessor") -> str:
    """The text that `tokens` stand for; control tokens stand for nothing."""
    return tokenizer.decode(tokens.tolist())


def encode_documents(documents: Iterable[str], tokenizer: "SentencePieceProcessor") -> Iterator[np.ndarray]:
    """Each document as uint16 tokens with BOS before it: what a shard is made of."""
    bos = np.array([tokenizer.bos_id()], dtype=np.uint16)
    for document in documents:
        yield np.concatenate([bos, encode(document, tokenizer)])


def _lines(documents: Iterable[str]) -> Iterator[str]:
    """Training sentences: a newline never becomes part of a piece."""
    for document in documents:
        yield from (line for line in document.split("\n") if line)


def _sentencepiece():
    try:
        import sentencepiece
    except ImportError as error:
        raise MissingPackage("sentencepiece is not installed. Install it: pip install sentencepiece") from error
    return sentencepiece
