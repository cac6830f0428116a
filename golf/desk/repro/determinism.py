"""Arithmetic that does not repeat on a GPU, data loaders' workers, and half precision by hand.

Source: PyTorch 2.13, notes on reproducibility (deterministic algorithms, cuDNN, CUBLAS_WORKSPACE_CONFIG, data loaders)
and on automatic mixed precision (torch.amp; `torch.cuda.amp` is deprecated since 2.4).
"""

import ast
import re
from collections.abc import Iterator

from golf.desk.findings import Finding
from golf.desk.repro.placing import at
from golf.desk.repro.program import Call, Place, Program
from golf.desk.repro.randomness import cuda_use, is_framework_seeding
from golf.referee.program import Function
from golf.referee.syntax import targets

_CUDNN_LAYERS = re.compile(r"torch\.nn\.(?:Lazy)?(?:Conv\w+|RNN|LSTM|GRU)|torch\.nn\.functional\.conv\w+")
_WORKSPACE = (":4096:8", ":16:8")
_STORES = re.compile(r"quant|save|store|export|pack|serial|dump|checkpoint|state_dict|convert|compress", re.IGNORECASE)


def flags(program: Program, environment: dict[str, str]) -> Iterator[Finding]:
    """Settings that GPU arithmetic needs to repeat. `environment` is what launchers in the repository set."""
    device = cuda_use(program)
    if device is None:
        return
    where, node = device
    asked, refused = _deterministic(program)
    if asked is None:
        place, line = refused if refused else (where, node)
        yield at(
            place, line, "NOT_DETERMINISTIC", "warning",
            f"{program.name} runs on CUDA "
            + ("and turns deterministic algorithms off" if refused else "and never asks for deterministic algorithms")
            + ": kernels add up in any order, and losses differ in their last digits",
            "torch.use_deterministic_algorithms(True)",
        )  # fmt: skip
    workspace = environment.get("CUBLAS_WORKSPACE_CONFIG") or _set_in_code(program, "CUBLAS_WORKSPACE_CONFIG")
    if workspace is None or (workspace and workspace not in _WORKSPACE):
        place, line = asked if asked else (where, node)
        yield at(
            place, line, "CUBLAS_WORKSPACE", "warning",
            f"CUBLAS_WORKSPACE_CONFIG is {f'{workspace!r}, which' if workspace else 'set nowhere, and that'} does not "
            "keep matrix products on CUDA in one order"
            + ("; with deterministic algorithms on, they raise without it" if asked else ""),
            'os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8" before torch is imported, or export it in the launcher',
        )  # fmt: skip
    yield from _cudnn(program, is_deterministic=asked is not None)


def _deterministic(program: Program) -> tuple[tuple | None, tuple | None]:
    """Where deterministic algorithms are asked for, and where they are turned off."""
    asked = refused = None
    for call in program.calls:
        here = (call.place.module, call.node)
        if call.name in ("torch.use_deterministic_algorithms", "torch.set_deterministic_debug_mode"):
            value = call.node.args[0] if call.node.args else call.keyword("mode") or call.keyword("debug_mode")
            if isinstance(value, ast.Constant) and value.value in (False, 0, "default"):
                refused = here
            else:
                asked = here
        elif call.last in ("enable_full_determinism", "set_determinism") and is_framework_seeding(program, call):
            asked = here
        elif call.last in ("Trainer", "Fabric") or is_framework_seeding(program, call):
            word = call.keyword("deterministic")
            if word is not None and _is_on(word):
                asked = here
    return asked, refused


