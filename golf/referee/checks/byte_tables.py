"""The byte table of a script or of a file beside it, read statically.

Bits per byte divide by the bytes of the text, and a script counts those token by token, from a table it builds from the
tokenizer's pieces: a piece without its leading-space mark, a byte token as one, control tokens as none; the space that
the mark stands for is added at evaluation unless the token before ends a document. Every form of the table that was
ruled out departs from this in a line that can be shown. What a table really holds is for `golf audit --bytes` to say.
"""

import ast
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from golf.referee import validation
from golf.referee.case import Case
from golf.referee.program import Function, Module, Program, program_of
from golf.referee.rulebook import finding
from golf.referee.settings import UNKNOWN
from golf.referee.syntax import last_name, statements, targets
from golf.referee.tracks import is_record
from golf.rulings import Evidence, Finding

MARK = "\u2581"
"""How SentencePiece writes a leading space."""

_SPACES = frozenset((MARK, " ", "\u0120"))
"""Marks that stand for a space in one tokenizer or another; the last is GPT-2's."""

NPZ_BYTES_MAX = 4_000_000
ARRAY_BYTES_MAX = 4_000_000
RUN_MIN = 8
"""Neighbouring tokens of three bytes, among tokens of one, that are no coincidence."""

BYTES_PER_TOKEN = (1.5, 8.0)
TOKENS_PER_BYTE = (0.12, 0.66)
"""A constant in such a range stands for the bytes of a token, or the other way round."""

_PIECE = re.compile(r"id_to_piece|IdToPiece", re.IGNORECASE)
_ADDS_SPACE = re.compile(r"\w*(?:space|_ls|\bls)\w*\s*\[[^\]]{1,80}\]\s*&\s*~\s*\w")
_COUNTS_BYTES = re.compile(
    r"base_bytes|byte_count|bytes_lut|val_bytes|byte_sidecar|num_bytes|total_bytes|byte_sum|n_bytes"
)
_PER_TOKEN = re.compile(r"(?:bytes?|chars?)_per_(?:tok|piece)|tok(?:en)?s?_per_(?:byte|char)", re.IGNORECASE)
_SCORE = re.compile(r"(?:^|_)bpb(?:_|$)|bits_per_byte", re.IGNORECASE)
_NO_SCORE = re.compile(r"est|approx|target|best|base|random|std|delta|diff|gain|train", re.IGNORECASE)
_LOSS = re.compile(r"loss|nll|nats|bits|entropy|(?:^|_)ce(?:_|$)", re.IGNORECASE)
_CLAMPED = re.compile(r"^[ \t]*(targets?(?:_ids)?|tgt(?:_ids)?|y|labels)[ \t]*=[ \t]*\1\.clamp_?\(", re.MULTILINE)
_LOSSY = re.compile(r"casefold|lower-?cased?\b|\bnfkc\b", re.IGNORECASE)


def findings(case: Case) -> list[Finding]:
    """How the scripts that run, and tables beside them, count bytes."""
    found = [*_files(case)]
    if case.has_code:
        program = program_of(case)
        for module in program.modules.values():
            found += _tables(case, program, module)
            found += _clamped_targets(program, module)
        found += _constants(case, program)
        found += _absent_tables(case, program)
    found += _lossy(case)
    return found


# --- tables built from pieces


@dataclass
class _Table:
    """A function that makes a byte table of a tokenizer's pieces."""

    function: Function
    lengths: list[ast.stmt] = field(default_factory=list)
    """Statements that store the length of a piece."""
    marks: list[tuple[ast.expr, str]] = field(default_factory=list)
    """What pieces are asked to begin with."""
    byte_values: list[ast.stmt] = field(default_factory=list)
    """What is stored for byte tokens."""
    knows_bytes: bool = False
    strips: bool = False


