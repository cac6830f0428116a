"""What a text says of size: a model's parameters, an artifact's bytes.

Numbers of a part, of what others made, or of what is allowed are none of the item's size.
"""

import re
from collections.abc import Iterator

from golf.research.statements import FLAGS, GAP, N, Stated, clause, number, stated

_PARAMETERS = re.compile(
    rf"(?<![\w.,$+]){N} ?(K|M|B|T|thousand|million|billion)?[ -]?param(?:s\b|eters?\b(?![ -]golf))", FLAGS
)
_MODEL = re.compile(
    r"(?<![\w.,$+-])(\d{1,4}(?:\.\d{1,3})?)([MB])[ -](?:[\w-]{1,20} )?"
    r"(?:model|LLM|LM|GPT|transformer|network|checkpoint|regime|scale)s?\b"
)
_NAMED = re.compile(r"\b([A-Za-z][\w.]{1,20})-(\d{1,4}(?:\.\d{1,3})?)([MB])\b(?![ -]?(?:token|doc|byte|word|sample))")
_DATA = re.compile(r"(?:web|pile|text|data|mix|edu|corpus|c4|pajama)$", re.IGNORECASE)
"""How the name of a data set ends: `FineWeb-10B` is no model."""

_OF_A_PART = re.compile(
    r"\b(?:add|extra|additional|overhead|embed|module|adapter|combiner|head|gate|lora|predictor|freed|updat|adapts|trainable"
    r"|per (?:block|layer|head|added)|each (?:block|layer))",
    FLAGS,
)
"""What speaks of some of a model's parameters; right before their number, or right behind it."""

MODEL_PARAMS_MIN = 1e6
"""Fewer are a part of a model: the challenge's smallest have several million."""

_ARTIFACT = re.compile(
    rf"(?:artifact|submission size|total size|compressed size){GAP}{{0,40}}?(?<![\w.,+−-]){N} ?(MiB|MB|bytes)\b"
    rf"|(?<![\w.,+−-]){N} ?(MiB|MB|bytes)"
    rf" (?:(?:compressed )?artifact|of (?:(?!raw|fp|bf|uncompressed)[\w-]{{1,12}} ){{0,2}}weights)"
    rf"|\bweights (?:take|need|are|total|weigh|come to|of) (?:about |roughly |~)?{N} ?(MiB|MB|bytes)\b",
    FLAGS,
)
_OVER = re.compile(
    rf"\b(?:artifact|submission){GAP}{{0,30}}? (?:is|was|are) [*~]{{0,3}}{N} (MB|KB|bytes)[*]{{0,2}}"
    rf" (?:\([^)]{{0,20}}\) )?over the {N}[ -]?(MiB|MB|bytes?)\b",
    FLAGS,
)
"""By how much it is over what is allowed."""

_ALLOWANCE = re.compile(r"limit|cap\b|budget|under|below|max|within|at most|fits|constraint|[<≤]", FLAGS)
_ALLOWED = re.compile(
    r" ?(?:artifact )?(?:limit|cap\b|budget|constraint|max)"
    r"|[ *`]{0,4}(?:\([^)]{0,12}\) )?(?:over|above|below|under|less|smaller|larger|headroom|saved|of headroom)\b",
    FLAGS,
)
_THE_CAP = (16e6, 16 * 2**20)
"""`16 MB` names what the challenge allows, and is no measured size."""

_OF_OTHERS = re.compile(
    r"(?:\b(?:original|parent|base|baseline|prior|previous|sota|merged|target|their|vs\.?|versus|against|compared)\b"
    r"[^|.;\n]{0,20}|#\d{1,6}(?:['’]s)?[^|.;\n]{0,12}"
    r"|\b(?:config|variant|run|seed|arm|option|row)[ #]{0,2}\w{1,8}(?:['’]s)?[ :*]{0,4})$",
    FLAGS,
)
"""Right before a size: it is another submission's, or one of several."""

_BYTES = {"mib": 2**20, "mb": 1e6, "kb": 1e3, "bytes": 1, "byte": 1}
_SCALE = {"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "b": 1e9, "billion": 1e9, "t": 1e12}


def parameters(text: str) -> Iterator[Stated]:
    """Of whole models."""
    for match in _PARAMETERS.finditer(text):
        count = number(match[1]) * _SCALE.get((match[2] or "").lower(), 1)
        if count >= MODEL_PARAMS_MIN and not _is_part(text, match):
            yield stated(text, match, count)
    for match in _MODEL.finditer(text):
        yield stated(text, match, float(match[1]) * _SCALE[match[2].lower()])
    for match in _NAMED.finditer(text):
        if not _DATA.search(match[1]):
            yield stated(text, match, float(match[2]) * _SCALE[match[3].lower()])


def _is_part(text: str, match: re.Match[str]) -> bool:
    start, words = clause(text, match, 32)
    return bool(
        _OF_A_PART.search(words[: match.start() - start]) or _OF_A_PART.search(words[match.end() - start :][:16])
    )


def artifact_bytes(text: str) -> Iterator[Stated]:
    """Of a whole artifact, or of its weights."""
    for match in _ARTIFACT.finditer(text):
        digits, unit = next((match[at], match[at + 1]) for at in (1, 3, 5) if match[at])
        size = number(digits) * _BYTES[unit.lower()]
        is_rule = size in _THE_CAP or _ALLOWANCE.search(match[0]) or _ALLOWED.match(text, match.end())
        if not is_rule and not _OF_OTHERS.search(text[max(0, match.start() - 40) : match.start()]):
            yield stated(text, match, size)
    for match in _OVER.finditer(text):
        if not _OF_OTHERS.search(text[max(0, match.start() - 40) : match.start(1)]):
            size = number(match[1]) * _BYTES[match[2].lower()] + number(match[3]) * _BYTES[match[4].lower()]
            yield stated(text, match, size)