def _cudnn(program: Program, is_deterministic: bool) -> Iterator[Finding]:
    is_set, is_told = is_deterministic, False
    for place in program.places:
        for target in targets(place.statement):
            name = place.module.name(target)
            if not name.startswith("torch.backends."):
                continue
            value = getattr(place.statement, "value", None)
            is_off = isinstance(value, ast.Constant) and not value.value
            if name.endswith("cudnn.benchmark") and not is_off:
                yield at(
                    place.module, place.statement, "CUDNN_BENCHMARK", "warning",
                    "cuDNN times its kernels at the start and takes the fastest of this run, another one in the next",
                    "torch.backends.cudnn.benchmark = False",
                )  # fmt: skip
            elif name.endswith("cudnn.deterministic"):
                is_set = True
                if is_off:
                    yield at(
                        place.module, place.statement, "CUDNN_DETERMINISTIC", "warning",
                        "cuDNN is told that its kernels need not repeat",
                        "torch.backends.cudnn.deterministic = True",
                    )  # fmt: skip
            elif name.endswith("allow_tf32") and not is_off and not is_told:
                is_told = True
                yield _tf32(place, place.statement)
    for call in program.calls:
        if call.name == "torch.set_float32_matmul_precision" and not _is_text(call, "highest") and not is_told:
            is_told = True
            yield _tf32(call.place, call.node)
        if not is_set and _CUDNN_LAYERS.fullmatch(call.name):
            is_set = True
            yield at(
                call.place.module, call.node, "CUDNN_DETERMINISTIC", "warning",
                f"{call.last} runs on cuDNN, and nothing tells it to choose kernels that repeat",
                "torch.backends.cudnn.deterministic = True, which torch.use_deterministic_algorithms(True) includes",
            )  # fmt: skip


def _tf32(place: Place, node: ast.AST) -> Finding:
    return at(
        place.module, node, "TF32", "note",
        "float32 products are rounded to TF32 where the GPU has it: another generation of GPU gives other digits",
        'name the GPU with each result; torch.set_float32_matmul_precision("highest") to compare across GPUs',
    )  # fmt: skip


def _is_text(call: Call, text: str) -> bool:
    return bool(call.node.args) and isinstance(call.node.args[0], ast.Constant) and call.node.args[0].value == text


def _set_in_code(program: Program, variable: str) -> str | None:
    """The value of an environment variable that a script sets for itself; empty where that is no plain text."""
    for place in program.places:
        for target in targets(place.statement):
            if isinstance(target, ast.Subscript) and place.module.name(target.value) == "os.environ":
                key, value = target.slice, getattr(place.statement, "value", None)
                if isinstance(key, ast.Constant) and key.value == variable:
                    return str(value.value) if isinstance(value, ast.Constant) else ""
    for call in program.calls:
        words = [one.value for one in call.node.args if isinstance(one, ast.Constant)]
        if call.name in ("os.environ.setdefault", "os.putenv") and words[:1] == [variable]:
            return str(words[1]) if len(words) > 1 else ""
        if call.name == "os.environ.update":
            for part in ast.walk(call.node):
                if isinstance(part, ast.Constant) and part.value == variable:
                    return ""
            if call.keyword(variable) is not None:
                return ""
        if call.last == "enable_full_determinism" and is_framework_seeding(program, call):
            return _WORKSPACE[1]
    return None


def loaders(program: Program, environment: dict[str, str]) -> Iterator[Finding]:
    """Data loaders whose workers or order depend on what was drawn before."""
    del environment
    seeds_workers = any(
        call.last == "seed_everything" and (word := call.keyword("workers")) is not None and _is_on(word)
        for call in program.calls
    )
    for call in program.calls:
        if call.last not in ("DataLoader", "StatefulDataLoader") or call.is_open:
            continue
        if call.last in program.definitions:
            continue
        module, node = call.place.module, call.node
        positional = dict(
            zip(
                ("dataset", "batch_size", "shuffle", "sampler", "batch_sampler", "num_workers"), node.args, strict=False
            )
        )
        workers = call.keyword("num_workers") or positional.get("num_workers")
        shuffle = call.keyword("shuffle") or positional.get("shuffle")
        has_workers = workers is not None and _is_on(workers)
        is_shuffled = shuffle is not None and _is_on(shuffle)
        if has_workers and call.keyword("worker_init_fn") is None and not seeds_workers:
            yield at(
                module, node, "LOADER_WORKERS", "warning",
                "workers draw by themselves, and no worker_init_fn says from which seed: before torch 1.9 all of them "
                "get the same NumPy state, since then one that depends on every torch number drawn before",
                "worker_init_fn=seed_worker, which sets random's and NumPy's seed from torch.initial_seed() % 2**32",
            )  # fmt: skip
        if is_shuffled and call.keyword("generator") is None:
            yield at(
                module, node, "LOADER_GENERATOR", "warning",
                "the order of the data"
                + (" and its workers' seeds come" if has_workers else " comes")
                + " from torch's global generator: one more random number drawn before, e.g. by a layer, and it is "
                "another one",
                "generator=torch.Generator().manual_seed(seed)",
            )  # fmt: skip


