"""The catalogue holds together, and techniques are seen where they are and not where they are denied or off."""

import re
from pathlib import Path

import pytest

from golf.referee import techniques
from golf.referee.case import open_case
from golf.referee.techniques import Sighting, catalogue

SOURCE = re.compile(
    r"arXiv:\d{4}\.\d{4,5}|#\d{1,4}|https://\S+|doi:10\.\S+|RFC \d+|records/\S+|'Codex for ML research' .*"
)  # fmt: skip


def seen(folder: Path, script: str | None = None, readme: str | None = None, **files: str) -> dict[str, Sighting]:
    """Sightings in a submission with these files, by technique."""
    folder.mkdir(exist_ok=True)
    written = {"train_gpt.py": script, "README.md": readme, **files}
    for name, text in written.items():
        if text is not None:
            (folder / name).write_text(text)
    case = open_case(folder)
    found = techniques.sightings(case)
    assert len({one.technique for one in found}) == len(found)
    return {one.technique: one for one in found}


# --- the catalogue


def test_the_catalogue_is_large_and_each_row_has_its_source() -> None:
    rows = catalogue()
    assert len(rows) >= 120
    for row in rows.values():
        assert row.source and all(SOURCE.fullmatch(source) for source in row.source), row.id
        assert row.words or row.code or row.prose, row.id
        assert not {*row.parents, *row.related} - set(rows), row.id


def test_no_two_rows_share_a_name_or_a_phrase() -> None:
    names = [row.name for row in catalogue().values()]
    assert len(set(names)) == len(names)
    for kind in ("code", "prose"):
        phrases, _ = techniques._phrases(kind)
        shared = {phrase: ids for phrase, ids in phrases.items() if len(ids) > 1}
        assert shared == {}


def test_no_row_is_its_own_ancestor() -> None:
    for row in catalogue().values():
        assert row.id not in techniques.with_parents(row.parents)


@pytest.mark.parametrize(
    "name",
    [
        "gptq_int6", "ste", "depth_recurrence", "partial_rope", "score_first_ttt", "trigram_hash", "muon_wd",
        "resid_mix", "full_hessian_gptq", "self_generated_calibration", "lora_ttt", "ssm", "byte_level",
    ],
)  # fmt: skip
def test_what_the_articles_about_the_challenge_name_is_there(name: str) -> None:
    assert name in catalogue()


# --- code


@pytest.mark.parametrize(
    ("script", "technique"),
    [
        ("x = F.leaky_relu(x, 0.5).square()", "leaky_relu2"),
        ("class LeakyReLUSquared: pass", "leaky_relu2"),
        ("class SmearGate(nn.Module): ...", "smear_gate"),
        ("xsa_last_n = 4", "xsa"),
        ("def quantize_int6_per_row(w): ...", "int6"),
        ("import brotli", "brotli"),
        ("opt = NorMuon(params)", "nor_muon"),
        ('on = os.environ.get("USE_EMA", "1")', "ema"),
        ("nn.init.orthogonal_(w)", "ortho_init"),
    ],
)
def test_names_of_code_give_techniques_away_in_every_spelling(tmp_path: Path, script: str, technique: str) -> None:
    assert seen(tmp_path, script)[technique].state == "used"


@pytest.mark.parametrize(
    "script",
    ["# EMA of the weights\nx = 1", '"""No EMA."""\nx = 1', 'print("ema is off")', "schema = 1; cinema = 2; tttt = 3"],
)
def test_comments_messages_and_parts_of_words_give_nothing_away(tmp_path: Path, script: str) -> None:
    assert not {"ema", "ttt"} & set(seen(tmp_path, script))


def test_the_evidence_is_the_first_line_of_code_that_names_it(tmp_path: Path) -> None:
    script = '"""EMA\n\nand more"""\n\n# ema\nx = "ema"\n\nclass Ema:\n    decay = 0.99\n'
    evidence = seen(tmp_path, script)["ema"].evidence
    assert (evidence.file, evidence.line, evidence.quote) == ("train_gpt.py", 6, 'x = "ema"')


@pytest.mark.parametrize(
    ("setting", "state"),
    [
        ('ttt_enabled = bool(int(os.environ.get("TTT_ENABLED", "0")))', "off"),
        ('ttt_enabled = bool(int(os.environ.get("TTT_ENABLED", "1")))', "used"),
        ('use_ttt = os.environ.get("USE_TTT", "false")', "off"),
        ('ttt_epochs = int(os.environ.get("TTT_EPOCHS", "0"))', "off"),
        ('ttt_epochs = int(os.environ.get("TTT_EPOCHS", "3"))', "used"),
        ('ttt_momentum = float(os.environ.get("TTT_MOMENTUM", "0"))', "used"),
        ('skip_ttt = bool(int(os.environ.get("SKIP_TTT", "1")))', "off"),
        ("ttt_enabled = decide()", "used"),
    ],
)
def test_what_the_settings_switch_off_is_off(tmp_path: Path, setting: str, state: str) -> None:
    assert seen(tmp_path, f"import os\n{setting}\ndef ttt_adapt(model): ...\n")["ttt"].state == state


