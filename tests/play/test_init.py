"""`golf init` adds, `--undo` takes back exactly that, and nothing of somebody's is lost on the way."""

import json
import multiprocessing
import os
import shutil
import tempfile
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import git

from golf import durable
from golf.cli import main
from golf.codex import merge
from golf.errors import BadConfig, MissingPackage, NotFound, UnreadableInput
from golf.play import doctor, footprint, init
from golf.workspace import Workspace

MERGED = (".codex/config.toml", ".codex/hooks.json", "AGENTS.md")


@contextmanager
def repository() -> Iterator[Path]:
    """A folder that is a git repository already, for many examples of one law."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name).resolve() / "ws"
        root.mkdir()
        git(root, "init", "--quiet")
        yield root


@pytest.fixture
def root(tmp_path: Path) -> Path:
    place = tmp_path / "ws"
    place.mkdir()
    git(place, "init", "--quiet")
    return place


def put(root: Path, name: str, content: bytes | str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def tree(root: Path) -> dict[str, bytes | None]:
    """Every file with its bytes and every folder, git's aside."""
    found = {}
    for path in root.rglob("*"):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] != ".git":
            found[name] = None if path.is_dir() else path.read_bytes()
    return found


END = st.sampled_from(["", "\n", "\n\n"])
BREAK = st.sampled_from(["\n", "\r\n"])


@st.composite
def files(draw: st.DrawFn) -> dict[str, bytes]:
    """What somebody might have in a folder before: settings with comments, hooks, prose, roles, any line ends."""

    def lines(*pieces: str) -> bytes:
        chosen = draw(st.lists(st.sampled_from(pieces), unique=True))
        return (draw(BREAK).join(sorted(chosen, key=pieces.index)) + draw(END)).encode()

    theirs = {
        ".codex/config.toml": lines(
            "# mine", 'model = "x"  # why', 'sandbox_mode = "read-only"', "[features]", "[mcp_servers.other]", 'a = "é"'
        ),
        ".codex/hooks.json": draw(
            st.sampled_from([b"{}", b'{"hooks": {}}\n', b'{\r\n\t"hooks": {"Stop": []}\r\n}\r\n'])
        ),
        "AGENTS.md": draw(st.binary(max_size=40).filter(lambda some: b"<!--" not in some)),
        ".codex/agents/critic.toml": b"name = 'mine'",
        "golf.toml": b"# mine\n[budget]\ntotal_usd = 10\n",
        "baselines/naive.json": b"{}",
        "train.py": b"\x00\xff",
    }
    kept = draw(st.sets(st.sampled_from(sorted(theirs))))
    return {name: theirs[name] for name in sorted(kept)}


@settings(max_examples=40)
@given(files(), st.sampled_from(["golf", "ml", "none"]))
def test_a_second_init_changes_nothing_and_undo_restores_every_byte(theirs: dict[str, bytes], agents: str) -> None:
    with repository() as root:
        for name, content in theirs.items():
            put(root, name, content)
        before = tree(root)
        planned = init.init(root, dry_run=True, agents=agents)
        assert tree(root) == before
        done = init.init(root, agents=agents)
        assert (planned.wrote, planned.changed, planned.diff) == (done.wrote, done.changed, done.diff)
        after = tree(root)
        assert {name for name in theirs if after[name] != theirs[name]} == set(done.changed) <= set(MERGED)
        assert not set(done.wrote) & set(theirs)
        again = init.init(root)
        assert (again.wrote, again.changed, again.diff) == ([], [], "")
        assert tree(root) == after
        undone = init.undo(root)
        assert tree(root) == before
        assert (undone.removed, undone.restored, undone.kept) == (done.wrote, done.changed, [])


