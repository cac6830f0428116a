"""A workspace is found upwards, its settings are typed, and paths stay inside it."""

import os
from pathlib import Path

import pytest

from golf import bundle, rules
from golf.errors import BadConfig, NotFound
from golf.workspace import Workspace, read_config


def test_a_workspace_is_found_from_any_folder_below(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    below = workspace.root / "a" / "b"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert Workspace.find() == workspace
    assert Workspace.find(below) == workspace


def test_the_environment_names_a_workspace_and_must_be_right(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOLF_WORKSPACE", str(workspace.root))
    assert Workspace.find() == workspace
    monkeypatch.setenv("GOLF_WORKSPACE", str(tmp_path))
    with pytest.raises(NotFound, match="golf init"):
        Workspace.find()


def test_an_empty_golf_toml_means_the_published_defaults(workspace: Workspace) -> None:
    config = workspace.config
    assert (config.budget.total_usd, config.budget.reserve_usd, config.gate.promotion) == (500, 50, 0.03)
    assert workspace.challenge == rules.PARAMETER_GOLF
    assert workspace.tier("local").env == {"ITERATIONS": "500"}


def test_the_template_says_what_the_defaults_are() -> None:
    written = read_config(bundle.TEMPLATES / "golf.toml")
    assert written == type(written)()


def test_a_challenge_of_one_s_own_overrides_the_preset(workspace: Workspace) -> None:
    (workspace.root / "golf.toml").write_text("[challenge]\nartifact_bytes_max = 1000\n")
    challenge = workspace.challenge
    assert (challenge.artifact_bytes_max, challenge.train_time_s_max) == (1000, 600)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("[gate]\npromotoin = 0.01\n", "gate.promotoin"),
        ("[budget]\ntotal_usd = -1\n", "budget.total_usd"),
        ("[tiers.local]\ntime_limit_s = 0\n", "tiers.local.time_limit_s"),
        ("[tiers.local.env]\nITERATIONS = 5\n", "tiers.local.env.ITERATIONS"),
        ("[challenge\n", "could not be read"),
        ("\x00", "could not be read"),
    ],
)
def test_an_unusable_setting_is_an_error_that_names_it(workspace: Workspace, text: str, key: str) -> None:
    (workspace.root / "golf.toml").write_text(text)
    with pytest.raises(BadConfig, match=key):
        _ = workspace.config


def test_every_unusable_setting_is_said_on_a_line_of_its_own(workspace: Workspace) -> None:
    (workspace.root / "golf.toml").write_text(
        '[tiers.box]\ngpus = true\ncolour = "red"\n[tiers.fleet]\nparallel_seeds = 0\n[budget]\ngpus = 8.0\n'
    )
    with pytest.raises(BadConfig) as refused:
        _ = Workspace(workspace.root).config
    first, *lines = str(refused.value).splitlines()
    assert first == f"{workspace.root / 'golf.toml'}:"
    assert sorted(line.split(":")[0] for line in lines) == [
        "budget.gpus", "tiers.box.colour", "tiers.box.gpus", "tiers.fleet.parallel_seeds",
    ]  # fmt: skip


def test_an_unknown_preset_and_an_unknown_tier_name_the_known_ones(workspace: Workspace) -> None:
    (workspace.root / "golf.toml").write_text('[challenge]\npreset = "tennis"\n')
    with pytest.raises(BadConfig, match="parameter-golf"):
        _ = workspace.challenge
    with pytest.raises(BadConfig, match="local, smoke"):
        workspace.tier("moon")


@pytest.mark.parametrize("path", ["..", "../x", "a/../../x", "/etc/passwd", "link"])
def test_a_path_that_leads_out_is_refused(workspace: Workspace, path: str) -> None:
    (workspace.root / "link").symlink_to("/etc")
    with pytest.raises(BadConfig, match="leads out of the workspace"):
        workspace.inside(path)


def test_a_path_inside_is_resolved(workspace: Workspace) -> None:
    assert workspace.inside("a/../b") == workspace.root.resolve() / "b"


def test_the_state_folder_is_ignored_by_git(workspace: Workspace) -> None:
    from scene import git

    (workspace.state / "golf.db").touch()
    assert ".golf" not in git(workspace.root, "status", "--porcelain", "--untracked-files=all")


def test_settings_are_read_anew_where_neither_size_nor_time_of_the_file_tell_of_a_change(tmp_path: Path) -> None:
    path = tmp_path / "golf.toml"
    path.write_text("[budget]\ntotal_usd = 1.0\n")
    first, seen = Workspace(tmp_path).config, path.stat()
    path.write_text("[budget]\ntotal_usd = 2.0\n")
    os.utime(path, ns=(seen.st_atime_ns, seen.st_mtime_ns))
    assert (first.budget.total_usd, Workspace(tmp_path).config.budget.total_usd) == (1.0, 2.0)