def test_a_readme_s_command_switches_on_what_is_off_by_default(tmp_path: Path) -> None:
    script = 'import os\nttt_enabled = bool(int(os.environ.get("TTT_ENABLED", "0")))\n'
    command = "Run it:\n\n```bash\nTTT_ENABLED=1 torchrun --nproc_per_node=8 train_gpt.py\n```\n"
    assert seen(tmp_path, script, command)["ttt"].state == "used"


@pytest.mark.parametrize(
    ("vocabulary", "technique"), [(1024, "sp1024"), (8192, "sp8192"), (10240, "larger_vocabulary")]
)
def test_a_setting_s_value_decides_where_the_catalogue_says_so(tmp_path: Path, vocabulary: int, technique: str) -> None:
    script = f'import os\nvocab_size = int(os.environ.get("VOCAB_SIZE", "{vocabulary}"))\n'
    found = seen(tmp_path, script, "Unlike others we do not use SP4096. Our SP1024 and SP8192 runs agree.")
    assert [one for one in found if one in ("sp1024", "sp4096", "sp8192", "larger_vocabulary")] == [technique]
    assert found[technique].evidence.line == 2


def test_a_script_that_the_run_does_not_touch_does_not_count(tmp_path: Path) -> None:
    aside = {"old_train.py": "swa_every = 50\n", "tools.py": "xsa_last_n = 4\n"}
    assert set(seen(tmp_path, "import tools\nema_decay = 0.9\n", **aside)) == {"ema", "xsa"}


# --- README


@pytest.mark.parametrize(
    ("line", "is_claimed"),
    [
        ("We add TTT.", True),
        ("- **Test-time training**: score-first", True),
        ("No TTT, no SLOT.", False),
        ("This run works without any test-time training.", False),
        ("We do not use TTT.", False),
        ("TTT: off", False),
        ("| TTT | disabled |", False),
        ("There is no SLOT. TTT is on.", True),
        ("Not a new tokenizer, but TTT.", True),
        ("GPTQ instead of TTT", False),
    ],
)
def test_a_readme_claims_what_it_does_not_deny(tmp_path: Path, line: str, is_claimed: bool) -> None:
    found = seen(tmp_path, readme=f"# Title\n\n{line}\n")
    assert ("ttt" in found) == is_claimed
    if is_claimed:
        assert (found["ttt"].state, found["ttt"].evidence.line) == ("claimed", 3)


def test_what_failed_is_no_claim_and_neither_is_a_command(tmp_path: Path) -> None:
    readme = "# X\n\n## What didn't work\n\nTTT\n\n```\nEMA_DECAY=0.9 run\n```\n\n## Method\n\nXSA\n"
    assert list(seen(tmp_path, readme=readme)) == ["xsa"]


def test_code_outranks_the_readme(tmp_path: Path) -> None:
    found = seen(tmp_path, "xsa_last_n = 4\n", "EMA, XSA, and an autoresearch loop.\n")
    assert {name: one.state for name, one in found.items()} == {"xsa": "used", "ema": "claimed", "agents": "claimed"}
    assert techniques.telling(found.values(), has_code=True) == ["agents", "xsa"]
    assert techniques.telling(found.values(), has_code=False) == ["agents", "ema", "xsa"]


def test_what_everybody_has_tells_nobody_apart(tmp_path: Path) -> None:
    found = seen(tmp_path, "tie_embeddings = True\nlogit_softcap = 30.0\nopt = Muon()\n")
    assert {"tied_embeddings", "logit_softcap", "muon"} <= set(found)
    assert techniques.telling(found.values(), has_code=True) == []


def test_whoever_uses_a_technique_uses_the_wider_ones() -> None:
    assert techniques.with_parents(["gptq_int6"]) == {"gptq_int6", "gptq", "int6", "ptq"}


# --- strangers


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["full hessian gptq ", "a_" * 40 + " ", "no ", "²", "FULL", "x1"])
def test_a_megabyte_of_anything_is_searched_in_linear_time(tmp_path: Path, unit: str) -> None:
    text = unit * (1_000_000 // len(unit))
    seen(tmp_path, text, text)