def _tables(case: Case, program: Program, module: Module) -> Iterator[Finding]:
    if not _PIECE.search(module.script.text):
        return
    for table in _read_tables(program, module):
        at = module.script.at
        name = table.function.name
        for statement in table.lengths:
            if table.strips and _adds_one(statement) and (adds := _adding_line(program)):
                yield finding(
                    "BPB_MISCOUNT",
                    f"{name} counts leading spaces (line {statement.lineno}), and evaluation adds them again",
                    at(statement.lineno), adds,
                    confidence=0.95,
                )  # fmt: skip
                break
        for mark, text in table.marks:
            if text not in _SPACES and _is_garbled(text):
                yield finding(
                    "BPB_MISCOUNT",
                    f"{name} looks for {text!r} where pieces have {MARK!r}: the mark is counted as three bytes",
                    at(mark.lineno),
                    confidence=0.9,
                )  # fmt: skip
        for statement in table.byte_values:
            value = getattr(statement, "value", None)
            if (isinstance(value, ast.Constant) and value.value != 1) or _is_length(value):
                yield finding(
                    "BPB_MISCOUNT",
                    f"{name} counts a byte token as other than one byte (line {statement.lineno})",
                    at(statement.lineno),
                    confidence=0.9,
                )  # fmt: skip
        if table.lengths and not table.knows_bytes:
            known = (validation.tokenizer(case) or "").startswith("SP")
            yield finding(
                "BPB_MISCOUNT",
                f"{name} counts byte tokens by their names, '<0x0A>' as six bytes",
                at(table.lengths[0].lineno),
                severity="block" if known else "flag",
                confidence=0.8 if known else 0.5,
            )


def _read_tables(program: Program, module: Module) -> Iterator[_Table]:
    asked = [number for number, line in enumerate(module.script.lines, 1) if "iece" in line and _PIECE.search(line)]
    for nodes in module.definitions.values():
        for node in nodes:
            if not isinstance(node, Function) or not program.reaches(module.script.name, node.body[0].lineno):
                continue
            last = node.end_lineno or node.lineno
            own = module.script.lines[node.lineno - 1 : last]
            if any(node.lineno <= number <= last for number in asked) and any("encode(" in line for line in own):
                table = _read_table(node)
                if table.lengths:
                    yield table


def _read_table(function: Function) -> _Table:
    table = _Table(function)
    for node in ast.walk(function):
        if isinstance(node, ast.Call):
            name = last_name(node.func)
            if name.lower().replace("_", "") in ("isbyte", "isbytetoken"):
                table.knows_bytes = True
            elif name == "startswith" and node.args and isinstance(node.args[0], ast.Constant):
                text = node.args[0].value
                if isinstance(text, str):
                    table.knows_bytes = table.knows_bytes or text.startswith("<0")
                    if not text.startswith("<"):
                        table.marks.append((node, text))
            elif name in ("lstrip", "replace", "removeprefix") and node.args:
                table.strips = table.strips or _mentions_mark(node.args[0])
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            lower = node.slice.lower
            table.strips = table.strips or (isinstance(lower, ast.Constant) and lower.value == 1)
    for statement in statements(function.body):
        if isinstance(statement, ast.If) and _asks_byte(statement.test):
            table.byte_values += [one for one in statements(statement.body) if _stores(one)]
        elif (
            _stores(statement) and _is_length(getattr(statement, "value", None)) and statement not in table.byte_values
        ):
            table.lengths.append(statement)
    return table


def _stores(statement: ast.stmt) -> bool:
    """Whether a statement stores into a table of bytes or lengths."""
    return any(
        isinstance(target, ast.Subscript)
        and not re.search(r"space|bound|bool|mask", last_name(target.value), re.IGNORECASE)
        for target in targets(statement)
    )


def _is_length(value: ast.expr | None) -> bool:
    """Whether an expression is the length of an encoded text, and whatever is added to it."""
    return value is not None and any(
        isinstance(node, ast.Call)
        and last_name(node.func) == "len"
        and node.args
        and any(isinstance(part, ast.Call) and last_name(part.func) == "encode" for part in ast.walk(node.args[0]))
        for node in ast.walk(value)
    )


def _adds_one(statement: ast.stmt) -> bool:
    value = getattr(statement, "value", None)
    return isinstance(value, ast.expr) and any(
        isinstance(node, ast.BinOp)
        and isinstance(node.op, ast.Add)
        and any(isinstance(side, ast.Constant) and side.value == 1 for side in (node.left, node.right))
        and _is_length(node)
        for node in ast.walk(value)
    )


