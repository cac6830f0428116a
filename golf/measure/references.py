"""What plain compressors reach on the text a model is scored on: lines to read a score against.

The validation shard is decoded back to text, and unigram (order-0 byte entropy), gzip, zstd-22 and
lzma are measured on it, in bits per byte. A model above these lines has not learned to model text.
Needs sentencepiece and numpy; called from job processes.
"""

import hashlib
import json
from pathlib import Path

from golf import durable
from golf.errors import MissingPackage
from golf.measure import shards

SAMPLE_TOKENS = 400_000
"""At most this many tokens are decoded: lzma and zstd-22 take minutes on a whole FineWeb split."""


def validation_text(data: Path, tokenizer: Path, max_tokens: int = SAMPLE_TOKENS) -> bytes:
    """The first `max_tokens` of the validation split, decoded to UTF-8.

    Raises:
        NotFound: there are no validation shards.
        MissingPackage: sentencepiece is not installed.
    """
    try:
        import sentencepiece
    except ImportError:
        raise MissingPackage("sentencepiece is not installed. Install it: pip install sentencepiece") from None
    model = sentencepiece.SentencePieceProcessor(model_file=str(tokenizer))
    pieces, left = [], max_tokens
    for shard in shards.find_shards(data, "val"):
        ids = shards.tokens(shard)[:left]
        pieces.append(model.decode(ids.tolist()))
        left -= len(ids)
        if left <= 0:
            break
    return "".join(pieces).encode()


def reference_bpb(data: Path, tokenizer: Path, cache: Path) -> dict[str, float]:
    """Bits per byte by compressor on the validation text, remembered in `cache` by the text's hash."""
    from golf.measure import codecs

    text = validation_text(data, tokenizer)
    remembered = cache / f"references-{hashlib.sha256(text).hexdigest()[:16]}.json"
    if not remembered.exists():
        durable.replace_json(remembered, codecs.reference_bpb(text))
    return {str(key): float(value) for key, value in json.loads(remembered.read_text()).items()}
