"""What providers and their programs say, fit to be shown: in one line, printable, short, and without our keys."""

import os
import re

CHARS_MAX = 300

_COLOUR = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_TOKEN = re.compile(r"\bhf_\w+")
_QUERY = re.compile(r"\?\S+")
"""Of a signed address."""
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")
"""In the name of a variable whose value is shown to nobody."""
SECRET_CHARS_MIN = 8
"""A shorter value is a word that may stand anywhere."""


def told(said: object, at_most: int = CHARS_MAX) -> str:
    """The words of another side: its last ones, where there are more than `at_most` characters."""
    text = _COLOUR.sub("", str(said))
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value.strip()) >= SECRET_CHARS_MIN:
            text = text.replace(value.strip(), f"[{name}]")
    text = _QUERY.sub("?…", _TOKEN.sub("hf_…", text))
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[-at_most:]
