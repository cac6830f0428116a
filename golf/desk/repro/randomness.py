"""Seeds: which libraries' random numbers a script draws, which of them it seeds, and with what.

Surprising: `torch.manual_seed` seeds every CUDA device as well, so that a script which calls it lacks no CUDA seed; a
`torch.Generator()` begins at a constant, NumPy's `default_rng()` at the system's entropy.
Source: PyTorch 2.13, torch.manual_seed and torch.Generator; NumPy 2, numpy.random.default_rng.
"""

import ast
import re
from collections.abc import Iterator

from golf.desk.findings import Finding
from golf.desk.repro.placing import at
from golf.desk.repro.program import Call, Module, Program
from golf.referee.program import Function
from golf.referee.syntax import last_name, statements, targets

ALL = frozenset(("torch", "cuda", "numpy", "random"))
"""What a framework's own seeding covers."""

_SEEDS: dict[str, frozenset[str]] = {
    "torch.manual_seed": frozenset(("torch", "cuda")),
    "torch.random.manual_seed": frozenset(("torch", "cuda")),
    "torch.set_rng_state": frozenset(("torch",)),
    "torch.cuda.manual_seed_all": frozenset(("cuda",)),
    "torch.cuda.random.manual_seed_all": frozenset(("cuda",)),
    "torch.cuda.manual_seed": frozenset(("cuda",)),
    "numpy.random.seed": frozenset(("numpy",)),
    "numpy.random.set_state": frozenset(("numpy",)),
    "random.seed": frozenset(("random",)),
    "random.setstate": frozenset(("random",)),
    "mlx.core.random.seed": frozenset(("mlx",)),
    "tensorflow.random.set_seed": frozenset(("tensorflow",)),
    "tensorflow.keras.utils.set_random_seed": frozenset(("tensorflow", "numpy", "random")),
    "keras.utils.set_random_seed": frozenset(("tensorflow", "torch", "cuda", "numpy", "random")),
}

_SEEDER = re.compile(
    r"seed_everything|seed_all(?:_rng)?|(?:set|fix|init|setup|configure)_?(?:global_|random_|all_|every_?thing_)?seeds?"
    r"|random_seed|set_determinism|enable_full_determinism|manual_seed"
)
"""Names of functions that seed all, in lightning, transformers, accelerate, monai, timm, ignite and others."""

_FRAMEWORK_TRAINERS = re.compile(r"(?:transformers|trl|sentence_transformers)\..*Trainer")
"""Their constructors seed all with their arguments' `seed`, 42 by default."""

_TORCH = re.compile(
    r"torch\.(?:rand|randn|randint|randperm|rand_like|randn_like|randint_like|normal|bernoulli|multinomial|poisson)"
    r"|torch\.nn\.init\.(?!constant_|zeros_|ones_|eye_|dirac_|calculate_gain)\w+_"
    r"|torch\.nn\.functional\.(?:\w*dropout\w*|gumbel_softmax|rrelu)"
    r"|torch\.nn\.(?:modules\.\w+\.)?(?:Lazy)?(?:Linear|Bilinear|Conv\w+|Embedding|EmbeddingBag|RNN|LSTM|GRU|\w+Cell"
    r"|MultiheadAttention|Transformer\w*|\w*Dropout\w*|RReLU)"
    r"|torch\.utils\.data\.(?:RandomSampler|WeightedRandomSampler|random_split)"
    r"|torchvision\.transforms\.(?:v2\.)?Random\w+"
)
_TORCH_METHODS = frozenset(
    ("normal_", "uniform_", "random_", "bernoulli_", "exponential_", "cauchy_", "log_normal_", "geometric_")
)
_NUMPY = re.compile(
    r"numpy\.random\.(?!seed$|default_rng$|RandomState$|Generator$|SeedSequence$|[gs]et_state$|PCG64\w*$|Philox$"
    r"|MT19937$|SFC64$|BitGenerator$)\w+"
)
_SKLEARN = re.compile(
    r"sklearn\..*\.(?:train_test_split|\w*ShuffleSplit|shuffle|resample|RandomForest\w+|ExtraTrees\w+|MLP\w+|KMeans"
    r"|MiniBatchKMeans|SGD\w+|make_\w+|GradientBoosting\w+)"
)
_RANDOM = re.compile(
    r"random\.(?:random|randint|randrange|choice|choices|sample|shuffle|uniform|gauss|getrandbits|triangular|randbytes"
    r"|\w+variate)"
)
_MLX = re.compile(
    r"mlx\.core\.random\.(?!seed$|key$|split$|state$)\w+|mlx\.nn\.(?:Linear|Embedding|Conv\w+|Dropout\w*|LSTM|GRU|RNN)"
)
_TENSORFLOW = re.compile(r"tensorflow\.random\.(?!set_seed$|Generator|experimental|create_rng_state$|stateless)\w+")

