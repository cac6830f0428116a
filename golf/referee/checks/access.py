"""What a run reaches beyond its artifact: the network, either split's text, libraries nobody knows.

An artifact stands alone: what a run fetches, looks up in training shards while it evaluates, or carries of the
validation text is neither counted nor a model's doing. Scripts that prepare data download, and so do helpers nobody
calls; so only what the training script reaches counts. It blocks where an evaluation does it whatever the settings, and
where carried validation text is seen written as well as read; behind an open condition, or before training, it asks for
a person.
"""

import ast
import re
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import PurePosixPath

from golf.referee.case import Case
from golf.referee.program import Module, Program, imported, program_of
from golf.referee.reached import EVALUATES, Place, calls_of, mentions, places, words
from golf.referee.rulebook import finding
from golf.referee.syntax import last_name, name_of, statements, targets
from golf.rulings import Finding

PLACES_MAX = 200
"""Statements of one kind that are looked at."""


_REACHES_OUT = (
    "urlopen", "urlretrieve", "requests.", "httpx.", "aiohttp.", "create_connection", "wget", "curl", "aria2c",
    "_download", "torch.hub", "git clone", "hf download", "huggingface-cli", "install", "get_kernel(",
)  # fmt: skip
"""Words of which a line holds one, or no call that is looked for."""
_FETCHES = re.compile(
    r"^(?:urllib\.request\.|request\.)?(?:urlopen|urlretrieve)$"
    r"|^(?:requests|httpx)\.(?:get|post|put|request|stream|Session|Client|AsyncClient)$"
    r"|^aiohttp\.(?:ClientSession|request)$|^socket\.create_connection$"
    r"|(?:^|\.)(?:hf_hub_download|snapshot_download|cached_download)$|^torch\.hub\.(?:load|load_state_dict_from_url)$"
    r"|^wget\.download$"
)
_STARTS = re.compile(r"^(?:subprocess|sp)\.(?:run|call|check_call|check_output|Popen)$|^os\.(?:system|popen)$")
_DOWNLOADS = re.compile(r"(?:^|[\s;&|/])(?:wget|curl|aria2c|git clone|huggingface-cli download|hf download)\b")
_INSTALLS = re.compile(r"\bpip3?\s+(?:-\S+\s+)*install\b|\bapt(?:-get)?\s+(?:-\S+\s+)*install\b")

_TRAIN_WORDS = (
    "train_files",
    "train_glob",
    "train_pattern",
    "train_shards",
    "train_bin",
    "train_path",
    "fineweb_train",
)
_TRAIN_TEXT = re.compile(r"(?:^|_)train_(?:files|glob|pattern|shards|bins?|paths?)$|fineweb_train")
_LOOKS_UP = re.compile(r"cache|n_?gram|table|oracle|mixer|trie|index|prefill|pretrain|counts|bank", re.IGNORECASE)
_FILLS = frozenset(("update", "add", "insert", "ingest", "fill", "observe", "prefill", "learn", "count", "add_tokens"))

_CARRIED_WORDS = ("paid_prefix", "paidprefix", "prefix_blob", "prefixblob", "val_blob", "validation_blob")
_CARRIED = re.compile("|".join(_CARRIED_WORDS))
_UNPACKS = frozenset(("read_bytes", "decompress", "open", "load", "fromfile", "frombuffer", "b85decode", "b64decode"))
_PACKS = frozenset(("tobytes", "tofile", "compress", "savez", "savez_compressed"))
_VAL_TEXT = re.compile(r"(?:^|_)val_(?:tokens?|toks?|data|ids|text)(?:$|_)|fineweb_val", re.IGNORECASE)

_GENERAL = frozenset(
    (
        "torch", "torchvision", "torchao", "numpy", "scipy", "sklearn", "pandas", "pyarrow", "numba", "cupy", "sympy",
        "jax", "jaxlib", "flax", "optax", "mlx", "triton", "cuda", "cutlass", "nvidia", "pynvml", "psutil", "cffi",
        "pybind11", "ninja", "setuptools", "packaging", "sentencepiece", "tiktoken", "tokenizers", "transformers",
        "datasets", "huggingface_hub", "safetensors", "accelerate", "deepspeed", "einops", "flash_attn",
        "flash_attn_interface", "xformers", "fla", "mamba_ssm", "causal_conv1d", "selective_scan_cuda",
        "causal_conv1d_cuda", "liger_kernel", "apex", "transformer_engine", "bitsandbytes", "brotli", "zstandard",
        "zstd", "lz4", "snappy", "blosc", "blosc2", "xxhash", "msgpack", "regex", "ftfy", "yaml", "omegaconf", "tqdm",
        "rich", "matplotlib", "networkx", "wandb", "requests", "pytest", "modal", "runpod", "typing_extensions",
        "python_minifier", "kernels", "peft",
    )
)  # fmt: skip
"""Libraries that many use for many things; accepted records import the rarer of them."""


