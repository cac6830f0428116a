"""Which techniques of the catalogue a text speaks of, each with the sentence that does.

The referee's own recogniser reads it: what a text denies ("without EMA"), or lists as failed, planned or done by
others under such a heading, it does not speak of.
"""

import re
from collections.abc import Iterable

from golf.referee import techniques
from golf.referee.texts import TextFile
from golf.research import foreign

_SENTENCE_END = re.compile(r"(?<=[.!?;]) ")


def mentioned(text: str) -> dict[str, str]:
    """Technique → the sentence that first names it, in at most 120 characters.

    Where a narrower technique is named (`gptq_int6`), the wider one it belongs to (`gptq`) is left out.
    """
    lines = _SENTENCE_END.sub("\n", foreign.clean(text[: foreign.TEXT_CHARS_MAX]))
    found = dict(techniques.claimed(TextFile("text", lines)))
    return {id: foreign.line(found[id].quote, 120) for id in narrowest(found)}


def narrowest(ids: Iterable[str]) -> list[str]:
    """These techniques without those that another one of them belongs to, each once, in their order."""
    known = techniques.catalogue()
    ids = list(dict.fromkeys(ids))
    wider = {wide for id in ids for wide in techniques.with_parents(known[id].parents)}
    return [id for id in ids if id not in wider]