@settings(max_examples=25)
@given(files(), st.integers(0, 24))
def test_an_init_that_was_killed_is_completed_by_the_next_and_undone_by_undo(theirs: dict, writes: int) -> None:
    with repository() as root, pytest.MonkeyPatch.context() as patched:
        for name, content in theirs.items():
            put(root, name, content)
        before, left, replace = tree(root), [writes], durable.replace

        def killed(path: Path, data: bytes | str) -> None:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            replace(path, data)

        patched.setattr(durable, "replace", killed)
        with suppress(KeyboardInterrupt):
            init.init(root)
        patched.setattr(durable, "replace", replace)
        shutil.copytree(root, root.parent / "other")
        init.init(root)
        assert init.init(root).changed == []
        init.undo(root)
        assert tree(root) == before
        if (root.parent / "other" / footprint.MEMORY).exists():
            init.undo(root.parent / "other")
            assert {name: data for name, data in tree(root.parent / "other").items() if data is not None} == {
                name: data for name, data in before.items() if data is not None
            }


def test_what_was_changed_since_stays_and_is_named(root: Path) -> None:
    init.init(root)
    put(root, ".codex/agents/critic.toml", "name = 'mine now'")
    put(root, ".codex/config.toml", (root / ".codex/config.toml").read_text() + "# mine\n")
    (root / "golf.toml").unlink()
    undone = init.undo(root)
    assert set(undone.kept) == {".codex/agents/critic.toml", ".codex/config.toml"}
    assert set(tree(root)) == {".codex", ".codex/agents", ".codex/agents/critic.toml", ".codex/config.toml"}
    with pytest.raises(NotFound):
        init.undo(root)


def test_the_section_goes_even_when_the_rest_of_agents_md_was_changed(root: Path) -> None:
    path = put(root, "AGENTS.md", "# Rules\n")
    init.init(root)
    path.write_text("A line above.\n" + path.read_text() + "- and one below\n")
    undone = init.undo(root)
    assert path.read_text() == "A line above.\n# Rules\n- and one below\n"
    assert undone.restored == ["AGENTS.md"]


def test_an_agents_md_of_our_own_goes_unless_somebody_wrote_in_it(root: Path) -> None:
    init.init(root)
    path = root / "AGENTS.md"
    path.write_text(path.read_text() + "- mine\n")
    init.undo(root)
    assert path.read_text() == "- mine\n"


def test_a_section_is_ours_to_write_anew_and_the_rest_is_not(root: Path) -> None:
    init.init(root)
    path = root / "AGENTS.md"
    ours = path.read_text()
    path.write_text("mine\n" + ours.replace("### Environment", "### Surroundings"))
    done = init.init(root)
    assert done.changed == ["AGENTS.md"]
    assert path.read_text() == "mine\n" + ours
    init.undo(root)
    assert path.read_text() == "mine\n"


def test_keys_that_somebody_took_out_come_back_with_the_next_init(root: Path) -> None:
    init.init(root)
    path = root / ".codex" / "config.toml"
    path.write_text('model = "mine"\n')
    assert init.init(root).changed == [".codex/config.toml"]
    assert tomllib.loads(path.read_text())["mcp_servers"]["golf"]["command"] == "golf"
    init.undo(root)
    assert path.read_text() == 'model = "mine"\n'


def test_a_template_that_changed_reaches_a_file_that_nobody_touched(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(root, ".codex/hooks.json", '{"hooks": {"Stop": [{"hooks": [{"type": "command", "command": "mine"}]}]}}')
    before = tree(root)
    init.init(root)
    from golf.codex import setup

    monkeypatch.setattr(
        setup, "_template", lambda name: (setup.TEMPLATES / name).read_text().replace("golf-hook", "golf-hook2")
    )
    init.init(root)
    assert "golf-hook " not in (root / ".codex/hooks.json").read_text()
    init.undo(root)
    assert tree(root) == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (".codex/config.toml", "a = = 1"),
        (".codex/config.toml", b"\xff"),
        (".codex/hooks.json", "{"),
        ("AGENTS.md", merge.BEGIN),
        ("golf.toml", "[budget]\nmistyped = 1\n"),
        (".golf/init.json", "[]"),
    ],
)
def test_a_malformed_file_is_an_error_that_names_it_and_nothing_is_written(
    root: Path, name: str, content: bytes | str
) -> None:
    put(root, name, content)
    before = tree(root)
    with pytest.raises(BadConfig, match=name.rpartition("/")[2]):
        init.init(root)
    assert tree(root) == before


