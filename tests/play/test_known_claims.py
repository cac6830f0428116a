"""Claims that were read before are the files' claims, whatever became of file and table."""

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from datetime import UTC
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf import durable
from golf.errors import BadConfig
from golf.play import experiments, known_claims
from golf.schema import Experiment
from golf.workspace import Workspace

CLAIMS = st.builds(
    Experiment,
    hypothesis=st.text(min_size=1).filter(lambda text: bool(text.strip())),
    parent=st.none() | st.text(max_size=8),
    env=st.dictionaries(st.from_regex(r"[A-Z]{1,4}", fullmatch=True), st.text(alphabet="aé☃ \n0", max_size=4)),
    seeds=st.lists(st.integers(0, 2**40), min_size=1, max_size=3, unique=True),
    created_at=st.none() | st.datetimes(timezones=st.none() | st.just(UTC) | st.timezones()),
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with no experiment yet."""
    (tmp_path / "golf.toml").write_text('[challenge]\npreset = "parameter-golf"\n')
    (tmp_path / "experiments").mkdir()
    return Workspace.find(tmp_path)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Names of the experiments whose config.yaml was parsed."""
    names: list[str] = []
    plain = experiments.load

    def load(folder: Path) -> Experiment:
        names.append(folder.name)
        return plain(folder)

    monkeypatch.setattr(experiments, "load", load)
    yield names


def _write(workspace: Workspace, name: str, text: str, *, is_settled: bool = True) -> Path:
    path = workspace.experiments / name / experiments.CONFIG
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    if is_settled:
        _wait(path)
    return path.parent


def _wait(path: Path) -> None:
    """Let the clock go on until no later change bears the file's stamp."""
    while not durable.is_settled(durable.stamp(str(path))):
        time.sleep(0.01)


@pytest.fixture(autouse=True)
def _quick_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durable, "SETTLED_NS", 50_000_000)  # the file systems here tick in milliseconds


def _load(workspace: Workspace, folder: Path) -> Experiment:
    with known_claims.opened(workspace) as load:
        return load(folder)


def test_a_claim_is_parsed_once_and_again_when_its_file_was_changed(workspace: Workspace, parsed: list[str]) -> None:
    """Rewritten in place, replaced, and with its time of change set back."""
    folder = _write(workspace, "a", "hypothesis: one")
    assert [_load(workspace, folder).hypothesis for _ in range(3)] == ["one"] * 3
    assert parsed == ["a"]
    before = (folder / experiments.CONFIG).stat()
    _write(workspace, "a", "hypothesis: two")
    os.utime(folder / experiments.CONFIG, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert _load(workspace, folder).hypothesis == "two"
    durable.replace(folder / experiments.CONFIG, "hypothesis: six")
    assert _load(workspace, folder).hypothesis == "six"


def test_a_claim_that_was_just_written_is_parsed_until_its_file_has_settled(
    workspace: Workspace, parsed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another write within the clock's tick would bear the same stamp."""
    folder = _write(workspace, "a", "hypothesis: one")
    monkeypatch.setattr(durable, "SETTLED_NS", 10**18)
    _load(workspace, folder)
    _load(workspace, folder)
    assert parsed == ["a", "a"]


def test_only_new_claims_are_parsed(workspace: Workspace, parsed: list[str]) -> None:
    """Of many, those that came since the last reading."""
    folders = [_write(workspace, f"old{number}", f"hypothesis: idea {number}") for number in range(3)]
    for folder in folders:
        _load(workspace, folder)
    folders.append(_write(workspace, "new", "hypothesis: another"))
    parsed.clear()
    with known_claims.opened(workspace) as load:
        assert [load(folder).hypothesis for folder in folders] == ["idea 0", "idea 1", "idea 2", "another"]
    assert parsed == ["new"]


@given(claim=CLAIMS)
def test_a_kept_claim_is_the_one_that_was_written(claim: Experiment) -> None:
    """Also which of its fields were stated."""
    known = known_claims._Known(_table())
    known._keep("a", "1 1 1 1", claim)
    known.write()
    kept = known._kept("a", "1 1 1 1")
    assert kept is None or (kept, kept.model_fields_set) == (claim, claim.model_fields_set)
    if claim.created_at is None or claim.created_at.tzinfo in (None, UTC):  # JSON has no seconds in an offset
        assert kept is not None


def test_what_json_cannot_say_is_parsed_each_time(workspace: Workspace, parsed: list[str]) -> None:
    """YAML may escape half of a surrogate pair, and a file's name may be no text."""
    odd = _write(workspace, "odd", 'hypothesis: "half \\ud800 a pair"')
    strange = _write(workspace, os.fsdecode(b"str\xffnge"), "hypothesis: named in bytes")
    for folder, text in [(odd, "half \ud800 a pair"), (strange, "named in bytes")] * 2:
        with contextlib.suppress(BadConfig):
            assert _load(workspace, folder).hypothesis == text
    assert parsed == [odd.name, strange.name] * 2


def test_a_damaged_or_missing_claim_is_an_error_as_before(workspace: Workspace) -> None:
    """Also when a good one was kept; and a good one is read again when it is back."""
    folder = _write(workspace, "a", "hypothesis: one")
    _load(workspace, folder)
    _write(workspace, "a", "tier: [")
    with pytest.raises(BadConfig, match="could not be read"):
        _load(workspace, folder)
    (folder / experiments.CONFIG).unlink()
    with pytest.raises(BadConfig, match="is missing"):
        _load(workspace, folder)
    _write(workspace, "a", "hypothesis: three")
    assert _load(workspace, folder).hypothesis == "three"


@pytest.mark.parametrize("kept", ["no JSON", '{"hypothesis": ""}', '{"hypothesis": "h", "unknown": 1}'])
def test_a_kept_claim_that_does_not_keep_to_the_rules_is_read_anew(workspace: Workspace, kept: str) -> None:
    """A version with other rules, or a disk, may have left it."""
    folder = _write(workspace, "a", "hypothesis: one")
    _load(workspace, folder)
    with contextlib.closing(sqlite3.connect(workspace.database)) as connection, connection:
        connection.execute("UPDATE known_claim SET claim = ?", (kept,))
    assert _load(workspace, folder).hypothesis == "one"


@pytest.mark.parametrize("damage", ["no database", "a folder", "another table"])
def test_without_a_usable_database_claims_are_parsed(workspace: Workspace, parsed: list[str], damage: str) -> None:
    """And nothing is lost of what lies there."""
    folder = _write(workspace, "a", "hypothesis: one")
    workspace.database.parent.mkdir(exist_ok=True)
    if damage == "no database":
        workspace.database.write_bytes(b"somebody's notes" * 100)
    elif damage == "a folder":
        workspace.database.mkdir()
    else:
        with contextlib.closing(sqlite3.connect(workspace.database)) as connection:
            connection.execute("CREATE TABLE known_claim (something TEXT)")
    assert [_load(workspace, folder).hypothesis for _ in range(2)] == ["one"] * 2
    assert parsed == ["a", "a"]


def test_what_was_read_is_kept_though_the_reader_failed(workspace: Workspace, parsed: list[str]) -> None:
    """The next one goes on from there."""
    folder = _write(workspace, "a", "hypothesis: one")
    with pytest.raises(BadConfig), known_claims.opened(workspace) as load:
        load(folder)
        load(workspace.experiments / "none")
    parsed.clear()
    _load(workspace, folder)
    assert parsed == []


def _table() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(known_claims.TABLES)
    return connection
