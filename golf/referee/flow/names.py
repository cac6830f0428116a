"""What a name says of a call: that it counts, keeps, makes, saves, prints."""

import ast
import re
from functools import lru_cache
from typing import TypeGuard

from golf.referee.flow.values import Value
from golf.referee.program import Function
from golf.referee.syntax import last_name, name_of

BPB = re.compile(r"bpb|bits_per_byte|bits/byte", re.IGNORECASE)
LABEL = re.compile(r"\s*([\w.+/-]+)")
CALIBRATES = re.compile(r"hessian|calib", re.IGNORECASE)
MAKES_NET = re.compile(
    r"(?:^|\.)nn\.[A-Z]\w+$|(?:^|\.)[A-Z]\w*(?:GPT|Model|Net|Transformer|LoRA|LM)$|(?:^|\.)(?:GPT|LM)\w*$"
)
"""Networks whose class is not among the scripts."""
EXPORTS = re.compile(r"quanti[sz]e(?!r)|serialize|export|pack_|compress|gptq", re.IGNORECASE)
READS_ON = re.compile(r"^(?:next|next_\w+|get_batch|get_next\w*|__next__|sample\w*|read\w*|fetch\w*|take|pop\w*)$")

COUNTS = frozenset(("len", "numel", "size", "dim", "element_size", "nelement", "stat", "isinstance", "id", "type"))
APPENDS = frozenset(("append", "extend", "add", "insert", "update", "setdefault", "appendleft", "put"))
IN_PLACE = frozenset(
    ("add_", "sub_", "mul_", "div_", "copy_", "fill_", "lerp_", "addcmul_", "addcdiv_", "scatter_", "scatter_add_",
     "index_add_", "index_copy_", "masked_fill_", "clamp_")
)  # fmt: skip
FRESH = frozenset(
    ("zeros", "ones", "empty", "randn", "rand", "full", "zeros_like", "ones_like", "empty_like", "randn_like",
     "randint", "arange", "tensor")
)  # fmt: skip
SNAPSHOTS = frozenset(("clone", "deepcopy", "numpy", "tolist"))
LOSSES = frozenset(
    ("cross_entropy", "nll_loss", "log_softmax", "logsumexp", "softmax", "kl_div", "cross_entropy_loss",
     "linear_cross_entropy")
)  # fmt: skip
KEEPS_HANDLE = frozenset(
    ("compile", "DistributedDataParallel", "DDP", "FSDP", "DataParallel", "unwrap", "script", "jit", "parameters",
     "named_parameters", "state_dict", "modules", "named_modules", "children", "buffers", "named_buffers", "to", "cuda",
     "cpu", "eval", "train", "requires_grad_", "bfloat16", "half", "float", "double", "list", "tuple", "dict", "set",
     "zip", "enumerate", "reversed", "sorted", "iter", "filter", "map", "chain", "values", "items", "keys", "getattr",
     "next", "wait", "module", "detach", "data_ptr", "get", "partial")
)  # fmt: skip
LOADS = frozenset(("load_state_dict", "load_weights", "restore", "load_params"))
RESETS = re.compile(r"^_?(?:reset\w*|re_?init\w*|init_weights|zero_)$")
PRINTS = frozenset(
    ("print", "log", "log0", "info", "log_fn", "print0", "write_log", "master_print", "debug", "warning")
)
SAVES = frozenset(("save", "dump", "write", "savez", "savez_compressed", "save_file", "write_bytes", "tofile"))
READS = frozenset(("load", "open", "read_bytes", "fromfile", "memmap", "frombuffer", "load_file", "read"))

MEANT = frozenset(
    ("backward", "grad", "zero_grad", "step", "setattr", "partial", "Parameter", "requires_grad_", *COUNTS, *APPENDS,
     *IN_PLACE, *FRESH, *SNAPSHOTS, *LOSSES, *LOADS, *PRINTS, *SAVES)
)  # fmt: skip
"""Names of calls with a meaning of their own."""


@lru_cache(maxsize=1 << 14)
def is_meant(name: str, dotted: str) -> bool:
    """Whether a call may have a meaning of its own, by the last part of its name and the whole of it."""
    return name in MEANT or name.startswith("register_forward") or MAKES_NET.search(dotted) is not None


@lru_cache(maxsize=1 << 14)
def exports(name: str) -> bool:
    """Whether a call packs weights, by its name."""
    return EXPORTS.search(name) is not None


def place_name(bound: ast.expr | None) -> str:
    """The name of a place in a text: `end` of `end`, `end + 1` and `int(end)`; `?` without one."""
    while isinstance(bound, ast.BinOp | ast.Call):
        if isinstance(bound, ast.BinOp) and isinstance(bound.right, ast.Constant):
            bound = bound.left
        elif isinstance(bound, ast.Call) and last_name(bound.func) == "int" and len(bound.args) == 1:
            bound = bound.args[0]
        else:
            break
    return name_of(bound)


def is_range(node: ast.expr) -> TypeGuard[ast.Call]:
    """Whether an expression is `range(n)`."""
    return isinstance(node, ast.Call) and last_name(node.func) in ("range", "trange") and len(node.args) == 1


def is_callable(value: Value) -> bool:
    """Whether a value is a function or an object, or a row that has one."""
    return bool(value.closure) or value.instance is not None or any(map(is_callable, value.items or ()))


def is_read(source: ast.expr | None) -> bool:
    """Whether an expression may read text, so that the name it is given tells which."""
    if isinstance(source, ast.Call):
        return last_name(source.func) not in COUNTS | {"int", "float", "bool", "str", "max", "min", "sum"}
    return isinstance(source, ast.ListComp | ast.GeneratorExp | ast.Subscript)


def is_started(node: Function) -> bool:
    """Whether a function that the script never calls is its beginning all the same."""
    decorators = {last_name(item.func if isinstance(item, ast.Call) else item) for item in node.decorator_list}
    return node.name == "main" or bool(decorators & {"function", "local_entrypoint", "command", "entrypoint", "remote"})