@pytest.mark.parametrize("name", [".codex", ".codex/agents", "AGENTS.md", ".codex/config.toml", ".golf", "baselines"])
def test_no_link_is_followed_out_of_the_folder(root: Path, name: str) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    target = put(outside, "file", "theirs") if "." in Path(name).name[1:] else outside
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).symlink_to(target)
    before = tree(root)
    with pytest.raises(BadConfig, match="leads out of"):
        init.init(root)
    assert tree(root) == before
    assert tree(outside) == ({"file": b"theirs"} if target != outside else {})


def test_a_file_that_wins_may_be_a_link_to_anywhere(root: Path) -> None:
    elsewhere = put(root.parent, "shared.toml", "[budget]\ntotal_usd = 10\n")
    (root / "golf.toml").symlink_to(elsewhere)
    assert "golf.toml" in init.init(root).kept
    init.undo(root)
    assert (root / "golf.toml").is_symlink()
    assert elsewhere.read_text() == "[budget]\ntotal_usd = 10\n"


def test_a_link_within_the_folder_is_written_through(root: Path) -> None:
    put(root, "CLAUDE.md", "# Rules\n")
    (root / "AGENTS.md").symlink_to("CLAUDE.md")
    init.init(root)
    assert merge.BEGIN in (root / "CLAUDE.md").read_text()
    assert (root / "AGENTS.md").is_symlink()
    init.undo(root)
    assert (root / "CLAUDE.md").read_text() == "# Rules\n"


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, lambda path: path.symlink_to("nowhere")])
@pytest.mark.parametrize("name", ["AGENTS.md", ".codex/config.toml", ".codex/agents/critic.toml"])
def test_what_is_no_file_is_in_the_way_and_said_so(root: Path, name: str, make) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    make(root / name)
    with pytest.raises(BadConfig, match=r"no file|leads"):
        init.init(root)
    assert not (root / "golf.toml").exists()


def test_a_file_where_a_folder_belongs_is_in_the_way(root: Path) -> None:
    put(root, ".codex", "a file")
    with pytest.raises(BadConfig, match="move away"):
        init.init(root)
    assert tree(root) == {".codex": b"a file"}


def test_undo_does_not_believe_a_memory_that_names_files_of_others(root: Path) -> None:
    outside = put(root.parent, "outside.txt", "theirs")
    inside = put(root, ".git/config", "[core]\n")
    memory = {
        name: {"sha256": [footprint.digest(path.read_text())], "before": "aGFja2Vk"}
        for name, path in {"../outside.txt": outside, ".git/config": inside}.items()
    }
    put(root, ".golf/init.json", json.dumps({"files": memory, "folders": ["../empty"]}))
    (root.parent / "empty").mkdir()
    assert set(init.undo(root).kept) == {"../outside.txt", ".git/config"}
    assert (outside.read_text(), inside.read_text()) == ("theirs", "[core]\n")
    assert (root.parent / "empty").is_dir()


def test_a_memory_of_an_older_version_is_understood(root: Path) -> None:
    path = put(root, "golf.toml", "")
    put(root, ".golf/init.json", json.dumps({"golf.toml": footprint.digest("")}))
    assert "golf.toml" in init.init(root).kept
    assert "golf.toml" in init.undo(root).removed
    assert not path.exists()


def test_the_memory_is_not_for_others_to_read(root: Path) -> None:
    put(root, ".codex/config.toml", 'secret = "s3cret"\n').chmod(0o600)
    init.init(root)
    assert (root / footprint.MEMORY).stat().st_mode & 0o077 == 0
    assert (root / ".codex/config.toml").stat().st_mode & 0o077 == 0
    init.undo(root)
    assert (root / ".codex/config.toml").stat().st_mode & 0o077 == 0


def test_the_diff_shows_what_is_added_and_none_of_their_settings(root: Path) -> None:
    put(root, ".codex/config.toml", 'secret = "s3cret"\n\n[mcp_servers.other]\nbearer = "s3cret"\n')
    diff = init.init(root).diff
    assert '+sandbox_mode = "workspace-write"' in diff
    assert "s3cret" not in diff


# --- through the door --------------------------------------------------------------------------


def golf(capsys: pytest.CaptureFixture[str], *argv: object) -> tuple[int, str, str]:
    code = main([str(word) for word in argv])
    said = capsys.readouterr()
    return code, said.out, said.err


