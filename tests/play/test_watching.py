"""A seed that cannot beat the best any more is asked to stop, then made to; nothing else is touched."""

import pytest
from scene import scored

from golf.play import early_stop, promotion, watching
from golf.play.watching import Watcher
from golf.workspace import TierSettings, Workspace


def lines(final: float, until: int, iterations: int = 4000) -> str:
    """A log whose score falls towards `final`, up to a step."""
    return "".join(
        f"step:{step}/{iterations} val_loss:{2 * value:.4f} val_bpb:{value:.4f} train_time:{step * 100}ms\n"
        for step in range(200, until + 1, 200)
        for value in [final + 1.5 * step**-0.5 * (1 - step / iterations)]
    )


@pytest.fixture
def watched(workspace: Workspace, monkeypatch: pytest.MonkeyPatch):
    """A workspace with a best run, six past curves, and a way to watch a log."""
    (workspace.root / "golf.toml").write_text("[tiers.local]\n")
    workspace = Workspace(workspace.root)
    scored(workspace, "base", 1.2)
    best = promotion.running_baseline(workspace, "local")
    assert best is not None
    folder = workspace.root / "past"
    folder.mkdir()
    for number in range(6):
        for seed in (1, 2):
            name = f"run{number}"
            (folder / name).mkdir(exist_ok=True)
            (folder / name / f"train_seed{seed}.log").write_text(lines(1.2 + number / 20 + seed / 1000, 4000))
    bank = early_stop.bank_of(workspace, "local", "", *sorted(folder.iterdir()))
    monkeypatch.setattr(early_stop, "bank_of", lambda *_, **__: bank)
    log = workspace.root / "train.log"

    def watch(mode: str, should_stop=lambda: None) -> Watcher:
        settings = TierSettings.model_validate({"early_stop": mode, "gpus": 8, "hourly_rate_usd": 20})
        return Watcher(
            workspace, "local", settings, data=best.data, experiment="x", log=log, stop_file=log.with_suffix(".stop"),
            should_stop=should_stop, look_s=0.0,
        )  # fmt: skip

    return watch, log


def test_a_hopeless_run_is_asked_to_stop_and_told_why(watched) -> None:
    watch, log = watched
    log.write_text(lines(1.9, 1600))
    watcher = watch("step-1000")
    assert watcher() is None
    assert log.with_suffix(".stop").exists()
    assert "1000" in watching.why(log.with_suffix(".stop"))
    assert watcher.advice is not None and watcher.advice.saved_usd


def test_a_trainer_that_does_not_heed_its_stop_file_is_ended(watched, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, log = watched
    log.write_text(lines(1.9, 1600))
    monkeypatch.setattr(watching, "HEED_S", 0.0)
    watcher = watch("step-1000")
    assert watcher() is None
    assert "did not heed" in (watcher() or "")


@pytest.mark.parametrize("mode", ["off", "step-1000", "bank"])
def test_a_promising_run_goes_on(watched, mode: str) -> None:
    watch, log = watched
    log.write_text(lines(1.15, 1600))
    assert watch(mode)() is None
    assert not log.with_suffix(".stop").exists()


def test_nothing_is_watched_where_the_tier_does_not_ask_for_it(watched) -> None:
    watch, log = watched
    log.write_text(lines(1.9, 1600))
    assert watch("off")() is None
    assert not log.with_suffix(".stop").exists()


def test_a_log_that_is_not_there_yet_stops_nothing(watched) -> None:
    watch, log = watched
    assert watch("bank")() is None
    assert not log.with_suffix(".stop").exists()


def test_another_reason_to_stop_comes_first(watched) -> None:
    watch, _ = watched
    assert watch("bank", lambda: "cancelled")() == "cancelled"