def _is_on(node: ast.expr) -> bool:
    """Whether an argument is, or may be, neither 0, False nor None."""
    return not (isinstance(node, ast.Constant) and not node.value)


def precision(program: Program, environment: dict[str, str]) -> Iterator[Finding]:
    """Half precision by hand, and the old module for mixed precision."""
    del environment
    for call in program.calls:
        is_bare = call.last == "half" and not call.node.args and not call.node.keywords
        if is_bare and isinstance(call.node.func, ast.Attribute) and not _is_stored(call):
            yield at(
                call.place.module, call.node, "HALF_BY_HAND", "warning",
                "weights or inputs are cast to float16 by hand: sums and normalisations lose digits that autocast "
                "keeps, and what overflows depends on the order of additions",
                'with torch.autocast("cuda", dtype=torch.bfloat16): around the forward pass; weights stay float32',
            )  # fmt: skip
    for place in program.places:
        old = _old_amp(place)
        if old is not None:
            node, name = old
            yield at(
                place.module, node, "AMP_DEPRECATED", "warning",
                f"{name} is deprecated since torch 2.4 and will go; a later torch does not run this",
                _new_amp(name),
            )  # fmt: skip


def _new_amp(old: str) -> str:
    name, device = old.rsplit(".", 1)[-1], "cpu" if ".cpu." in old else "cuda"
    if name in ("autocast", "GradScaler"):
        return f'torch.amp.{name}("{device}")'
    if name.startswith("custom"):
        return f'torch.amp.{name}, with device_type="{device}"'
    return f'torch.amp.autocast("{device}"), torch.amp.GradScaler("{device}")'


def _old_amp(place: Place) -> tuple[ast.AST, str] | None:
    statement = place.statement
    if isinstance(statement, ast.ImportFrom):
        name = f"{statement.module}.{statement.names[0].name}"
        return (statement, name) if re.match(r"torch\.(?:cuda|cpu)\.amp(?:\.|$)", name) else None
    if isinstance(statement, ast.Import):
        name = next((one.name for one in statement.names if re.match(r"torch\.(?:cuda|cpu)\.amp\b", one.name)), None)
        return (statement, name) if name else None
    for node in place.own:
        # what was imported from there is told at its import
        if isinstance(node, ast.Attribute) and (
            match := re.match(r"torch\.(?:cuda|cpu)\.amp\.\w+", place.module.name(node))
        ):
            root = node
            while isinstance(root, ast.Attribute):
                root = root.value
            if isinstance(root, ast.Name) and place.module.aliases.get(root.id) == "torch":
                return node, match[0]
    return None


def _is_stored(call: Call) -> bool:
    """Whether a cast is for keeping: of something brought to the CPU, or in a function that saves or packs."""
    scope = call.place.module.scope(call.node)
    if isinstance(scope, Function) and _STORES.search(scope.name):
        return True
    above: ast.AST | None = call.node
    while isinstance(above, ast.expr):
        if isinstance(above, ast.Call) and _STORES.search(call.place.module.name(above.func)):
            return True
        if isinstance(above, ast.Attribute) and above.attr in ("cpu", "numpy", "tobytes", "float"):
            return True
        above = call.place.module.parents.get(above)
    inner: ast.AST = call.node.func
    while isinstance(inner, ast.Attribute | ast.Call):
        if isinstance(inner, ast.Attribute) and inner.attr in ("cpu", "detach"):
            return True
        inner = inner.value if isinstance(inner, ast.Attribute) else inner.func
    return isinstance(inner, ast.Name) and bool(re.fullmatch(r"q|scales?|t|weights?|w", inner.id))
