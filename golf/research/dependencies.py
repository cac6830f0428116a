"""What a text says must be installed, beyond what the challenge's records are made with."""

import re
from collections.abc import Iterator
from urllib.parse import unquote

from golf.research.statements import is_denied, quoted
from golf.schema import Noun

KNOWN_PACKAGES = frozenset(
    (
        # requirements.txt of the challenge
        "datasets", "huggingface-hub", "kernels", "numpy", "sentencepiece", "setuptools", "tiktoken", "torch", "tqdm",
        "typing-extensions",
        # requirements.txt, setup or imports of accepted records
        "brotli", "flash-attention", "flash-attn", "flash-attn-3", "flash-attn-interface", "python-minifier", "triton",
        "zstandard",
        # what installs them, or comes along with torch
        "ninja", "packaging", "pip", "torchaudio", "torchvision", "uv", "wheel",
    )
)  # fmt: skip
"""Packages that are there, by their normalised names (PEP 503).

Source: openai/parameter-golf, requirements.txt and the requirements, READMEs and imports of records/track_10min_16mb/*
as merged until 2026-04-30. What records of the other track alone require (mamba-ssm, einops) is not among them.
"""

_PIP = re.compile(r"\b(?:pip3?|uv) (?:pip )?(?:install|add)\b((?: [^\s`;&|#()]{1,300}){1,40})", re.IGNORECASE)
_VALUED = frozenset(
    (
        "-c", "--constraint", "-f", "--find-links", "-i", "--index-url", "--extra-index-url", "-t", "--target",
        "--prefix", "--root", "--python", "-p", "--platform", "--python-version", "--progress-bar", "--cache-dir",
        "--trusted-host", "--no-binary", "--only-binary", "--upgrade-strategy", "--timeout", "--retries", "--index",
        "--torch-backend", "-r", "--requirement", "-e", "--editable",
    )
)  # fmt: skip
"""Options of pip and uv whose next word is their value."""

_REQUIREMENT = re.compile(
    r"([a-z][a-z0-9]+(?:[-_.][a-z0-9]+)*)(?:\[[\w,.-]{1,80}\])?(?:(?:[<>]|[~!=<>]=|@).{0,120})?", re.IGNORECASE
)
_FILE = re.compile(r"\.(?:py|sh|txt|toml|json|md|ipynb|cfg|zip|gz)$", re.IGNORECASE)
_COMMANDS = frozenset(("python", "python3", "pip", "pip3", "bash", "sh", "torchrun", "git", "cd", "export", "apt-get"))
"""A word of these begins a command of its own, where a text has lost its line breaks; `pip install` goes on."""

_PROSE = frozenset(("and", "or", "to", "the", "then", "for", "if", "in", "on", "is", "with", "first", "before", "from"))
_CLOSING = ".,:!?"
_REQUIRES = re.compile(
    r"\b(?:requires?|requiring|depends on|needs|relies on|built on) (?:the |a |an )?"
    r"(?:custom |triton and |pytorch and )?"
    r"(cuda (?:kernels?|extensions?)|cutlass|apex|deepspeed|xformers"
    r"|bitsandbytes|faiss|jax|mamba[-_]ssm|transformer[- ]engine"
    r"|(?:additional|extra|external|new|third-party) (?:librar|package|dependenc))",
    re.IGNORECASE,
)


class Dependency(Noun):
    """Something a text says must be installed."""

    name: str
    quote: str


def needed(text: str) -> list[Dependency]:
    """Each package or library once, in the order of the text (as `statements.folded` gives it)."""
    return list({one.name: one for one in (*_installed(text), *_required(text))}.values())


def _installed(text: str) -> Iterator[Dependency]:
    for match in _PIP.finditer(text):
        if not is_denied(text, match):
            for name in _packages(match[1].split()):
                yield Dependency(name=name, quote=quoted(text, match))


def _packages(words: list[str]) -> Iterator[str]:
    """Normalised names that the words behind `pip install` ask for and that are not there."""
    is_value = False
    for word in words:
        if is_value or word == "\\":
            is_value = False
        elif word.startswith("-"):
            is_value = word in _VALUED
        else:
            bare = word.strip("'\"*,")
            name = _name(bare.rstrip(_CLOSING))
            if not name or name in _COMMANDS - KNOWN_PACKAGES or name in _PROSE:
                return  # another command, or prose goes on
            if name != "install" and name not in KNOWN_PACKAGES and not bare.startswith((".", "/", "~", "$")):
                yield name
            if word[-1] in _CLOSING:
                return


def _name(word: str) -> str:
    """The package that a word stands for, `-` for one of no name; empty where the word is none."""
    if "://" in word:
        last = unquote(word.split("#egg=")[-1].split("#")[0].rstrip("/").rsplit("/", 1)[-1])
        word = re.split(r"\.git\b|\.whl$|@|-\d", last)[0]
    elif word.startswith((".", "/", "~", "$")):
        return "-"
    match = None if _FILE.search(word) else _REQUIREMENT.fullmatch(word)
    return "" if match is None else re.sub(r"[-_.]+", "-", match[1]).lower()


def _required(text: str) -> Iterator[Dependency]:
    for match in _REQUIRES.finditer(text):
        if not is_denied(text, match):
            yield Dependency(name=match[1].lower(), quote=quoted(text, match))
