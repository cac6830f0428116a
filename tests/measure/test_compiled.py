"""Compiling a script's blocks: when it is tried, that numbers stay, and that whatever fails leaves the script's own."""

import copy
import functools
import shutil
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from golf.measure import compiled
from golf.measure.compiled import Compiling, places

CPU = torch.device("cpu")
V, C, T = 32, 16, 8


class Clock:
    """Time that passes only where a test says so."""

    now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def __deepcopy__(self, memo: object) -> "Clock":
        return self


class Block(nn.Module):
    def __init__(self, clock: Clock):
        super().__init__()
        self.norm, self.inner = nn.LayerNorm(C), nn.Linear(C, C)
        self._clock = clock

    def forward(self, x: Tensor) -> Tensor:
        self._clock.now += 1.0
        return x + F.gelu(self.inner(self.norm(x)))


class Model(nn.Module):
    def __init__(self, clock: Clock):
        super().__init__()
        self.tokens, self.head = nn.Embedding(V, C), nn.Linear(C, V)
        self.blocks = nn.ModuleList(Block(clock) for _ in range(3))

    def forward(self, ids: Tensor) -> Tensor:
        x = self.tokens(ids)
        for block in self.blocks:
            x = block(x)
        return self.head(x)


class Instead(nn.Module):
    """What a compiler made of a block: its costs, and perhaps its own opinion of the numbers."""

    calls = 0

    def __init__(self, block: nn.Module, clock: Clock, costs: float, error: float):
        super().__init__()
        self.block, self._clock, self._costs, self._error = block, clock, costs, error

    def forward(self, x: Tensor) -> Tensor:
        Instead.calls += 1
        before = self._clock.now
        y = self.block(x) * (1 + self._error)
        self._clock.now = before + self._costs
        return y


@pytest.fixture
def clock(monkeypatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(compiled, "time", clock)
    monkeypatch.setattr(Instead, "calls", 0)
    return clock


def compiler(monkeypatch, clock: Clock, *, costs: float, error: float = 0.0) -> None:
    monkeypatch.setattr(torch, "compile", lambda block, **_: Instead(block, clock, costs, error))


def batches(count: int, rows: int = 2) -> list[tuple[Tensor, Tensor]]:
    made = torch.Generator().manual_seed(0)
    ids = torch.randint(0, V, (count, 2, rows, T), generator=made)
    return [(inputs, targets) for inputs, targets in ids]


def own_of(model: nn.Module) -> Callable[[Tensor, Tensor, int], Tensor]:
    def losses(inputs: Tensor, targets: Tensor, first: int) -> Tensor:
        return F.cross_entropy(model(inputs).transpose(1, 2), targets, reduction="none")[:, first:]

    return losses


def compiling(model: nn.Module, notes: list[str], tokens: int = 10**9) -> Compiling:
    return Compiling(model, own_of, tokens=tokens, allowed=1e-6, device=CPU, notes=notes)


def test_blocks_that_compile_to_something_quicker_score_the_rest_with_the_same_numbers(monkeypatch, clock):
    model, notes = Model(clock), []
    expected = [own_of(model)(x, y, 0) for x, y in batches(20)]
    compiler(monkeypatch, clock, costs=0.5)
    scorer = compiling(model, notes)
    for (x, y), losses in zip(batches(20), expected, strict=True):
        torch.testing.assert_close(scorer(x, y, 0), losses)
    assert scorer.state == "compiled"
    assert notes == ["compiling its blocks took 4 s; scored with, because a batch takes 0.50 times as long then"]
    assert Instead.calls == 3 * (1 + 13), "the fourth batch compiles; of the next six three are the script's own"


def test_blocks_that_compile_to_something_hardly_quicker_are_set_aside(monkeypatch, clock):
    model, notes = Model(clock), []
    compiler(monkeypatch, clock, costs=0.97)
    scorer = compiling(model, notes)
    for x, y in batches(20):
        scorer(x, y, 0)
    assert scorer.state == "eager"
    assert "scored without, because a batch takes 0.97 times as long then" in notes[0]
    calls = Instead.calls
    scorer(*batches(1)[0], 0)
    assert Instead.calls == calls


def test_a_job_that_is_soon_over_is_never_compiled(monkeypatch, clock):
    """3 s for 16 tokens: 6,400 tokens are the limit of 1,200 s."""
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("it was compiled"))
    scorer = compiling(Model(clock), notes := [], tokens=6_400)
    for x, y in batches(20):
        scorer(x, y, 0)
    assert (scorer.state, notes) == ("eager", [])


def test_compiled_blocks_of_other_numbers_are_set_aside(monkeypatch, clock):
    model, notes = Model(clock), []
    compiler(monkeypatch, clock, costs=0.1, error=1e-3)
    expected = [own_of(model)(x, y, 0) for x, y in batches(20)]
    scorer = compiling(model, notes)
    for (x, y), losses in zip(batches(20), expected, strict=True):
        torch.testing.assert_close(scorer(x, y, 0), losses, rtol=0, atol=0)
    assert scorer.state == "eager"
    assert "scored without, because a batch's losses add up to" in notes[0]


