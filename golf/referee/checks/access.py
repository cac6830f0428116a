"""What a run reaches beyond its artifact: the network, and libraries nobody knows.

An artifact stands alone: what a run fetches while it evaluates is neither counted nor there for whoever reproduces it.
Scripts that prepare data download, and so do helpers nobody calls; so only what the training script reaches counts, and
a call behind a condition that the settings leave open asks for a person.
"""

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from golf.referee.case import Case
from golf.referee.program import Module, Program, imported, program_of
from golf.referee.rulebook import finding
from golf.referee.syntax import name_of, statements
from golf.rulings import Finding

_WORDS = re.compile(r"urllib|requests|httpx|aiohttp|socket|hugging|hf_|snapshot|\bhub\b|wget|curl|\bpip\b|\bapt")
"""Without any of these a script has no call that is looked for."""
_FETCHES = re.compile(
    r"^(?:urllib\.request\.|request\.)?(?:urlopen|urlretrieve)$"
    r"|^(?:requests|httpx)\.(?:get|post|put|request|stream|Session|Client|AsyncClient)$"
    r"|^aiohttp\.(?:ClientSession|request)$|^socket\.(?:create_connection)$"
    r"|(?:^|\.)(?:hf_hub_download|snapshot_download|cached_download)$|^torch\.hub\.(?:load|load_state_dict_from_url)$"
    r"|^wget\.download$"
)
_STARTS = re.compile(r"^subprocess\.(?:run|call|check_call|check_output|Popen)$|^os\.(?:system|popen)$")
_COMMAND = re.compile(
    r"(?:^|[\s;&|/])(?:wget|curl|git clone|huggingface-cli download|hf download|apt(?:-get)? install|aria2c)\b"
)
_INSTALL = re.compile(r"\bpip3?\s+(?:-\S+\s+)*install\b|\buv pip install\b")

_GENERAL = frozenset(
    "torch numpy scipy sentencepiece tiktoken tokenizers transformers datasets huggingface_hub safetensors triton einops "
    "flash_attn flash_attn_interface xformers fla mamba_ssm causal_conv1d selective_scan_cuda causal_conv1d_cuda "
    "liger_kernel apex transformer_engine bitsandbytes torchao accelerate deepspeed jax jaxlib flax optax mlx numba "
    "cupy cython pandas pyarrow sklearn matplotlib tqdm rich psutil pynvml wandb requests yaml omegaconf packaging "
    "brotli zstandard zstd lz4 snappy blosc blosc2 msgpack cffi pybind11 setuptools ninja pytest modal runpod torchvision "
    "networkx sympy regex ftfy cuda cutlass typing_extensions nvidia python_minifier xxhash".split()
)
"""Libraries that many use for many things; accepted records import the rarer of them."""


def findings(case: Case) -> list[Finding]:
    """NETWORK and CUSTOM_LIB."""
    if not case.has_code:
        return []
    program = program_of(case)
    return [*_network(program), *_libraries(case, program)]


@dataclass(frozen=True)
class _Call:
    """A call that reaches out."""

    line: int
    what: str
    installs: bool


def _network(program: Program) -> Iterator[Finding]:
    for module in program.modules.values():
        calls = [call for call in _calls(module) if program.reaches(module.script.name, call.line)]
        for call in sorted(calls, key=lambda call: call.installs)[:1]:
            yield finding(
                "NETWORK",
                f"{module.script.name} {'installs packages' if call.installs else f'calls {call.what}'} as it runs "
                f"(line {call.line})",
                module.script.at(call.line),
                confidence=0.5 if call.installs else 0.7,
                severity="note" if call.installs else "flag",
            )


def _calls(module: Module) -> Iterator[_Call]:
    """Calls of a script that fetch something or start a program that does."""
    if not _WORDS.search(module.script.text):
        return
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.Call):
            continue
        name = name_of(node.func)
        if _FETCHES.search(name):
            yield _Call(node.lineno, name, False)
        elif _STARTS.search(name):
            command = _command(node)
            if _COMMAND.search(command) or _INSTALL.search(command):
                yield _Call(node.lineno, " ".join(command.split()[:3]), not _COMMAND.search(command))


def _command(call: ast.Call) -> str:
    """The words of a command that are spelled out."""
    first = call.args[0] if call.args else None
    parts = first.elts if isinstance(first, ast.List | ast.Tuple) else [first]
    return " ".join(part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))


def _libraries(case: Case, program: Program) -> Iterator[Finding]:
    """Imports that are neither general nor beside the script."""
    shipped = {part.split(".")[0] for name in (*case.files, *program.modules) for part in PurePosixPath(name).parts}
    seen: set[str] = set()
    for module in program.modules.values():
        for statement in statements(module.tree.body):
            if isinstance(statement, ast.ImportFrom) and statement.level:
                continue
            for name in imported(statement):
                root = name.split(".")[0]
                if root in sys.stdlib_module_names or root in _GENERAL or root in shipped or root in seen:
                    continue
                if not program.reaches(module.script.name, statement.lineno):
                    continue
                seen.add(root)
                yield finding(
                    "CUSTOM_LIB",
                    f"imports {root}, which is neither a general library nor among the files",
                    module.script.at(statement.lineno),
                    confidence=0.3,
                    severity="note",
                )
