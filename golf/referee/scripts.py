"""The Python that a submission ships, packed or not, with the script that trains in front.

What trains is not always `train_gpt.py`: that may unpack the real script from a string, run another file, or be
empty. Notebooks count by their code cells.
"""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePosixPath

from golf.referee import source, unpack
from golf.referee.reading import Folder
from golf.referee.texts import Script

PACKED_FILES = (".lzma", ".xz", ".gz", ".bz2", ".zst", ".br", ".zlib")
"""Endings of files that may hold code, compressed."""

PACKED_BYTES_MAX = 400_000
"""A larger one holds weights or data and is not read."""

NOTEBOOK_BYTES_MAX = 1_000_000
LAUNCHED_TIMES = 3
"""A launcher is so many times smaller than the script it runs."""

LAUNCHER_CHARS_MAX = 3_000
"""A script that runs another and trains nothing itself is shorter."""

HOPS_MAX = 3
"""Launchers that run launchers."""

_MAGIC = re.compile(r"^(\s*)[!%]", re.MULTILINE)


def read_scripts(place: Folder) -> list[Script]:
    """Every script of a folder, the training script first; what a packed one holds stands before its wrapper.

    Scripts are parsed together up to `source.TOKENS_MAX` tokens; later ones are read as text alone.
    """
    found: list[Script] = []
    left = source.TOKENS_MAX

    def add(name: str, text: str, packed_in: str | None) -> Script:
        nonlocal left
        tokens = source.count_tokens(text, left)
        script = Script(name, text, packed_in, is_small=tokens <= left)
        left -= tokens if script.is_small else 0
        return script

    def add_with_payloads(script: Script, depth: int) -> list[Script]:
        inside = []
        texts = _payloads(script, place)
        if texts and not depth:
            place.note(f"packed over {unpack.DEPTH_MAX} deep and not unpacked", script.name, script.at(1).quote)
            texts = []
        for number, text in enumerate(texts, start=1):
            name = f"{script.name}!unpacked{number if number > 1 else ''}"
            inside += add_with_payloads(add(name, text, script.packed_in or script.name), depth - 1)
        is_wrapper = bool(texts) and 2 * len(texts[0]) > len(script.text)  # and no script that carries modules
        return [*inside, script] if is_wrapper else [script, *inside]

    for name, text, packed_in in _training_first([*_shipped(place), *_packed_files(place)]):
        found += add_with_payloads(add(name, text, packed_in), unpack.DEPTH_MAX)
    if found and _runs_what_is_elsewhere(found[0]):
        place.note("runs code that was not found in the folder", found[0].name, found[0].at(1).quote)
    return found


_Source = tuple[str, str, str | None]
"""Name, text, and the file it was packed in."""


def _shipped(place: Folder) -> Iterator[_Source]:
    for name in place.files:
        if name.lower().endswith(".py") and (text := place.text(name, strict=True)) is not None:
            yield name, text, None
        elif name.lower().endswith(".ipynb") and (data := place.read(name, NOTEBOOK_BYTES_MAX)) is not None:
            try:
                yield f"{name}!cells", _cells(data), name
            except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
                place.note("is no notebook", name, str(error)[:150] or type(error).__name__)


def _cells(notebook: bytes) -> str:
    """The code of a notebook's cells, with what is no Python in them commented out."""
    cells = [cell["source"] for cell in json.loads(notebook)["cells"] if cell["cell_type"] == "code"]
    code = "\n\n".join(cell if isinstance(cell, str) else "".join(cell) for cell in cells)
    return _MAGIC.sub(r"\1#", code)


def _packed_files(place: Folder) -> Iterator[_Source]:
    """Scripts in small compressed files: `submission.py` may be three lines that run `code.lzma`."""
    for name, listed in place.files.items():
        lowered = name.lower()
        if lowered.endswith(PACKED_FILES) and ".tar." not in lowered and listed.size <= PACKED_BYTES_MAX:
            try:
                texts = unpack.unpack(place.read(name) or b"")
            except unpack.Bomb as error:
                place.note("not unpacked, an archive bomb", name, str(error))
                continue
            for number, text in enumerate(texts, start=1):
                yield f"{name}!unpacked{number if number > 1 else ''}", text, name


def _payloads(script: Script, place: Folder) -> list[str]:
    """The sources that a script carries; a finding when it runs something that could not be unpacked."""
    executes = unpack.executes(script.text)
    if not (unpack.is_dense(script.text) or executes) or script.tree is None:
        return []
    try:
        texts, lost = unpack.payloads(script.tree, plain=executes)
    except unpack.Bomb as error:
        place.note("not unpacked, an archive bomb", script.name, str(error))
        return []
    if executes and (lost or (not texts and unpack.is_dense(script.text))):
        place.note("runs packed code that could not be unpacked", script.name, script.at(1).quote)
    return texts


def _training_first(sources: Sequence[_Source]) -> list[_Source]:
    """Sort the script that trains to the front, the others by place and name."""
    ranked = sorted(sources, key=_rank)
    first = next((one for one in ranked if one[1].strip()), None)
    for _ in range(HOPS_MAX):
        runs = [other for other in ranked if first and other is not first and _launches(first[1], other)]
        if not runs:
            break
        first = max(runs, key=lambda one: len(one[1]))
    return sorted(ranked, key=lambda one: one is not first)


def _runs_what_is_elsewhere(script: Script) -> bool:
    """Whether the script in front is a launcher whose script is not there."""
    return len(script.text) < LAUNCHER_CHARS_MAX and unpack.executes(script.text) and "backward" not in script.text


def _rank(one: _Source) -> tuple[int, bool, bool, int, str]:
    name, text, _ = one
    base = PurePosixPath(name).name
    return name.count("/"), base != "train_gpt.py", not base.lower().startswith("train"), -len(text), name


def _launches(text: str, other: _Source) -> bool:
    """Whether a script is little more than a call of another one."""
    name = PurePosixPath(other[2] or other[0]).name
    if len(other[1]) < LAUNCHED_TIMES * len(text):
        return False
    stem = re.escape(name.partition(".")[0])
    return name in text or re.search(rf"^\s*(?:from|import)\s+{stem}\b", text, re.MULTILINE) is not None
