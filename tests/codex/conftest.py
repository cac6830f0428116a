"""Codex at work: the pinned CLI in a throw-away home, the bundle installed, a workspace initialised and trusted."""

from pathlib import Path

import pytest
from codex import VERSION, Home, find
from hands import CODE_MODE, HANDS, PLAIN, Hand
from playing import BASELINE, LONGER, Round, play, prepared

from golf.workspace import Workspace


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test drives programs that might hang: none of them for long."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.timeout(180))


@pytest.fixture(scope="session")
def codex() -> Path:
    found = find()
    if found is None:
        pytest.skip(f"npm is not installed, so there is no Codex CLI {VERSION}: make tools, or name one in GOLF_CODEX")
    return found


@pytest.fixture(params=HANDS, ids=lambda hand: hand.model)
def hand(request: pytest.FixtureRequest) -> Hand:
    """A code-mode model, as all of today's defaults are, and one that calls functions."""
    return request.param


@pytest.fixture(scope="session")
def home(codex: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A user who installed the bundle."""
    home = Home.make(codex, tmp_path_factory.mktemp("home"))
    home.install()
    return home


@pytest.fixture(scope="session")
def links(home: Home, course: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace in which rounds are played; nobody scribbles in it."""
    return prepared(home, tmp_path_factory.mktemp("links"), course)


@pytest.fixture(scope="session")
def practice(home: Home, course: Path, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The workspace in which sessions try what they should not."""
    return prepared(home, tmp_path_factory.mktemp("practice"), course)


@pytest.fixture(scope="session")
def sandbox(home: Home) -> None:
    """For commands that must run: Codex runs them in its sandbox, or not at all."""
    done = home.cli("sandbox", "--", "true", cwd=home.folder)
    if done.returncode != 0:
        pytest.skip(f"Codex cannot make its sandbox here: {done.stderr.strip().splitlines()[-1]}")


@pytest.fixture(scope="session")
def rounds(home: Home, links: Workspace) -> dict[str, Round]:
    """By model: the baseline, and a candidate that trains longer and is better for it. Really trained."""
    return {
        CODE_MODE.model: play(home, links, CODE_MODE, "base", script=BASELINE, tier="tiny", seeds=[1, 2]),
        PLAIN.model: play(home, links, PLAIN, "longer", parent="base", env=LONGER, seeds=[1]),
    }
