"""What a text says must be installed, beyond what the challenge's own scripts have."""

import re
from collections.abc import Iterator

from golf.research.statements import is_denied, quoted
from golf.schema import Noun

KNOWN_PACKAGES = frozenset(
    (
        "torch", "numpy", "sentencepiece", "triton", "tqdm", "huggingface-hub", "huggingface_hub", "datasets",
        "tiktoken", "setuptools", "typing-extensions", "kernels", "pip", "wheel", "uv",
    )
)  # fmt: skip
"""What the challenge's own scripts and downloads use, or what comes with torch; nothing else is there without a `pip`.

Source: openai/parameter-golf, imports of train_gpt.py and its requirements.
"""

_PIP = re.compile(r"\b(?:pip3?|uv) (?:pip )?(?:install|add)((?: [\w.,=<>~/@:+\[\]'\"-]{1,60}){1,6})", re.IGNORECASE)
_REQUIRES = re.compile(
    r"\b(?:requires?|requiring|depends on|needs|relies on|built on) (?:the |a |an )?"
    r"(?:custom |triton and |pytorch and )?"
    r"(triton|flash[- ]?att(?:entio)?n(?:[- ]?[23])?|cuda (?:kernels?|extensions?)|cutlass|apex|deepspeed|xformers"
    r"|bitsandbytes|faiss|jax|mamba[-_]ssm|transformer[- ]engine"
    r"|(?:additional|extra|external|new|third-party) (?:librar|package|dependenc))",
    re.IGNORECASE,
)


class Dependency(Noun):
    """Something a text says must be installed."""

    name: str
    quote: str


def needed(text: str) -> list[Dependency]:
    """Each package or library once, in the order of the text, which is one line."""
    return list({one.name: one for one in (*_installed(text), *_required(text))}.values())


def _installed(text: str) -> Iterator[Dependency]:
    for match in _PIP.finditer(text):
        if is_denied(text, match):
            continue
        for word in match[1].split():
            if word.startswith(("-r", "-e", ".")):
                break  # the project itself, or a list that is not here
            name = re.split(r"[=<>~\[@,:'\"]", word.strip("'\""))[0].lower().rstrip(".")
            if word.startswith("-"):
                continue
            if not re.fullmatch(r"[a-z][\w.-]{1,40}", name) or name in ("and", "or", "to", "the", "then", "for", "if"):
                break  # prose goes on behind the command
            if name not in KNOWN_PACKAGES:
                yield Dependency(name=name, quote=quoted(text, match))
            if word.endswith((".", ",", ":")):
                break


def _required(text: str) -> Iterator[Dependency]:
    for match in _REQUIRES.finditer(text):
        name = match[1].lower()
        if name not in KNOWN_PACKAGES and not is_denied(text, match):
            yield Dependency(name=name, quote=quoted(text, match))