_ENTROPY = re.compile(
    r"time\.(?:time|time_ns|perf_counter|perf_counter_ns|monotonic|monotonic_ns)|(?:datetime\.)?datetime\.(?:now|utcnow|today)"
    r"|os\.(?:getpid|urandom|getrandom)|uuid\.uuid[14]|secrets\.\w+|random\.SystemRandom|hash|id|torch\.seed"
)
"""Calls that give something else every time, or in every process."""

_OWN = {"random.seed": _RANDOM, "numpy.random.seed": _NUMPY, "torch.manual_seed": _TORCH}
"""Draws of the generator that a call seeds."""

_MAKERS = frozenset(("numpy.random.default_rng", "numpy.random.RandomState", "random.Random"))
"""Generators that begin at the system's entropy unless they are given a seed."""

_FIXES = {
    "torch": "torch.manual_seed(seed) before the model and the data are made; it seeds every CUDA device too",
    "cuda": "torch.cuda.manual_seed_all(seed), or torch.manual_seed(seed), which covers it, before the model is made",
    "numpy": "np.random.seed(seed), or draw from rng = np.random.default_rng(seed)",
    "random": "random.seed(seed), or draw from rng = random.Random(seed)",
    "mlx": "mx.random.seed(seed)",
    "tensorflow": "tf.keras.utils.set_random_seed(seed)",
}
_NAMES = {
    "torch": "torch",
    "cuda": "CUDA",
    "numpy": "NumPy",
    "random": "Python's",
    "mlx": "MLX",
    "tensorflow": "TensorFlow",
}

HOPS_MAX = 5
"""Assignments and calls that a seed is followed through."""
SEEDINGS_MAX = 200
"""Calls of one script whose seed is followed."""


def missing_seeds(program: Program) -> Iterator[Finding]:
    """A library whose random numbers are drawn and that nothing seeds, at the first draw."""
    workers = _in_workers_only(program)
    seeded = set[str]()
    for call in program.calls:
        scope = call.place.module.scope(call.node)
        if not (isinstance(scope, Function) and scope.name in workers):
            seeded |= covered(program, call)
    draws: dict[str, tuple[Module, ast.AST]] = {}
    for module, node, library in _draws(program):
        earlier = draws.get(library)
        if earlier is None or (earlier[0] is not program.entry and module is program.entry):
            draws[library] = (module, node)
    if "torch" in draws and (device := cuda_use(program)):
        draws["cuda"] = device
    never = _never_called(program)
    for library, (module, node) in draws.items():
        if library in seeded:
            continue
        yield at(
            module, node, f"SEED_{library.upper()}", "error",
            f"{program.name} draws {_NAMES[library]} random numbers and never seeds them"
            + (f"; {never[library]} would, and nothing calls it" if library in never else ""),
            _FIXES[library],
        )  # fmt: skip


def seeds_that_vary(program: Program) -> Iterator[Finding]:
    """Seeds taken from time, process or the system's entropy, and such as are set only when they are asked for."""
    optional = _optional(program)
    for call in [call for call in program.calls if _takes_seed(program, call)][:SEEDINGS_MAX]:
        module = call.place.module
        given = [one for one in (*call.node.args, *(word.value for word in call.node.keywords)) if one is not None]
        is_bare = (call.name in _MAKERS or call.name in ("random.seed", "numpy.random.seed", "torch.seed")) and (
            (not given and not call.is_open) or (len(given) == 1 and _is_none(given[0]))
        )
        own = _OWN.get(call.name)
        source = next((text for one in given if (text := _entropy(program, module, one, own))), None)
        if is_bare:
            source = "the system's entropy"
        if source:
            yield at(
                module, call.node, "SEED_VARIES", "error",
                f"the seed comes from {source}, so it is another one in every run",
                "take the seed from an argument with a fixed default, and log it",
            )  # fmt: skip
            continue
        names = {last_name(part) for one in (*given, *call.place.tests) for part in ast.walk(one)} - {"?"}
        for name in sorted(names & optional.keys()):
            where, node = optional[name]
            yield at(
                where, node, "SEED_OPTIONAL", "error",
                f"`{name}` is None unless it is given, and then {module.script.name}:{call.node.lineno} seeds nothing",
                f"give `{name}` a number as its default",
            )  # fmt: skip


