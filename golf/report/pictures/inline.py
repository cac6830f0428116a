"""A PNG in the terminal itself, where that terminal says it can: kitty's, iTerm2's or the sixel protocol.

kitty and iTerm2 are known by what they put into the environment. Sixel is asked for: a terminal answers to Primary
Device Attributes (`CSI c`) with the feature 4; the answer is waited for briefly. Inside tmux and screen nothing is
drawn: they swallow all three.

Sources: sw.kovidgoyal.net/kitty/graphics-protocol, iterm2.com/documentation-images.html, DEC STD 070 (sixel).
"""

import base64
import contextlib
import io
import os
import re
import select
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Literal

_RUN = re.compile(r"(.)\1{3,}")

Protocol = Literal["kitty", "iterm2", "sixel"]

CHUNK = 4096
"""Bytes of base64 in one escape of kitty's, its limit."""
ANSWER_S = 0.3
"""For the terminal's answer; one that does not know the question keeps silent."""
COLOURS = 64
"""Of a sixel picture; terminals have 256 registers, and ours need few."""
COLUMNS = 100
"""Width on the screen at most, in characters."""


def protocol(out: IO[str], environment: Mapping[str, str] | None = None) -> Protocol | None:
    """What `out` can show; None for a pipe, a multiplexer, and a terminal that does not say so."""
    environment = os.environ if environment is None else environment
    term, program = environment.get("TERM", ""), environment.get("TERM_PROGRAM", "")
    if not out.isatty() or term == "dumb" or term.startswith(("screen", "tmux")) or "TMUX" in environment:
        return None
    if term in ("xterm-kitty", "xterm-ghostty") or "KITTY_WINDOW_ID" in environment or program == "ghostty":
        return "kitty"
    if program in ("iTerm.app", "WezTerm", "mintty") or environment.get("LC_TERMINAL") == "iTerm2":
        return "iterm2"
    return "sixel" if _has_sixel() else None


def encoded(png: bytes, how: Protocol) -> str:
    """The picture as the terminal wants it."""
    if how == "kitty":
        data = base64.standard_b64encode(png).decode()
        parts = [data[start : start + CHUNK] for start in range(0, len(data), CHUNK)]
        last = len(parts) - 1
        return "".join(
            f"\x1b_G{f'a=T,f=100,q=2,c={COLUMNS},' if place == 0 else ''}m={int(place < last)};{part}\x1b\\"
            for place, part in enumerate(parts)
        )
    if how == "iterm2":
        data = base64.standard_b64encode(png).decode()
        return f"\x1b]1337;File=inline=1;size={len(png)};width=auto;preserveAspectRatio=1:{data}\x07"
    return _sixel(png)


def show(path: Path, out: IO[str]) -> bool:
    """Draw a PNG on `out`; False where it cannot be, and nothing was written."""
    how = protocol(out)
    if how is None:
        return False
    out.write(encoded(path.read_bytes(), how) + "\n")
    out.flush()
    return True


def _sixel(png: bytes) -> str:
    """Bands of six rows; of each a line per colour that is in it, with runs of the same counted."""
    import numpy as np
    from PIL import Image

    with Image.open(io.BytesIO(png)) as picture:
        small = picture.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE)
    pixels = np.asarray(small)
    palette = (small.getpalette() or [])[: 3 * (int(pixels.max()) + 1)]
    height, width = pixels.shape
    out = [f'\x1bPq"1;1;{width};{height}']
    for colour in range(len(palette) // 3):
        red, green, blue = (round(part * 100 / 255) for part in palette[3 * colour : 3 * colour + 3])
        out.append(f"#{colour};2;{red};{green};{blue}")
    for top in range(0, height, 6):
        band = pixels[top : top + 6]
        for colour in np.unique(band):
            bits = ((band == colour) * (1 << np.arange(len(band)))[:, None]).sum(axis=0)
            text = "".join(chr(63 + int(bit)) for bit in bits).rstrip("?")
            out.append(f"#{colour}{_RUN.sub(lambda run: f'!{len(run[0])}{run[1]}', text)}$")
        out.append("-")
    return "".join([*out, "\x1b\\"])


def _has_sixel() -> bool:
    """Ask the terminal, on its own device so that a redirected stdin is left alone."""
    import termios
    import tty

    with contextlib.suppress(OSError, termios.error), open("/dev/tty", "r+b", buffering=0) as terminal:
        descriptor = terminal.fileno()
        before = termios.tcgetattr(descriptor)
        try:
            tty.setcbreak(descriptor, termios.TCSANOW)
            os.write(descriptor, b"\x1b[c")
            return answers_sixel(descriptor)
        finally:
            termios.tcsetattr(descriptor, termios.TCSANOW, before)
    return False


def answers_sixel(descriptor: int) -> bool:
    """Whether the answer to `CSI c` that comes on a descriptor names feature 4."""
    said = b""
    while not said.endswith(b"c") and len(said) < 200:
        if not select.select([descriptor], [], [], ANSWER_S)[0]:
            return False
        more = os.read(descriptor, 64)
        if not more:
            return False
        said += more
    found = re.search(rb"\x1b\[\?([\d;]+)c", said)
    return found is not None and b"4" in found[1].split(b";")[1:]