def findings(case: Case) -> list[Finding]:
    """NETWORK, TRAIN_DATA_AT_EVAL, VAL_IN_ARTIFACT and CUSTOM_LIB, each at most once but for libraries."""
    if not case.has_code:
        return []
    program = program_of(case)
    return [*_network(program), *_training_text(program), *_validation_text(program), *_libraries(case, program)]


# --- where a line stands


def _is_sure(place: Place, program: Program) -> bool:
    """Whether an evaluation does this whatever the settings leave open: here, and where the evaluation is called."""
    if not place.evaluates or not place.is_certain:
        return False
    called = places(program, (f"{place.function}(",))
    return any(
        caller.is_certain and any(last_name(call.func) == place.function for call in calls_of(caller.statement))
        for caller in called
    )


# --- network


def _network(program: Program) -> Iterator[Finding]:
    """The worst of the calls that fetch something, or start a program that does."""
    found: list[Finding] = []
    for place in islice(places(program, _REACHES_OUT), PLACES_MAX):
        for call in calls_of(place.statement):
            name = name_of(call.func)
            command = _command(call) if _STARTS.search(name) else ""
            what = name if _FETCHES.search(name) else " ".join(command.split()[:3])
            installs = name == "get_kernel" or bool(_INSTALLS.search(command) and not _DOWNLOADS.search(command))
            if not installs and not _FETCHES.search(name) and not _DOWNLOADS.search(command):
                continue
            is_sure = not installs and _is_sure(place, program)
            where = f"{place.function or 'its top'} (line {call.lineno} of {place.module.script.name})"
            found.append(
                finding(
                    "NETWORK",
                    f"packages or kernels are installed in {where}" if installs else f"{what} is called in {where}",
                    place.module.script.at(call.lineno),
                    confidence=0.85 if is_sure else 0.5 if installs else 0.7,
                    severity="block" if is_sure else "note" if installs else "flag",
                )
            )
    yield from sorted(found, key=lambda one: one.severity)[:1]  # block, flag, note


def _command(call: ast.Call) -> str:
    """The words of a command that are spelled out."""
    first = call.args[0] if call.args else None
    parts = first.elts if isinstance(first, ast.List | ast.Tuple) else [first]
    return " ".join(part.value for part in parts if isinstance(part, ast.Constant) and isinstance(part.value, str))


# --- training text at evaluation


def _training_text(program: Program) -> Iterator[Finding]:
    """Training shards read inside an evaluation, or into a table that an evaluation is then given."""
    found: list[Finding] = []
    for place in islice(places(program, _TRAIN_WORDS), PLACES_MAX):
        script = place.module.script
        if place.evaluates and (call := _reads_training(place.statement)):
            is_sure = _is_sure(place, program)
            found.append(
                finding(
                    "TRAIN_DATA_AT_EVAL",
                    f"{place.function} reads training shards (line {call.lineno} of {script.name})",
                    script.at(call.lineno),
                    confidence=0.85 if is_sure else 0.6,
                    severity="block" if is_sure else "flag",
                )
            )
        elif isinstance(place.statement, ast.For) and mentions(place.statement.iter, _TRAIN_TEXT):
            for fill, use in _handed_on(place, program):
                found.append(
                    finding(
                        "TRAIN_DATA_AT_EVAL",
                        f"a table filled from training shards (line {fill} of {script.name}) is handed to an "
                        f"evaluation (line {use})",
                        script.at(fill),
                        script.at(use),
                        confidence=0.6,
                        severity="flag",
                    )
                )
    yield from sorted(found, key=lambda one: one.severity)[:1]


def _reads_training(statement: ast.stmt) -> ast.Call | None:
    """A call that is given the shards to read: not one that only counts or prints them."""
    calls = list(calls_of(statement))
    if any(last_name(call.func) in ("len", "print", "log", "log0") for call in calls):
        return None
    return next(
        (call for call in calls if any(mentions(part, _TRAIN_TEXT) for part in (*call.args, *call.keywords))), None
    )


