"""Looking at a seed's log while it trains, to end what is not worth its end: the stop file first, then the trainer.

It reads what the trainer wrote and makes one file. Only where the tier asks for it (`early_stop` in golf.toml).
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from golf.errors import UnreadableInput
from golf.play import early_stop, promotion
from golf.play.budget import cost_usd
from golf.workspace import TierSettings, Workspace

LOOK_S = 30.0
"""Between two looks."""
HEED_S = 120.0
"""For a trainer that polls its stop file, to validate and save; one that has not ended by then is ended."""


class Watcher:
    """Asked over and over whether a seed has to be ended; looks at its log now and then."""

    def __init__(
        self,
        workspace: Workspace,
        tier: str,
        settings: TierSettings,
        *,
        data: str,
        experiment: str,
        log: Path,
        stop_file: Path,
        should_stop: Callable[[], str | None],
        look_s: float = LOOK_S,
    ) -> None:
        self._log, self._stop_file, self._should_stop, self._look_s = log, stop_file, should_stop, look_s
        self._mode: Literal["bank", "step-1000"] = "bank" if settings.early_stop == "bank" else "step-1000"
        self._usd_per_s = cost_usd(1.0, settings.gpus, settings.hourly_rate_usd)
        self._next = time.monotonic() + look_s
        self._stopped_at: float | None = None
        self.advice: early_stop.Advice | None = None
        """The last look's."""
        is_on = settings.early_stop != "off"
        best = promotion.running_baseline(workspace, tier, data) if is_on else None
        self._target = None if best is None or best.val_bpb is None else best.val_bpb - settings.early_stop_delta_bpb
        self._bank = early_stop.bank_of(workspace, tier, data, without=experiment) if self._target is not None else []

    def __call__(self) -> str | None:
        """Why it has to be ended now; None goes on."""
        if (reason := self._should_stop()) is not None or self._target is None:
            return reason
        if self._stopped_at is not None:
            is_over = time.monotonic() - self._stopped_at >= HEED_S
            return f"it did not heed its stop file for {HEED_S:g} s" if is_over else None
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + self._look_s
            self._look(self._target)
        return None

    def _look(self, target_bpb: float) -> None:
        try:
            self.advice = early_stop.look(
                self._log, self._bank, target_bpb=target_bpb, usd_per_s=self._usd_per_s, mode=self._mode
            )
        except UnreadableInput:  # nothing to see yet
            return
        if self.advice.verdict == "stop":
            self._stop_file.with_name(f"{self._stop_file.name}.why").write_text(f"{self.advice.reason}\n")
            self._stop_file.touch()
            self._stopped_at = time.monotonic()


def why(stop_file: Path) -> str:
    """Why a seed was stopped early, as its watcher wrote it; empty where a person or another tool stopped it."""
    try:
        return stop_file.with_name(f"{stop_file.name}.why").read_text().strip()
    except OSError:
        return ""
