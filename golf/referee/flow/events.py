"""What happens in a script, in order: loops, forwards, updates, losses that are kept and reported."""

from dataclasses import dataclass, field

from golf.referee.flow.tags import Tags
from golf.referee.program import Module
from golf.rulings import Evidence


@dataclass(frozen=True)
class Event:
    """Something that happens, where and when."""

    module: Module
    line: int
    function: str
    order: int
    """Position in the walk: what is smaller happens first, within one iteration of the loops both are in."""
    loops: tuple[int, ...]
    """Loops it is in, outermost first; indices into `Trace.loops`."""
    is_certain: bool
    """False when a guard that the settings leave open stands before it."""

    @property
    def evidence(self) -> Evidence:
        """The line it stands on."""
        return self.module.script.at(self.line)


@dataclass(frozen=True)
class Loop(Event):
    """A loop, as often as it is entered."""

    is_counted: bool
    """`for`, whose variable tells what it selects; a `while` may select anything."""
    rounds: int | None
    """How often it goes round, where a setting or a constant tells."""
    is_settled: bool
    """False when the submission's sources disagree on how often."""


@dataclass(frozen=True)
class Forward(Event):
    """A model or a loss computed on text."""

    data: Tags
    """Tags of the text: data, cut, loop, upto, from."""
    nets: frozenset[int]
    """Weights it is computed with."""
    adapted: frozenset[int]
    """Updates on validation text that those weights had been through; indices into `Trace.updates`."""
    calibrates: bool
    """Inside a function that gathers statistics for quantisation."""


@dataclass(frozen=True)
class Update(Event):
    """Weights changed by a gradient: the line is the backward's."""

    data: Tags
    nets: frozenset[int]
    forwards: frozenset[int]
    """Forwards that the gradient comes from; indices into `Trace.forwards`."""


@dataclass(frozen=True)
class Bank(Event):
    """Losses kept: added up, appended or stored."""

    forwards: frozenset[int]
    first_of: frozenset[int]
    """Loops in whose first iteration alone this happens."""
    begins: frozenset[str]
    """Named places that the kept part begins at: `s` of `nll[s:]`."""


@dataclass(frozen=True)
class Report(Event):
    """A number called bits per byte is named or printed."""

    label: str
    """The word a printed line begins with, e.g. `final_int8_zlib_roundtrip_exact`; empty where a name takes it."""


@dataclass
class Trace:
    """What happened, each list in its order."""

    loops: list[Loop] = field(default_factory=list)
    forwards: list[Forward] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    banks: list[Bank] = field(default_factory=list)
    exports: list[Event] = field(default_factory=list)
    """Weights quantised, saved or packed."""
    reported: dict[int, list[Report]] = field(default_factory=dict)
    """Forwards whose loss reaches a number called bits per byte, with the places that it does."""
    renewed: dict[int, list[Event]] = field(default_factory=dict)
    """Weights made, reset or loaded anew."""
    cuts: list[tuple[int, ...]] = field(default_factory=list)
    """For each slice of text the loops it is taken in."""
    tensors: set[int] = field(default_factory=set)
    """Weights that are single tensors made in the script, such as an added bias."""
    single: set[int] = field(default_factory=set)
    """Of these the ones whose first dimension is 1: one for a whole batch."""
    is_cut_short: bool = False
