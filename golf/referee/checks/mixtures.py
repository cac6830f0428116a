"""Byte mixtures (PPM and the like) that are no distribution over tokens, and gates that leak across documents.

A model of tokens and a model of bytes can be mixed honestly only where both are distributions over the same thing.
Spreading a token's log-probability evenly over its bytes gives no distribution over bytes, and multiplying the bytes'
probabilities gives none over tokens; both score the one text that came.
"""

import ast
import datetime
import re
from collections.abc import Iterator, Sequence

from golf.referee import printed
from golf.referee.case import Case
from golf.referee.program import Function, Module, Program, program_of
from golf.referee.rulebook import finding
from golf.referee.syntax import name_of
from golf.rulings import Finding

_BYTES_SPLIT = re.compile(r"ppm|paq|byte_?mix|n_?bytes|_bytes_|bytes\(|uint8_t", re.IGNORECASE)
"""In any script that takes tokens apart into bytes; without it none of the rest is looked at."""
_BYTE_MODEL = re.compile(r"ppm(?!i)|\bpaq|byte_?mix", re.IGNORECASE)
_SPREADS = re.compile(
    r"(?:lp|log_?p\w*|nll\w*)(?:\[[^\]]{1,40}\])?\)?\s*/\s*(?:float\()?"
    r"(?:n_?bytes|nb|num_bytes|n_byte\w*|\w*_lens?\b|len\((?:tb|token_bytes|bs|raw|piece)\w*\))"
)
_MIXES = re.compile(
    r"logaddexp|log1p\(\w*\.?exp\(-?\(?\w*\.?abs|\(1(?:\.0?)?\s*-\s*\w[\w.\[\]]*\)\s*\*|log\(1(?:\.0?)?\s*-\s*\w+\)"
)
_MAY_MIX_WORDS = ("logaddexp", "log1p(", "(1", "log(1")
_MAY_MIX = re.compile(r"logaddexp|log1p\(|\(1(?:\.0?)?\s*-|log\(1")
_DIVIDES_BY_LENGTH = re.compile(r"/\s*(?:float\(|max\()?\s*(?:len\(|n_?b|num_bytes|\w*_lens?\b)")
_OF_BYTES = re.compile(
    r"id_to_piece|encode\(|byte_stream|tok(?:en)?_bytes_\w+|piece_bytes|bytearray|\bbytes\(|uint8_t|byte_(?:log|nn|prob)"
)
_IN_C = re.compile(r"\buint8_t\b")
_C_MIXES = re.compile(r"\bmix\w*|\w+_mix\b")
_MARGINALISES = re.compile(r"trie|marginal|byte_distribution|byte_conditional|first_byte", re.IGNORECASE)
_SWITCH = re.compile(r"\b\w*(?:ppm|byte_?mix)\w*_(?:enabled|on|eval)\b|\bfinal_eval_ppm\b", re.IGNORECASE)
_TOPIC = re.compile(r"ppm|byte_?mix|mix_bpb", re.IGNORECASE)


def findings(case: Case) -> list[Finding]:
    """Byte mixtures and leaking gates of the scripts that run."""
    if not case.has_code:
        return []
    program = program_of(case)
    found: list[Finding] = []
    for module in program.modules.values():
        if _BYTES_SPLIT.search(module.script.text):
            found += _mixtures(case, program, module)
        if "smear" in module.script.text and "cu_seqlens" in module.script.text:
            found += _leaks(case, program, module)
    return found


def _mixtures(case: Case, program: Program, module: Module) -> Iterator[Finding]:
    for function, code in _byte_mixtures(module):
        line = function.body[0].lineno
        told = printed.account(case, module, line, _TOPIC)
        is_on = told != "denied" and program.reaches(module.script.name, line) and _is_on(program, module)
        if told != "ran" and not is_on:
            continue
        doubt = ""
        if told == "silent":
            doubt = "; no log shows that it ran"
        elif _MARGINALISES.search(code):
            doubt = "; it takes sums over some tokens"
        elif not printed.makes_the_score(case, _TOPIC):
            doubt = "; the score that is claimed is another"
        yield finding(
            "PPM_UNNORMALISED",
            f"{function.name} mixes a model of bytes with a model of tokens (line {function.lineno}){doubt}",
            module.script.at(function.lineno),
            module.script.at(_mixing_line(module, function)),
            severity="flag" if doubt else "block",
            confidence=0.5 if doubt else 0.85,
        )


def _is_on(program: Program, module: Module) -> bool:
    """Whether nothing says that it is switched off."""
    switches = {name.lower() for name in _SWITCH.findall(module.script.text)}
    stated = {program.settings.is_on(name) for name in switches if program.settings.get(name)}
    return stated != {False}