def test_the_command_prints_the_diff_below_the_names_and_in_the_json(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(root, "AGENTS.md", "# Rules \x1b[31m\n")
    code, out, err = golf(capsys, "init", root, "--dry-run")
    assert code == 0
    names, _, diff = out.partition("\n\n")
    assert "changed: AGENTS.md" in names
    assert diff.startswith("--- AGENTS.md\n+++ AGENTS.md\n@@ -1,0 +2")
    assert "\n+### Environment\n" in diff
    assert "cp -i" in err and "ml-download.config.toml" in err
    code, out, _ = golf(capsys, "init", root, "--json")
    assert json.loads(out)["diff"].split("\n")[:2] == ["--- AGENTS.md", "+++ AGENTS.md"]


def test_the_command_names_what_an_undo_leaves(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golf(capsys, "init", root, "--agents", "ml")
    put(root, ".codex/rules/golf.rules", "mine")
    code, out, _ = golf(capsys, "init", root, "--undo")
    assert code == 0
    assert "kept: .codex/rules/golf.rules" in out
    assert "removed: golf.toml, " in out


def test_a_stray_git_folder_above_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    assert init.init(tmp_path / "ws").started_git
    assert (tmp_path / "ws" / ".git" / "HEAD").exists()


# --- where nothing is written ------------------------------------------------------------------


@pytest.mark.parametrize("place", ["", ".codex", "elsewhere", "elsewhere/.codex"])
def test_a_folder_whose_settings_are_the_user_s_own_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CODEX_HOME", raising=False)
    folder = tmp_path / place
    folder.mkdir(parents=True, exist_ok=True)
    if place.startswith("elsewhere"):
        monkeypatch.setenv("CODEX_HOME", str(tmp_path / "elsewhere" / ".codex"))
    before = tree(tmp_path)
    for dry_run in (True, False):
        with pytest.raises(BadConfig, match="your own settings"):
            init.init(folder, dry_run=dry_run)
    assert tree(tmp_path) == before
    assert not (folder / ".git").exists()


def test_a_folder_below_home_is_welcome(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CODEX_HOME", raising=False)
    assert "golf.toml" in init.init(tmp_path / "ws").wrote


@pytest.mark.parametrize("own_repository", [True, False])
def test_without_git_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_repository: bool) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingPackage, match="Install git"):
        init.init(tmp_path / "ws", own_repository=own_repository)
    assert list(tmp_path.iterdir()) == []


def test_a_repository_that_git_will_not_work_in_gets_none_inside(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A git that says what the real one says in a folder of another user's."""
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "git").write_text(
        "#!/bin/sh\necho \"fatal: detected dubious ownership in repository at 'x'\" >&2; exit 128\n"
    )
    (programs / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    with pytest.raises(UnreadableInput, match="dubious ownership"):
        init.init(root / "inner")
    assert not (root / "inner").exists()


def test_a_link_to_a_repository_that_is_gone_is_git_s_to_complain_of(tmp_path: Path) -> None:
    put(tmp_path, "ws/.git", "gitdir: /nowhere/at/all\n")
    with pytest.raises(UnreadableInput, match="/nowhere/at/all"):
        init.init(tmp_path / "ws")
    assert tree(tmp_path / "ws") == {}


def test_a_name_that_no_record_can_hold_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / os.fsdecode(b"caf\xe9")
    assert main(["init", str(folder), "--json"]) == 2
    assert "not UTF-8" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_no_place_for_a_workspace(tmp_path: Path) -> None:
    put(tmp_path, "file", "theirs")
    for place in ("file", "file/ws"):
        with pytest.raises(BadConfig, match="file"):
            init.init(tmp_path / place)
    assert tree(tmp_path) == {"file": b"theirs"}


def test_a_folder_that_was_made_for_nothing_goes_again(tmp_path: Path) -> None:
    with pytest.raises(BadConfig):
        init.init(tmp_path / "a" / "b", agents="none such")
    assert list(tmp_path.iterdir()) == []


# --- what is left ------------------------------------------------------------------------------


def _init_or_undo(folder: str, is_undo: bool) -> None:
    with suppress(NotFound):
        init.undo(Path(folder)) if is_undo else init.init(Path(folder))


def test_inits_at_once_remember_what_was_there_before_all_of_them(root: Path) -> None:
    put(root, ".codex/config.toml", 'model = "mine"\n')
    put(root, "AGENTS.md", "# Rules\n")
    before, fork = tree(root), multiprocessing.get_context("spawn")
    for turn in ([False, False, False], [False, True, False]):
        several = [fork.Process(target=_init_or_undo, args=(str(root), is_undo)) for is_undo in turn]
        for one in several:
            one.start()
        for one in several:
            one.join()
        assert [one.exitcode for one in several] == [0, 0, 0]
    init.init(root)
    init.undo(root)
    assert tree(root) == before


def test_init_waits_for_whoever_is_at_work_here(root: Path) -> None:
    with footprint.locked(root):
        other = multiprocessing.get_context("spawn").Process(target=_init_or_undo, args=(str(root), False))
        other.start()
        other.join(3)
        assert other.is_alive()
        assert tree(root) == {}
    other.join()
    assert "golf.toml" in tree(root)


@pytest.mark.parametrize("then", [init.init, init.undo])
def test_the_temporary_files_of_a_killed_init_go(root: Path, then) -> None:
    init.init(root)
    names = ["golf.toml", ".codex/rules/golf.rules", "baselines/naive.json", ".golf/init.json", ".golf/trust.json"]
    left = [(root / name).with_name(f".{Path(name).name}.abcd_123.tmp") for name in names]
    theirs = [root / ".golf.toml.tmp", root / ".golf.toml.abcd.tmp", root / ".train.py.abcd_123.tmp"]
    for path in (*left, *theirs):
        path.write_text("half")
    then(root)
    assert [path for path in left if path.exists()] == []
    assert [path for path in theirs if not path.exists()] == []
    assert (root / ".codex").exists() is (then is init.init)


def test_undo_goes_through_a_link_to_where_the_state_lies(root: Path) -> None:
    (root / "state").mkdir()
    (root / ".golf").symlink_to("state")
    before = tree(root)
    init.init(root)
    assert (root / "state" / "init.json").is_file()
    init.undo(root)
    assert tree(root) == before


# --- what is said ------------------------------------------------------------------------------


def test_undo_goes_on_when_what_codex_was_told_cannot_be_read(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    golf(capsys, "init", root)
    for content in ("{", "[]", '{"a": [{"table": "x"}]}', '{"a": 1}', "\xff"):
        put(root, ".golf/trust.json", content.encode("latin-1"))
        init.init(root)
        code, out, err = golf(capsys, "init", root, "--undo")
        assert code == 2
        assert "removed: golf.toml" in out
        assert f"{root}/.golf/trust.json is not what golf init --trust wrote" in err
        assert "move it away" in err
        assert not (root / "golf.toml").exists()


def test_what_is_there_is_not_asked_for_again(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_HOME", str(root.parent / "codex home"))
    _, _, err = golf(capsys, "init", root)
    assert "golf data pydocs" in err and "golf init --trust" in err and "cp -i" in err
    put(root.parent, "codex home/ml-download.config.toml", "")
    put(root, ".golf/trust.json", "{}")
    monkeypatch.setattr(doctor, "course", lambda workspace: doctor.Check(name="data", verdict="ok", found="some"))
    _, _, err = golf(capsys, "init", root)
    assert err == "next: golf doctor\nfor Codex: golf doctor --codex\n"


def test_the_doctor_wants_a_repository_to_play_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "ws/golf.toml", "")
    monkeypatch.chdir(tmp_path / "ws")
    monkeypatch.setattr(doctor, "_training", lambda workspace: doctor.Check(name="torch", verdict="ok", found=""))
    seen = doctor.examine()
    check = next(one for one in seen.checks if one.name == "git repository")
    assert (seen.ready, check.verdict, check.fix) == (False, "missing", f"git init {tmp_path / 'ws'}")
    git(tmp_path / "ws", "init", "--quiet")
    check = next(one for one in doctor.examine().checks if one.name == "git repository")
    assert (check.verdict, check.found) == ("ok", str(Workspace.find().root))