def test_a_compiler_that_is_missing_or_fails_costs_no_score(monkeypatch, clock):
    def fails(_: nn.Module, **__: object) -> nn.Module:
        raise RuntimeError("No working C++ compiler found\nin two lines")

    monkeypatch.setattr(torch, "compile", fails)
    scorer = compiling(Model(clock), notes := [])
    for x, y in batches(6):
        assert scorer(x, y, 0).isfinite().all()
    assert "because it failed: RuntimeError: No working C++ compiler found in two lines" in notes[0]


@pytest.mark.parametrize("fails_at", range(1, 12))
def test_a_compiled_block_that_fails_later_costs_no_score(monkeypatch, clock, fails_at: int):
    """Out of memory, or a branch that was not met before: whatever batch it is."""

    class Failing(Instead):
        def forward(self, x: Tensor) -> Tensor:
            if Instead.calls >= 3 * fails_at:
                raise RuntimeError("out of memory")
            return super().forward(x)

    monkeypatch.setattr(torch, "compile", lambda block, **_: Failing(block, clock, 0.5, 0.0))
    model, notes = Model(clock), []
    expected = [own_of(model)(x, y, 0) for x, y in batches(20)]
    scorer = compiling(model, notes)
    for (x, y), losses in zip(batches(20), expected, strict=True):
        torch.testing.assert_close(scorer(x, y, 0), losses)
    assert scorer.state == "eager"
    assert "scored without, because it failed: RuntimeError: out of memory" in notes[-1]


class Remembers(Model):
    """Each forward moves what the next one adds."""

    def forward(self, ids: Tensor) -> Tensor:
        self.seen = getattr(self, "seen", 0) + 1
        return super().forward(ids) + 1e-6 * self.seen * torch.arange(V)


class Changes(Model):
    """Its first forward puts other blocks in the place of its own, and takes one away."""

    def forward(self, ids: Tensor) -> Tensor:
        if len(self.blocks) == 3:
            del self.blocks[2]
            self.blocks[0] = nn.Linear(C, C)
        return super().forward(ids)


@pytest.mark.parametrize("kind", [Remembers, Changes])
@pytest.mark.parametrize("pays_s", [0.0, 1e9])
def test_a_model_of_any_habits_scores_as_it_does_in_a_plain_loop(monkeypatch, clock, kind: type[Model], pays_s: float):
    monkeypatch.setattr(compiled, "PAYS_S", pays_s)
    compiler(monkeypatch, clock, costs=0.5)
    torch.manual_seed(0)
    plain = kind(clock)
    same = copy.deepcopy(plain)
    torch.manual_seed(1)
    expected = [own_of(plain)(x, y, 0) for x, y in batches(20)]
    torch.manual_seed(1)
    scorer = compiling(same, notes := [])
    for (x, y), losses in zip(batches(20), expected, strict=True):
        torch.testing.assert_close(scorer(x, y, 0), losses)
    if kind is Remembers and not pays_s:
        assert "because its losses depend on more than the batch" in notes[0]


def test_a_batch_of_another_shape_goes_through_the_blocks_as_they_were(monkeypatch, clock):
    """The last batch is often shorter, and the blocks would be compiled once more for it alone."""
    compiler(monkeypatch, clock, costs=0.5)
    scorer = compiling(Model(clock), [])
    for x, y in batches(20):
        scorer(x, y, 0)
    calls = Instead.calls
    scorer(*batches(1, rows=1)[0], 0)
    scorer(*batches(1)[0], 3)
    assert Instead.calls == calls
    scorer(*batches(1)[0], 0)
    assert Instead.calls > calls


def test_shapes_that_alternate_are_watched_and_never_compiled(monkeypatch, clock):
    monkeypatch.setattr(torch, "compile", lambda *_, **__: pytest.fail("it was compiled"))
    scorer = compiling(Model(clock), [])
    for _ in range(10):
        scorer(*batches(1)[0], 0)
        scorer(*batches(1, rows=1)[0], 0)
    assert scorer.state == "watching"


@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated:DeprecationWarning")  # inductor's own
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_torch_itself_compiles_blocks_to_the_same_losses(tmp_path, monkeypatch, backend):
    if backend == "inductor" and not shutil.which("g++"):
        pytest.skip("inductor needs a C++ compiler, and there is no g++")
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    monkeypatch.setattr(compiled, "PAYS_S", 0.0)
    model = Model(Clock())
    with torch.inference_mode():
        expected = [own_of(model)(x, y, 2) for x, y in batches(12)]
        scorer = compiling(model, notes := [])
        for (x, y), losses in zip(batches(12), expected, strict=True):
            torch.testing.assert_close(scorer(x, y, 2), losses)
    assert "times as long then" in notes[0], notes


def test_blocks_are_the_elements_of_the_outermost_lists():
    model = nn.Module()
    model.stem = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model.body = nn.Module()
    model.body.layers = nn.ModuleList(nn.Sequential(nn.Linear(2, 2)) for _ in range(2))
    model.head = nn.Linear(2, 2)
    assert [holder[at] for holder, at in places(model)] == [*model.stem, *model.body.layers]