def _mixing_line(module: Module, function: Function) -> int:
    numbers = range(function.lineno, (function.end_lineno or function.lineno) + 1)
    return next((number for number in numbers if _MIXES.search(module.script.lines[number - 1])), function.lineno)


def _byte_mixtures(module: Module) -> Iterator[tuple[Function, str]]:
    """Functions that mix a model of bytes with something, and their code without comments."""
    script, lines = module.script, module.script.lines
    calls = script.lines_with(*_native_names(module))
    mixing = [number for number in script.lines_with(*_MAY_MIX_WORDS) if _MAY_MIX.search(lines[number - 1])]
    for nodes in module.definitions.values():
        for node in nodes:
            if not isinstance(node, Function):
                continue
            within = range(node.lineno, (node.end_lineno or node.lineno) + 1)
            if any(number in within for number in calls):
                yield node, ""
            elif any(number in within for number in mixing) and _may_be_of_bytes(
                "\n".join(lines[node.lineno - 1 : node.end_lineno])
            ):
                code = _code(node)
                if _mixes_bytes(node, code):
                    yield node, code


def _may_be_of_bytes(text: str) -> bool:
    return bool(_BYTE_MODEL.search(text) or _DIVIDES_BY_LENGTH.search(text))


def _mixes_bytes(function: Function, code: str) -> bool:
    if not _MIXES.search(code):
        return False
    named = _BYTE_MODEL.search(function.name) or any(
        _MIXES.search(line) and _BYTE_MODEL.search(line) for line in code.splitlines()
    )
    return bool((named and _OF_BYTES.search(code)) or _SPREADS.search(code)) or _spreads(function)


def _code(node: ast.AST) -> str:
    """Code without comments and line breaks of its own; empty where it is nested too deeply to be written down."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return ""


def _native_names(module: Module) -> list[str]:
    """Names of texts at the top of a module that hold such a mixture in C."""
    return [
        statement.targets[0].id
        for statement in module.tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.targets[0], ast.Name)
        and isinstance(statement.value, ast.Constant)
        and isinstance(text := statement.value.value, str)
        and _IN_C.search(text)
        and _BYTE_MODEL.search(text)
        and _C_MIXES.search(text)
    ]


def _spreads(function: Function) -> bool:
    """Whether something is divided by the length of what a mixing loop runs over: `lp / len(bs)`, `for b in bs`."""
    looped = {
        name_of(node.iter) for node in ast.walk(function) if isinstance(node, ast.For) and _MIXES.search(_code(node))
    }
    for node in ast.walk(function):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div):
            for part in ast.walk(node.right):
                if (
                    isinstance(part, ast.Call)
                    and name_of(part.func) == "len"
                    and name_of(part.args[0]) in looped - {"?"}
                ):
                    return True
    return False


# --- gates across documents

LEAKS_FROM = datetime.date(2026, 4, 26)
"""Earlier records with the same gate were not revisited."""

_SMEARS = re.compile(r"(\w+)\[:,\s*1:\]\s*\+\s*[^,]*\b\1\[:,\s*:-1\]")
_MASKS = re.compile(r"bos|doc_?(?:start|mask|id)|document|boundary|segment|not_first", re.IGNORECASE)
_GATE_LINES = 8
"""Lines above a mix that make its gate."""


def _leaks(case: Case, program: Program, module: Module) -> Iterator[Finding]:
    """Where the token before is mixed in although it may be another document's last."""
    if (made := _date(case)) is None or made < LEAKS_FROM:
        return
    lines: Sequence[str] = module.script.lines
    open_lines = [
        number
        for number, line in enumerate(lines, 1)
        if _SMEARS.search(line)
        and not any(_MASKS.search(above.split("#")[0]) for above in lines[max(0, number - 1 - _GATE_LINES) : number])
        and program.reaches(module.script.name, number)
    ]
    if open_lines:
        yield finding(
            "BOS_LEAK",
            f"the previous token is mixed in across document starts (line {open_lines[0]}), in packed batches",
            *(module.script.at(number) for number in open_lines[:2]),
            confidence=0.7,
        )


def _date(case: Case) -> datetime.date | None:
    """When a submission was made, as its JSON or its folder's name says."""
    for text in (str(case.json.get("date", "")), case.submission.date or "", case.submission.folder):
        if found := re.match(r"(\d{4})-(\d{2})-(\d{2})", text):
            try:
                return datetime.date(*map(int, found.groups()))
            except ValueError:
                continue
    return None