def _handed_on(place: Place, program: Program) -> Iterator[tuple[int, int]]:
    """Lines where a loop over training shards fills a table, and where an evaluation is given it."""
    filled = {
        call.func.value.id: call.lineno
        for statement in statements([place.statement])
        for call in calls_of(statement)
        if isinstance(call.func, ast.Attribute) and call.func.attr in _FILLS and isinstance(call.func.value, ast.Name)
        if _LOOKS_UP.search(call.func.value.id)
    }
    names = dict(filled)
    for later in places(program, (*filled, "eval", "score")) if filled else ():
        if later.module is not place.module or later.function != place.function:
            continue
        for call in calls_of(later.statement):
            if call.lineno > place.statement.lineno and EVALUATES.search(last_name(call.func)):
                given = {word for part in (*call.args, *call.keywords) for word in words(part)}
                yield from ((line, call.lineno) for name, line in names.items() if name in given)
        if value := getattr(later.statement, "value", None):
            held = {line for word in words(value) if (line := names.get(word))}
            names |= {last_name(target): min(held) for target in targets(later.statement) if held}


# --- validation text in the artifact


def _validation_text(program: Program) -> Iterator[Finding]:
    """A file of validation text that the run reads, e.g. a 'paid prefix'; surely so where a script packs it."""
    for place in islice(places(program, _CARRIED_WORDS), PLACES_MAX):
        call = next((call for call in calls_of(place.statement) if _CARRIED.search(last_name(call.func))), None)
        reads = call and any(name in _UNPACKS for name in _called(place.module, last_name(call.func), program))
        if call is None or not reads:
            continue
        packed = next((line for module in program.modules.values() if (line := _packs(module))), None)
        script = place.module.script
        text = (
            f"text carried beside the weights is read as {last_name(call.func)} (line {call.lineno} of {script.name})"
        )
        if packed is None:
            yield finding("VAL_IN_ARTIFACT", text, script.at(call.lineno), confidence=0.7, severity="flag")
        else:
            module, line = packed
            yield finding(
                "VAL_IN_ARTIFACT",
                f"{text}; {module.script.name} packs it from validation tokens (line {line})",
                script.at(call.lineno),
                module.script.at(line),
                confidence=0.9,
            )
        return


def _called(module: Module, name: str, program: Program) -> Iterator[str]:
    """What the own function of that name calls, where it runs."""
    for definition in module.definitions.get(name, ()):
        for statement in statements(definition.body):
            if program.reaches(module.script.name, statement.lineno):
                yield from (last_name(call.func) for call in calls_of(statement))


def _packs(module: Module) -> tuple[Module, int] | None:
    """The line at which a script whose business is a carried text turns validation tokens into bytes."""
    if not _CARRIED.search(module.script.text) and "prefix" not in PurePosixPath(module.script.name).stem:
        return None
    held: set[str] = set()
    for statement in module.script.statements:
        for target in targets(statement):
            value = getattr(statement, "value", None)
            if isinstance(target, ast.Name) and value is not None and _is_validation(value, held):
                held.add(target.id)
        for call in calls_of(statement):
            if last_name(call.func) in _PACKS and _is_validation(call, held):
                return module, call.lineno
    return None


def _is_validation(node: ast.AST, held: set[str]) -> bool:
    return any(word in held or _VAL_TEXT.search(word) for word in words(node))


# --- libraries


def _libraries(case: Case, program: Program) -> Iterator[Finding]:
    """Imports that are neither general nor beside the script; most are only unusual, so they are worth a note."""
    beside = {part.split(".")[0] for name in (*case.files, *program.modules) for part in PurePosixPath(name).parts}
    known = sys.stdlib_module_names | _GENERAL | beside
    seen: set[str] = set()
    for place in places(program, ("import ",)):
        statement = place.statement
        if isinstance(statement, ast.ImportFrom) and statement.level:
            continue
        for name in imported(statement):
            root = name.split(".")[0]
            if root not in known and root not in seen:
                seen.add(root)
                yield finding(
                    "CUSTOM_LIB",
                    f"imports {root}, which is neither a general library nor among the files",
                    place.module.script.at(statement.lineno),
                    confidence=0.3,
                    severity="note",
                )
