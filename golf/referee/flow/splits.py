"""Which text a name or a path holds: validation, training, or none that it tells."""

import ast
import re
from fnmatch import fnmatchcase
from functools import lru_cache

from golf.referee.flow.tags import NOTHING, TRAIN, VAL, Tags

VAL_NAME = re.compile(
    r"(?:^|_)(?:val|valid|validation)_(?:files?|glob|pattern|paths?|shards?|tokens?|toks?|data|docs?|dataset|bin|ids|stream"
    r"|loader|text|seqs?)(?:$|_)",
    re.IGNORECASE,
)
TRAIN_NAME = re.compile(
    r"(?:^|_)(?:train|training)_(?:files?|glob|pattern|paths?|shards?|tokens?|toks?|data|docs?|dataset|bin|ids|stream"
    r"|loader|text)(?:$|_)",
    re.IGNORECASE,
)
VAL_TEXT = re.compile(r"fineweb_val|(?:^|[/_])val(?:id|idation)?(?:_?\*|/|[\w*]*\.bin)")
TRAIN_TEXT = re.compile(r"fineweb_train|(?:^|[/_])train(?:ing)?(?:_?\*|/|[\w*]*\.bin)")
BOTH = frozenset((VAL, TRAIN))
SHARDS = {VAL: "fineweb_val_000000.bin", TRAIN: "fineweb_train_000001.bin"}
"""What a glob is tried on."""
PATH_CHARS_MAX = 300
"""A longer text is no path."""


@lru_cache(maxsize=4096)
def split_of_name(name: str) -> Tags:
    """What a name alone says of the text it holds."""
    if VAL_NAME.search(name):
        return frozenset((VAL,))
    return frozenset((TRAIN,)) if TRAIN_NAME.search(name) else NOTHING


def split_of_text(text: str) -> Tags:
    """What a path or glob says of the text behind it."""
    if len(text) > PATH_CHARS_MAX:
        return NOTHING
    if VAL_TEXT.search(text):
        return frozenset((VAL,))
    if TRAIN_TEXT.search(text):
        return frozenset((TRAIN,))
    last = text.rpartition("/")[2]
    if not (last.endswith(".bin") or last.startswith("fineweb")) or not any(sign in last for sign in "*?["):
        return NOTHING
    return frozenset(tag for tag, shard in SHARDS.items() if fnmatchcase(shard, last))


def split_of_texts(node: ast.expr | None) -> Tags:
    """What the texts spelled out in an expression say."""
    constants = (inner.value for inner in ast.walk(node) if isinstance(inner, ast.Constant)) if node is not None else ()
    return frozenset().union(*(split_of_text(value) for value in constants if isinstance(value, str)))
