"""Values as text: one line, printable, formatted by the unit that ends their name.

Everything a person reads passes through `clean`, because a file name or a log line may hold an escape sequence.
"""

import os
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from typing import IO, Any


def clean(text: str) -> str:
    """`text` on one line, without anything a terminal would act on (controls, escapes, bidirectional marks)."""
    kept: list[str] = []
    for character in text:
        category = unicodedata.category(character)
        if category in ("Zl", "Zp") or character in "\t\n\r\v\f\x85":
            kept.append(" ")
        elif category == "Cs":
            kept.append("?")  # a file name that is not UTF-8; printing it would raise
        elif category not in ("Cc", "Cf"):
            kept.append(character)
    return "".join(kept).strip()


def word(name: str, value: Any, *, grouped: bool = False) -> str:
    """A value as text, by the unit that ends its name; `grouped` puts commas between thousands.

    Scores get six decimals, money and memory two, seconds one; `improvement` is a percentage; None is `-`.
    A number without a unit is exact in a pipe.
    """
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case int():
            return f"{value:,}" if grouped else str(value)
        case float():
            return _number(name, value, grouped)
        case datetime():
            return value.isoformat(timespec="seconds")
        case str():
            return clean(value)
        case _ if isinstance(value, Sequence):
            return ", ".join(word("", item) for item in value) or "-"
        case _:
            return clean(str(value))


def _number(name: str, value: float, grouped: bool) -> str:
    comma = "," if grouped else ""
    if "bpb" in name or name.endswith("loss"):
        return f"{value:.6f}"
    if name == "improvement":
        return f"{value:+.3%}"
    if name.endswith(("_usd", "_gb")):
        return f"{value:{comma}.2f}"
    if name.endswith("_s"):
        return f"{value:{comma}.1f}"
    if value.is_integer() and abs(value) < 2**53:
        return f"{value:{comma}.0f}"
    return f"{value:.6g}" if grouped else repr(value)  # a pipe gets 0.02999999, not a 0.03 that failed


def is_terminal(file: IO[str]) -> bool:
    """Whether tables and bars may be drawn on `file`: a terminal that can move its cursor."""
    return file.isatty() and os.environ.get("TERM") != "dumb"


def write_lines(out: IO[str], lines: Sequence[str]) -> None:
    """Write and flush lines; what the encoding of `out` lacks is escaped instead of raising."""
    encoding = getattr(out, "encoding", None) or "utf-8"
    text = "".join(f"{line}\n" for line in lines)
    out.write(text.encode(encoding, "backslashreplace").decode(encoding))
    out.flush()
