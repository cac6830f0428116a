"""What is known about a value while a script is walked: a set of tags."""

from typing import Any, Literal, NamedTuple

TagKind = Literal["data", "cut", "loop", "upto", "from", "net", "uses", "adapted", "loss"]


class Tag(NamedTuple):
    """One thing known about a value."""

    kind: TagKind
    """data: text of a split; cut: one particular slice of it; loop: chosen by that loop's variable; upto, from: a slice
    that ends or begins at a named place; net: a handle on weights or an object; uses: computed with those weights;
    adapted: computed with weights after that update; loss: computed in that forward."""
    key: Any


Tags = frozenset[Tag]
NOTHING: Tags = frozenset()
VAL = Tag("data", "val")
TRAIN = Tag("data", "train")


def keys(tags: Tags, *kinds: TagKind) -> frozenset[Any]:
    """What the tags of these kinds are about."""
    return tags and frozenset(tag.key for tag in tags if tag.kind in kinds)


def only(tags: Tags, *kinds: TagKind) -> Tags:
    """The tags of these kinds."""
    return tags and frozenset(tag for tag in tags if tag.kind in kinds)


def without(tags: Tags, *kinds: TagKind) -> Tags:
    """The tags of other kinds."""
    return tags and frozenset(tag for tag in tags if tag.kind not in kinds)


def is_text(tags: Tags) -> bool:
    """Whether a value is text of a split, or computed from it."""
    return VAL in tags or TRAIN in tags