def _asks_byte(test: ast.expr) -> bool:
    if isinstance(test, ast.UnaryOp):
        return False
    return any(
        isinstance(node, ast.Call)
        and (
            last_name(node.func).lower().replace("_", "") in ("isbyte", "isbytetoken")
            or (last_name(node.func) == "startswith" and _begins_byte(node))
        )
        for node in ast.walk(test)
    )


def _begins_byte(call: ast.Call) -> bool:
    return bool(call.args) and isinstance(call.args[0], ast.Constant) and str(call.args[0].value).startswith("<0")


def _mentions_mark(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and MARK in node.value


def _is_garbled(text: str) -> bool:
    """Whether a text is the mark in a wrong encoding, or what is left of it."""
    if text in ("?", "\ufffd", "\ufffd\ufffd\ufffd"):
        return True
    raw = MARK.encode()
    return text in {
        raw.decode(codec, errors="replace") for codec in ("cp437", "cp850", "cp1252", "latin-1", "mac_roman")
    }


def _adding_line(program: Program) -> Evidence | None:
    """Where evaluation adds the space that a mark stands for: `has_space[target] & ~is_boundary[previous]`."""
    for module in program.modules.values():
        if not _ADDS_SPACE.search(module.script.text):
            continue
        for node in ast.walk(module.tree):
            if not isinstance(node, ast.BinOp) or not isinstance(node.op, ast.BitAnd):
                continue
            if isinstance(node.left, ast.Subscript) and isinstance(node.right, ast.UnaryOp):
                is_space = re.search(r"space|ls", last_name(node.left.value), re.IGNORECASE)
                if is_space and program.reaches(module.script.name, node.lineno):
                    return module.script.at(node.lineno)
    return None


# --- no table at all


def _constants(case: Case, program: Program) -> Iterator[Finding]:
    """A score from a constant number of bytes per token, where nothing counts bytes."""
    modules = [module for module in program.modules.values() if "bpb" in module.script.text]
    if any(_COUNTS_BYTES.search(module.script.text) for module in program.modules.values()):
        return
    for module in modules:
        for statement in module.script.statements:
            if not isinstance(statement, ast.Assign) or not program.reaches(module.script.name, statement.lineno):
                continue
            name = last_name(statement.targets[0])
            if not _SCORE.search(name) or _NO_SCORE.search(name):
                continue
            constant = _constant_in(program, module, statement.value)
            if constant is not None:
                is_exact = is_record(case)  # elsewhere estimates were accepted
                yield finding(
                    "BPB_MISCOUNT" if is_exact else "BPB_APPROX",
                    f"bits per byte come from {constant:g} bytes per token whatever the text",
                    module.script.at(statement.lineno),
                    severity="block" if is_exact else "note",
                    confidence=0.9,
                )
                return


def _constant_in(program: Program, module: Module, value: ast.expr) -> float | None:
    """The bytes per token that a loss is divided by, if that is a constant."""
    names = {last_name(node) for node in ast.walk(value) if isinstance(node, ast.Name | ast.Attribute)}
    if not any(_LOSS.search(name) for name in names):
        return None
    for node in ast.walk(value):
        number = None
        if isinstance(node, ast.Constant) and isinstance(node.value, float):
            number = node.value
        elif isinstance(node, ast.Name | ast.Attribute) and _PER_TOKEN.search(last_name(node)):
            number = _named_constant(program, module, node)
        if number is None or number == 2.0:
            continue
        if BYTES_PER_TOKEN[0] < number < BYTES_PER_TOKEN[1]:
            return number
        if TOKENS_PER_BYTE[0] < number < TOKENS_PER_BYTE[1]:
            return 1 / number
    return None


def _named_constant(program: Program, module: Module, name: ast.Name | ast.Attribute) -> float | None:
    """The number a name stands for: by the settings, or by the only assignment to it."""
    known = program.settings.value(name)
    if known is not UNKNOWN:
        return known if isinstance(known, float) else None
    values = [
        statement.value
        for statement in module.script.statements
        if isinstance(statement, ast.Assign) and last_name(statement.targets[0]) == last_name(name)
    ]
    only = values[0] if len(values) == 1 else None
    return only.value if isinstance(only, ast.Constant) and isinstance(only.value, float) else None


def _clamped_targets(program: Program, module: Module) -> Iterator[Finding]:
    """Targets forced into the vocabulary: tokens beyond it are all scored as its last."""
    if ".clamp" not in module.script.text:
        return
    for found in _CLAMPED.finditer(module.script.text):
        number = module.script.text.count("\n", 0, found.start(1)) + 1
        if program.reaches(module.script.name, number):
            yield finding(
                "BPB_MISCOUNT",
                f"targets are clamped into the vocabulary (line {number}): tokens beyond it are scored as another",
                module.script.at(number),
                severity="flag",
                confidence=0.6,
            )
            return


# --- tables in files


def _files(case: Case) -> Iterator[Finding]:
    for name in case.files:
        if name.lower().endswith(".npz") and (table := npz_table(case, name)) is not None:
            run = _byte_tokens_of_three(table)
            if run:
                first, last = run
                yield finding(
                    "BPB_MISCOUNT",
                    f"{name} counts tokens {first} to {last}, among tokens of one byte, as three bytes each: "
                    "so do byte tokens, when what they decode to, U+FFFD, is measured",
                    Evidence(file=name, line=None, quote=f"base_bytes[{first}:{last + 1}] = 3"),
                    confidence=0.9,
                )


def npz_table(case: Case, name: str) -> Sequence[int] | None:
    """The bytes per token that a NumPy archive holds; None when it holds none, or is no such archive."""
    import zipfile

    import numpy as np

    data = case.read(name, NPZ_BYTES_MAX)
    if data is None:
        return None
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            wanted = next((one for one in archive.infolist() if one.filename == "base_bytes.npy"), None)
            if wanted is None or wanted.file_size > ARRAY_BYTES_MAX:
                return None
            with archive.open(wanted) as file:
                held = io.BytesIO(file.read(ARRAY_BYTES_MAX))
        array = np.lib.format.read_array(held, allow_pickle=False)
    except (ValueError, OSError, EOFError, KeyError, NotImplementedError, RuntimeError, zipfile.BadZipFile):
        return None
    if array.ndim != 1 or array.dtype.kind not in "iu":
        return None
    case.understood(name)
    return array.tolist()


def _byte_tokens_of_three(table: Sequence[int]) -> tuple[int, int] | None:
    """A run of threes between ones, as its first and last token."""
    start = None
    for token, size in enumerate([*table, 0]):
        if size == 3 and start is None:
            start = token
        elif size != 3 and start is not None:
            if token - start >= RUN_MIN and size == 1 and start and table[start - 1] in (0, 1):
                return start, token - 1
            start = None
    return None


def _absent_tables(case: Case, program: Program) -> Iterator[Finding]:
    """A byte table read from a file that is not there to be checked."""
    if any(name.lower().endswith((".npz", ".npy")) for name in case.files):
        return
    for module in program.modules.values():
        found = re.search(r"\[[\"']base_bytes[\"']\]", module.script.text)
        if found and "np.load" in module.script.text:
            where = module.script.find(found.start())
            if where.line and program.reaches(module.script.name, where.line):
                yield finding(
                    "BPB_MISCOUNT",
                    "bytes per token are read from a file that the submission does not hold",
                    module.script.at(where.line),
                    severity="flag",
                    confidence=0.5,
                )
                return


# --- text that cannot be restored


def _lossy(case: Case) -> Iterator[Finding]:
    """Tokenizers of text without its capitals or its characters, as the names of shipped files say."""
    for name in case.files:
        if _LOSSY.search(name) and name.lower().endswith((".model", ".vocab", ".json", ".py", ".hex")):
            yield finding(
                "TOKENIZER_LOSSY",
                f"a tokenizer of text changed for good is part of it: {name[:100]}",
                Evidence(file=name[:200], line=None, quote=name[:200]),
                confidence=0.7,
            )
            return
