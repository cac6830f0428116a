"""What a stand-in for a provider offers to tests: the provider, its bill, and its bad days."""

from types import TracebackType
from typing import Any, Protocol, Self

FAULTS = (
    "http_500",
    "http_429",
    "create_timeout_but_created",
    "network_lost",
    "slow",
    "capacity",
    "half_created",
    "log_breaks",
)
"""Bad days; a stand-in raises ValueError for one that its provider cannot have."""


class Provider(Protocol):
    """A provider on loopback that really runs what it is given, on this machine, and ends it at its limit."""

    name: str
    """The back-end's, in golf.toml."""
    env: dict[str, str]
    """What our processes need in their environment: fake keys, endpoints."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def tier(self) -> dict[str, Any]:
        """The tier's table for golf.toml, options included."""
        ...

    def alive(self, owner: str) -> list[str]:
        """Ids of an owner's launches that still cost."""
        ...

    def plant_foreign(self) -> str:
        """Start something that is another's, however much its name looks like ours; returns its id."""
        ...

    def is_alive(self, remote_id: str) -> bool:
        """Whether it still costs."""
        ...

    def billed_micro_usd(self, owner: str) -> int | None:
        """What it billed for an owner's launches so far; None where it bills nothing and seconds count."""
        ...

    def fault(self, name: str | None) -> None:
        """Begin a bad day, or (None) end all of them."""
        ...