def _takes_seed(program: Program, call: Call) -> bool:
    return (
        call.name in _MAKERS
        or call.name == "torch.seed"
        or call.last in ("PRNGKey", "manual_seed")
        or is_seeding(program, call)
    )


def covered(program: Program, call: Call) -> frozenset[str]:
    """The libraries that a call seeds."""
    if call.name in _SEEDS:
        return _SEEDS[call.name]
    if is_framework_seeding(program, call) or _FRAMEWORK_TRAINERS.fullmatch(call.name):
        return ALL
    return frozenset()


def is_framework_seeding(program: Program, call: Call) -> bool:
    """Whether a call is of an imported function, none of the repository's, whose name says that it seeds all."""
    root = call.name.split(".")[0]
    return (
        "." in call.name
        and root not in ("torch", "numpy", "random", "self", "?", "mlx", "tensorflow", "keras")
        and (root in call.place.module.imported or call.name in call.place.module.imported)
        and bool(_SEEDER.fullmatch(call.last))
        and call.last not in program.definitions
    )


def is_seeding(program: Program, call: Call) -> bool:
    """Whether a call seeds anything."""
    return bool(covered(program, call)) and not _FRAMEWORK_TRAINERS.fullmatch(call.name)


def cuda_use(program: Program) -> tuple[Module, ast.AST] | None:
    """Where a script first puts something on a CUDA device, or None."""
    found: list[tuple[bool, Module, ast.AST]] = []
    for place in program.places:
        for node in place.own:
            is_cuda = (
                (isinstance(node, ast.Constant) and isinstance(node.value, str) and _is_cuda(node.value))
                or (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "cuda")
                or (isinstance(node, ast.Call) and place.module.name(node.func) == "torch.cuda.set_device")
            )
            if is_cuda:
                found.append((place.module is not program.entry, place.module, node))
    if not found:
        return None
    _, module, node = min(found, key=lambda one: (one[0], getattr(one[2], "lineno", 0) if not one[0] else 0))
    return module, node


def _is_cuda(text: str) -> bool:
    return bool(re.fullmatch(r"cuda(?::\d*)?|nccl", text))


def _in_workers_only(program: Program) -> set[str]:
    """Functions that data loaders call in their workers, and nothing calls in the main process."""
    given = {last_name(word) for call in program.calls if (word := call.keyword("worker_init_fn")) is not None}
    return given - program.calls_of.keys()


def _draws(program: Program) -> Iterator[tuple[Module, ast.AST, str]]:
    """Draws of random numbers from a library's global generator."""
    for place in program.places:
        module = place.module
        for node in place.own:
            if isinstance(node, ast.ClassDef):
                for base in node.bases:
                    if _TORCH.fullmatch(module.name(base)):
                        yield module, base, "torch"
            elif isinstance(node, ast.Call) and (library := _drawn(module, node)):
                yield module, node, library


def _drawn(module: Module, node: ast.Call) -> str | None:
    name = module.name(node.func)
    keywords = {word.arg for word in node.keywords if not _is_none(word.value)}
    if "generator" in keywords or "random_state" in keywords or ("key" in keywords and name.startswith("mlx.")):
        return None
    last = node.func.attr if isinstance(node.func, ast.Attribute) else ""
    if _TORCH.fullmatch(name) or (last in _TORCH_METHODS and _imports(module, "torch")):
        return "torch"
    if name.endswith("DataLoader") and any(
        word.arg == "shuffle" and not _is_false(word.value) for word in node.keywords
    ):
        return "torch"
    if _NUMPY.fullmatch(name) or _SKLEARN.fullmatch(name):
        return "numpy"
    if last == "sample" and keywords & {"frac", "n"} and _imports(module, "pandas"):
        return "numpy"
    if _RANDOM.fullmatch(name) and module.aliases.get("random", "random") == "random" and _imports(module, "random"):
        return "random"
    if _MLX.fullmatch(name):
        return "mlx"
    return "tensorflow" if _TENSORFLOW.fullmatch(name) else None


