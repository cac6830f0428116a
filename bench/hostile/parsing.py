"""Texts that are hard to parse: Python, JSON and notebooks."""

import json
from collections.abc import Callable
from pathlib import Path

from hostile.case import hostile
from hostile.honest import TRAINER


def script_of(name: str, text: Callable[[], str], finds: str = "UNREADABLE") -> None:
    """A case whose train_gpt.py is this text."""
    hostile(name, finds)(lambda folder: (folder / "train_gpt.py").write_text(text(), "utf-8", "surrogatepass"))


script_of("Python nested beyond the parser", lambda: TRAINER + "x = " + "(" * 5_000 + ")" * 5_000 + "\n")
script_of("Python with unary operators, 60,000 deep", lambda: TRAINER + "x = " + "-" * 60_000 + "1\n")
script_of("Python with a name of 100,000 parts", lambda: TRAINER + "a" + ".a" * 100_000 + "\n")
script_of("Python with a sum of 70,000 terms", lambda: TRAINER + "x = 1" + "+1" * 70_000 + "\n", finds="")
script_of("Python with calls of calls", lambda: TRAINER + "x = f" + "()" * 50_000 + "\n", finds="")
script_of(
    "Python of blocks in blocks",
    lambda: TRAINER + "".join(" " * n + "if x:\n" for n in range(99)) + " " * 99 + "y\n",
    finds="",
)
script_of("Python of 2,000 elifs", lambda: TRAINER + "if a:\n    b\n" + "elif a:\n    b\n" * 2_000, finds="")
script_of("Python with a number of 100,000 digits", lambda: TRAINER + "x = " + "9" * 100_000 + "\n")
script_of(
    "Python whose settings are a tower of powers",
    lambda: TRAINER + "N = 9**9**9**9\nM = 'a' * 10**12\nL = 1 << 10**12\n",
    finds="",
)
script_of("Python of f-strings in f-strings", lambda: TRAINER + "x = " + "f'{" * 4_000 + "}'" * 4_000 + "\n")
script_of("Python of one line with 4 MB", lambda: TRAINER + "x = [" + "1," * 1_900_000 + "]\n")
script_of("Python of 140,000 assignments", lambda: TRAINER + "a = 1\n" * 46_000, finds="")
script_of(
    "Python of 9,000 functions that call each other",
    lambda: (
        TRAINER + "".join(f"def f{n}(x):\n  return f{(n * 7) % 9000}(f{(n * 13) % 9000}(x))\n" for n in range(9_000))
    ),
    finds="",
)
script_of(
    "Python of loops in loops in loops",
    lambda: (
        TRAINER
        + "".join(
            "".join(" " * n + f"for a{n} in model(x):\n" for n in range(18))
            + " " * 18
            + "loss = model(a0).backward()\n"
            for _ in range(60)
        )
    ),
    finds="",
)
script_of(
    "Python that calls itself in every branch",
    lambda: TRAINER + "def f(x):\n" + "  if x: f(f(f(x)))\n" * 3_000 + "f(model)\n",
    finds="",
)
script_of("Python that is null bytes", lambda: "\0" * 100_000)
script_of("Python with null bytes", lambda: TRAINER + "\0")
script_of("Python in lone surrogates", lambda: TRAINER + "x = '\ud800'\n")
script_of("Python with an encoding of its own", lambda: "# -*- coding: utf-7 -*-\n" + TRAINER, finds="")
script_of("Python that is 100,000 quotes", lambda: "'" * 100_001)
script_of("Python that ends in a backslash", lambda: TRAINER + "\\\n" * 100_000)


@hostile("a script in UTF-16", finds="")
def _(folder: Path) -> None:
    (folder / "train_gpt.py").write_bytes(TRAINER.encode("utf-16"))


@hostile("a script that is no UTF-8")
def _(folder: Path) -> None:
    (folder / "train_gpt.py").write_bytes(TRAINER.encode() + b"# \xff\xfe\x80\n" * 1_000)


def json_of(name: str, text: Callable[[], str], finds: str = "UNREADABLE") -> None:
    """A case whose submission.json is this text."""
    hostile(name, finds)(lambda folder: (folder / "submission.json").write_text(text()))


json_of("JSON of lists, 100,000 deep", lambda: "[" * 100_000 + "]" * 100_000)
json_of("JSON of objects, 100,000 deep", lambda: '{"a":' * 100_000 + "1" + "}" * 100_000)
json_of(
    "JSON nested as deep as the parser goes",
    lambda: '{"val_bpb": 1.2, "base": ' + '{"a":' * 900 + "1" + "}" * 901,
    finds="",
)
json_of("JSON with a number of 100,000 digits", lambda: '{"val_bpb": ' + "1" * 100_000 + "}")
json_of("JSON with a fraction of 100,000 digits", lambda: '{"val_bpb": 1.' + "1" * 100_000 + "}", finds="")
json_of(
    "JSON whose scores are no numbers",
    lambda: (
        '{"val_bpb": NaN, "val_loss": Infinity, "bytes_total": -Infinity, "seed_results": {"1": {"val_bpb": 1e999}}}'
    ),
    finds="",
)
json_of(
    "JSON with 60,000 seeds",
    lambda: json.dumps({"seed_results": {str(n): {"val_bpb": 1.0} for n in range(30_000)}}),
    finds="",
)
json_of("JSON with the same key 100,000 times", lambda: "{" + '"a":1,' * 100_000 + '"val_bpb":1.2}', finds="")
json_of(
    "JSON of the wrong types",
    lambda: json.dumps(
        {
            key: [{"a": [[]]}]
            for key in (
                "name",
                "author",
                "date",
                "track",
                "val_bpb",
                "seeds",
                "seed_results",
                "hardware",
                "pr",
                "bytes_total",
            )
        }
    ),
    finds="",
)
json_of(
    "JSON with terminal codes and half characters",
    lambda: (
        '{"name": "\\u001b]0;x\\u0007\\ud800", "author": "\\u202eevil\\u0000", "val_bpb": 1.2, "track": "\\u009b31m"}'
    ),
    finds="",
)


def notebook_of(name: str, text: Callable[[], str]) -> None:
    """A case with this text as a notebook in place of its script."""

    def build(folder: Path) -> None:
        (folder / "train_gpt.py").unlink()
        (folder / "train.ipynb").write_text(text())

    hostile(name)(build)


notebook_of("a notebook that is cut off", lambda: '{"cells": [{"cell_type": "code", "source": ["import')
notebook_of("a notebook nested 100,000 deep", lambda: '{"cells":' + "[" * 100_000)
notebook_of(
    "a notebook of the wrong types", lambda: json.dumps({"cells": [{"cell_type": "code", "source": {"a": 1}}, 5]})
)
notebook_of("a notebook of 3 MB", lambda: json.dumps({"cells": [{"cell_type": "code", "source": "x = 1\n" * 500_000}]}))
