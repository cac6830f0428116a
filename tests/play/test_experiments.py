"""An experiment is a claim written down before it is tried."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golf.errors import AmbiguousInput, BadConfig, NotFound, UnreadableInput
from golf.play import experiments
from golf.schema import Experiment
from golf.workspace import Workspace


@pytest.fixture
def script(workspace: Workspace) -> Path:
    path = workspace.root / "train_gpt.py"
    path.write_text("# comment\nx = 1\n\ny = 2\n")
    return path


def test_a_claim_is_on_disk_with_a_copy_of_its_script(workspace: Workspace, script: Path) -> None:
    folder = experiments.claim(
        workspace, "wider", hypothesis="wider is better", script=script, env={"A": "1"}, seeds=[1, 2]
    )
    assert folder.parent == workspace.experiments
    claimed = experiments.load(folder)
    assert (claimed.hypothesis, claimed.env, claimed.seeds) == ("wider is better", {"A": "1"}, [1, 2])
    assert (folder / "train_gpt.py").read_bytes() == script.read_bytes()
    assert experiments.find(workspace, "wider") == folder == experiments.find(workspace, folder.name)
    assert experiments.find(workspace, str(folder)) == folder


@pytest.mark.parametrize("hypothesis", [None, "", "  \n"])
def test_without_a_hypothesis_there_is_no_experiment(
    workspace: Workspace, script: Path, hypothesis: str | None
) -> None:
    with pytest.raises(BadConfig, match="hypothesis"):
        experiments.claim(workspace, "x", hypothesis=hypothesis, script=script)
    assert not workspace.experiments.exists()


@pytest.mark.parametrize("name", ["../x", "a/b", "", "-x", "Ünï", "x" * 81, ".hidden", "a\nb"])
def test_a_name_that_is_not_a_plain_word_is_refused(workspace: Workspace, script: Path, name: str) -> None:
    with pytest.raises(BadConfig):
        experiments.claim(workspace, name, hypothesis="h", script=script)


def test_an_existing_experiment_is_never_overwritten(workspace: Workspace, script: Path) -> None:
    experiments.claim(workspace, "x", hypothesis="first", script=script)
    with pytest.raises(AmbiguousInput, match="exists already"):
        experiments.claim(workspace, "x", hypothesis="second", script=script)
    assert experiments.load(experiments.find(workspace, "x")).hypothesis == "first"


def test_the_parent_s_script_is_taken_and_the_line_delta_counted(workspace: Workspace, script: Path) -> None:
    parent = experiments.claim(workspace, "base", hypothesis="h", script=script)
    child = experiments.claim(workspace, "child", hypothesis="h", parent="base")
    assert experiments.load(child).parent == parent.name
    (child / "train_gpt.py").write_text("# another comment\n\nx = 1\n")
    assert experiments.line_delta(workspace, child, experiments.load(child)) == -1
    assert experiments.line_delta(workspace, parent, experiments.load(parent)) is None


def test_what_is_not_said_is_the_parent_s(workspace: Workspace, script: Path) -> None:
    (workspace.root / "golf.toml").write_text("[tiers.tiny]\n")
    fresh = Workspace(workspace.root)
    experiments.claim(
        fresh, "base", hypothesis="h", script=script, tier="tiny", env={"LAYERS": "2", "MLP": "2"}, seeds=[1, 2]
    )
    child = experiments.load(experiments.claim(fresh, "child", hypothesis="h", parent="base", env={"MLP": "3"}))
    assert (child.tier, child.env, child.seeds) == ("tiny", {"LAYERS": "2", "MLP": "3"}, [1, 2])


def test_a_claim_stands_as_written(workspace: Workspace, script: Path) -> None:
    folder = experiments.claimed(workspace, "x", hypothesis="h", script=script)
    assert experiments.claimed(workspace, "x") == folder
    with pytest.raises(BadConfig, match="env would change it"):
        experiments.claimed(workspace, "x", env={"A": "2"})
    with pytest.raises(NotFound):
        experiments.claimed(workspace, "y")


def test_an_mlx_script_brings_the_torch_twin_it_is_scored_with(workspace: Workspace, script: Path) -> None:
    mlx = workspace.root / "train_gpt_mlx.py"
    mlx.write_text("import mlx\n")
    folder = experiments.claim(workspace, "apple", hypothesis="h", script=mlx)
    assert experiments.load(folder).script == "train_gpt_mlx.py"
    assert experiments.model_script(folder / "train_gpt_mlx.py") == folder / "train_gpt.py"
    assert experiments.model_script(script) == script


def test_settings_are_the_tier_s_then_the_experiment_s_with_paths_made_absolute(workspace: Workspace) -> None:
    (workspace.root / "own data").mkdir()
    (workspace.root / "golf.toml").write_text('[tiers.local.env]\nA = "1"\nB = "1"\n')
    experiment = Experiment(hypothesis="h", env={"B": "2", "EXTRA_PATH": "own data", "OTHER_DIR": "not/there"})
    found = experiments.settings(Workspace(workspace.root), experiment)
    assert (found["A"], found["B"], found["OTHER_DIR"]) == ("1", "2", "not/there")
    assert found["EXTRA_PATH"] == str(workspace.root / "own data")
    assert found["DATA_PATH"] == str(workspace.data)


def test_neither_script_nor_parent_is_an_error_that_names_both(workspace: Workspace) -> None:
    with pytest.raises(BadConfig, match=r"script.*parent"):
        experiments.claim(workspace, "x", hypothesis="h")


def test_a_slug_used_on_two_dates_must_be_given_whole(workspace: Workspace, script: Path) -> None:
    for date in ("2026-01-01", "2026-01-02"):
        experiments.claim(workspace, f"{date}_same", hypothesis="h", script=script)
    with pytest.raises(AmbiguousInput, match="2026-01-01_same, 2026-01-02_same"):
        experiments.find(workspace, "same")


def test_what_is_not_there_is_not_found_and_nothing_outside_is(workspace: Workspace, tmp_path: Path) -> None:
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "config.yaml").write_text("hypothesis: h\n")
    for name in ("nothing", "*", str(outside), "../../elsewhere"):
        with pytest.raises(NotFound, match="golf history"):
            experiments.find(workspace, name)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hypothesis: h\nseeds: []\n", "seeds"),
        ("hypothesis: ''\n", "hypothesis"),
        ("hypothesis: h\nsead: 1\n", "sead"),
        ("hypothesis: '  '\n", "hypothesis"),
        ("hypothesis: h\nseeds: [1, 1]\n", "a seed counts once"),
        ("hypothesis: h\nscript: ../../golf.toml\n", "script"),
        ("hypothesis: h\nenv: {'A=B': '1'}\n", "env"),
        ("hypothesis: h\nenv: {TOKENIZER_PATH: /elsewhere}\n", "belongs to the workspace"),
        ("{", "could not be read"),
        ("- 1\n", "config.yaml"),
        ("hypothesis: !!python/object/apply:os.system ['true']\n", "could not be read"),
    ],
)
def test_a_bad_config_is_named_by_its_key(workspace: Workspace, script: Path, text: str, message: str) -> None:
    folder = experiments.claim(workspace, "x", hypothesis="h", script=script)
    (folder / "config.yaml").write_text(text)
    with pytest.raises(BadConfig, match=message):
        experiments.load(folder)


@given(
    st.builds(
        Experiment,
        hypothesis=st.text(min_size=1).filter(str.strip),
        expected_outcome=st.text(),
        env=st.dictionaries(
            st.from_regex(r"\A[A-Z_][A-Z0-9_]{0,9}\Z"), st.text(st.characters(exclude_characters="\0"))
        ),
        seeds=st.lists(st.integers(), min_size=1, max_size=3, unique=True),
        created_at=st.none(),
    )
)
def test_config_yaml_says_what_was_claimed_whatever_the_words(experiment: Experiment) -> None:
    import yaml

    assert Experiment.model_validate(yaml.safe_load(experiments.dump(experiment))) == experiment


def test_a_damaged_result_is_an_error_and_a_missing_one_is_none(workspace: Workspace, script: Path) -> None:
    folder = experiments.claim(workspace, "x", hypothesis="h", script=script)
    assert experiments.read_result(folder) is None
    (folder / "result.json").write_text('{"val_bpb": 1.0}')
    with pytest.raises(UnreadableInput, match="not a readable result"):
        experiments.read_result(folder)


def test_the_ledger_s_description_leads_back_to_the_folder() -> None:
    experiment = Experiment(hypothesis="more: layers\nsecond line")
    assert experiments.described("2026-01-01_x", experiment) == "2026-01-01_x: more: layers"
    assert experiments.named_in("2026-01-01_x: more: layers") == "2026-01-01_x"
    assert experiments.named_in("add BigramHash embedding") == "add"