def _imports(module: Module, package: str) -> bool:
    return package in module.packages


def _never_called(program: Program) -> dict[str, str]:
    """Functions that would seed a library and that nothing reaches, by library."""
    reached = {id(place.statement) for place in program.places}
    found: dict[str, str] = {}
    for name, definitions in program.definitions.items():
        for module, function in definitions:
            for statement in statements(function.body):
                if id(statement) in reached or not isinstance(statement, ast.Expr):
                    continue
                for library in _SEEDS.get(module.name(getattr(statement.value, "func", None)), ()):
                    found.setdefault(library, f"{name}() at {module.script.name}:{function.lineno}")
    return found


def _entropy(program: Program, module: Module, given: ast.expr, own: re.Pattern[str] | None) -> str | None:
    """What of an expression differs from run to run, followed through names, attributes, defaults and callers.

    `own` matches draws of the very generator that is being seeded: before its seed they are anything.
    """
    waiting: list[tuple[Module, ast.AST, int]] = [(module, given, HOPS_MAX)]
    seen: set[tuple[str, str]] = set()
    while waiting:
        where, node, left = waiting.pop()
        for part in ast.walk(node):
            if isinstance(part, ast.Call):
                called = where.name(part.func)
                if _ENTROPY.fullmatch(called) or (own is not None and own.fullmatch(called)):
                    return f"{called}()"
            if not left or not isinstance(part, ast.Name | ast.Attribute):
                continue
            name = last_name(part)
            key = (where.script.name, name)
            if key in seen:
                continue
            seen.add(key)
            waiting += [(there, value, left - 1) for there, value in _values(program, where, part, name)]
    return None


def _values(program: Program, module: Module, node: ast.AST, name: str) -> Iterator[tuple[Module, ast.AST]]:
    """Expressions that a name may stand for at a node."""
    if isinstance(node, ast.Attribute):
        if "seed" not in name.lower():
            return  # an attribute of any object has any value: only what is called a seed is followed
        for place in program.places:
            for target in targets(place.statement):
                if last_name(target) == name and (value := getattr(place.statement, "value", None)):
                    yield place.module, value
        for call in program.calls_of.get("add_argument", []):
            if _option(call.node) == name and (default := call.keyword("default")):
                yield call.place.module, default
        return
    scope = module.scope(node)
    if found := module.values(node, name):
        yield from ((module, value) for value in found)
        return
    if isinstance(scope, Function):
        positions = [argument.arg for argument in (*scope.args.posonlyargs, *scope.args.args)]
        if name not in [*positions, *(argument.arg for argument in scope.args.kwonlyargs)]:
            return
        for call in program.calls_of.get(scope.name, []):
            if value := call.keyword(name):
                yield call.place.module, value
            elif name in positions and (index := positions.index(name) - (positions[0] in ("self", "cls"))) < len(
                call.node.args
            ):
                yield call.place.module, call.node.args[index]


def _optional(program: Program) -> dict[str, tuple[Module, ast.AST]]:
    """Options called a seed whose default is None, by name."""
    found: dict[str, tuple[Module, ast.AST]] = {}
    for call in program.calls:
        name = _option(call.node) if call.last in ("add_argument", "option") else None
        if name and "seed" in name and not call.is_open and not _is_required(call):
            default = call.keyword("default")
            if default is None or _is_none(default):
                found[name] = (call.place.module, call.node)
    for place in program.places:
        statement = place.statement
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name) and statement.value:
            is_field = isinstance(place.module.parents.get(statement), ast.ClassDef)
            if is_field and "seed" in statement.target.id.lower() and _is_none(statement.value):
                found[statement.target.id] = (place.module, statement)
    return found


def _is_required(call: Call) -> bool:
    required = call.keyword("required")
    return isinstance(required, ast.Constant) and required.value is True


def _option(node: ast.Call) -> str | None:
    """`seed` of `add_argument("--seed")`, or of its `dest`."""
    for word in node.keywords:
        if word.arg == "dest" and isinstance(word.value, ast.Constant):
            return str(word.value.value)
    names = [one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)]
    long = next((name for name in names if name.startswith("--")), None)
    return long.lstrip("-").replace("-", "_") if long else None


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value
