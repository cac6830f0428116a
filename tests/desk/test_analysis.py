"""Settings against scores, and the past asked questions of: what is there is found, what is not is not."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scene import scored

from golf.cli import main
from golf.desk.analysis import associations, query, ranking, runs
from golf.desk.analysis.runs import PastRun
from golf.desk.expression import Expression
from golf.errors import BadConfig, NotFound
from golf.report.associations import page
from golf.workspace import Workspace

DAY = datetime(2026, 4, 1, tzinfo=UTC)


def past(
    place: int, score: float | None, *, tier: str = "t", seeds: tuple[int, ...] = (1,), **given: object
) -> PastRun:
    return PastRun.model_validate(
        {
            "name": f"run{place}", "at": DAY + timedelta(hours=place), "tier": tier, "val_bpb": score,
            "seeds": list(seeds), "scores": [] if score is None else [score] * len(seeds), "settings": given,
        }
    )  # fmt: skip


def simulated(seed: int, n: int = 10, effect: float = 0.0, knobs: int = 6) -> list[PastRun]:
    """Runs with random settings; only `real` moves the score, and only with an effect."""
    generator = np.random.default_rng(seed)
    found = []
    for place in range(n):
        values = {f"knob{k}": float(generator.normal()) for k in range(knobs)}
        values["real"] = float(generator.normal())
        values["optimizer"] = str(generator.choice(["adam", "muon"]))
        found.append(past(place, 1.2 - effect * values["real"] + 0.01 * float(generator.normal()), **values))
    return found


def of(analysis: associations.Analysis, name: str) -> associations.Association:
    return next(one for one in analysis.associations if name in one.settings)


# --- S76: which settings go with improvement


def test_s76_a_known_synthetic_correlation_is_found_and_nothing_else() -> None:
    found = associations.of_runs(simulated(7, effect=0.05))
    assert [one.settings for one in found.shown] == [["real"]]
    real = of(found, "real")
    assert real.verdict == "better"
    assert real.rho is not None and real.rho > 0.9
    assert real.n == 10


def test_s76_the_sign_says_which_way() -> None:
    turned = [run.model_copy(update={"settings": {**run.settings, "real": -float(run.settings["real"])}})
              for run in simulated(7, effect=0.05)]  # fmt: skip
    assert of(associations.of_runs(turned), "real").verdict == "worse"


def test_s76_where_nothing_goes_with_the_score_a_false_alarm_is_as_rare_as_promised() -> None:
    """Eight settings at once, 120 searches without any effect: 5 % may name one, and 13 is that by three sigma."""
    alarms = sum(bool(associations.of_runs(simulated(seed)).shown) for seed in range(120))
    assert alarms <= 13


def test_s76_an_effect_is_found_far_more_often_than_it_is_missed() -> None:
    hits = sum(
        "real" in [one.settings[0] for one in associations.of_runs(simulated(s, effect=0.03)).shown] for s in range(40)
    )
    assert hits >= 32


def test_s76_a_text_is_compared_by_its_values_and_the_best_is_named() -> None:
    every = [
        past(
            i, 1.2 - 0.05 * (i % 2) + 0.001 * ((i * 7) % 5), optimizer=("adam", "muon")[i % 2],
            rope=("a", "b")[(i // 2) % 2], width=i * 5 % 12,
        )
        for i in range(12)
    ]  # fmt: skip
    found = associations.of_runs(every, last=12)
    one = of(found, "optimizer")
    assert (one.kind, one.verdict, one.best) == ("category", "differs", "muon")
    assert one.epsilon_squared is not None and one.epsilon_squared > 0.7
    assert of(found, "rope").verdict == "not shown"


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([0.1, 0.2, 0.3, 0.4], "4 runs state it"),
        ([0.1, 0.1, 0.1, 0.2, 0.2, 0.2], "3 to 3"),
        ([1, 1, 1, 1, 1, 1, 2], "6 to 1"),
    ],
)
def test_s76_what_so_few_runs_could_not_show_is_too_few_and_has_no_number(values: list[float], why: str) -> None:
    every = [past(i, 1.2 - 0.1 * value, lr=value, width=i) for i, value in enumerate(values)]
    one = of(associations.of_runs(every), "lr")
    assert one.verdict == "too few"
    assert (one.rho, one.p, one.p_holm) == (None, None, None)
    assert why in one.reason


def test_s76_settings_that_always_change_together_are_one_finding_that_says_so() -> None:
    every = [past(i, 1.2 - 0.01 * (i * 3 % 10), lr=i * 3 % 10, wd=2.0 * (i * 3 % 10)) for i in range(10)]
    found = associations.of_runs(every)
    assert of(found, "lr") is of(found, "wd")
    assert "always changed together: lr, wd" in of(found, "lr").warnings


def test_s76_settings_that_nearly_change_together_are_warned_of() -> None:
    order = [3, 0, 7, 1, 9, 4, 2, 8, 6, 5]
    every = [past(i, 1.2 - 0.01 * x, lr=x, wd=x + (1.5 if x == 4 else 0)) for i, x in enumerate(order)]
    assert "changed together with wd" in of(associations.of_runs(every), "lr").warnings


def test_s76_a_setting_that_only_went_with_time_is_not_believed() -> None:
    """Scores fall from run to run for other reasons, and a logging interval was raised meanwhile."""
    generator = np.random.default_rng(3)
    every = [
        past(i, 1.3 - 0.01 * i + 0.003 * float(generator.normal()), log_every=i // 4 * 100, width=i * 7 % 20)
        for i in range(20)
    ]
    found = associations.of_runs(every, last=20)
    one = of(found, "log_every")
    assert one.rho is not None and one.rho > 0.9
    assert one.p_holm is not None and one.p_holm < 0.01
    assert one.verdict == "with time"
    assert "went with time" in one.warnings
    assert any("moved with time" in caveat for caveat in found.caveats)
    assert not found.shown


def test_s76_a_setting_that_went_with_seeds_or_tier_is_warned_of() -> None:
    order = [3, 0, 7, 1, 9, 4, 2, 8, 6, 5]
    every = [
        past(i, 1.2 - 0.01 * x, lr=x, seeds=(1,) if x < 5 else (2,), tier="a" if x < 5 else "b")
        for i, x in enumerate(order)
    ]
    found = of(associations.of_runs(every, tier="all"), "lr")
    assert {"went with the seeds", "went with the tier"} <= set(found.warnings)


def test_s76_only_runs_whose_scores_compare_count_and_repeats_count_once() -> None:
    every = [
        *(past(i, 9.0, tier="paid", lr=i) for i in range(5)),
        *(past(i, 1.2, lr=i % 3) for i in range(9)),
        past(9, None),
    ]
    found = associations.of_runs(every, last=10)
    assert (found.runs, found.repeats, found.unscored, found.elsewhere) == (3, 6, 1, 5)


def test_s76_the_page_says_what_is_shown_its_sample_and_its_method_and_escapes_names() -> None:
    every = [
        run.model_copy(update={"settings": {**run.settings, "a|b": run.settings["real"]}})
        for run in simulated(7, effect=0.05)
    ]
    written = page(associations.of_runs(every), None)
    assert "a\\|b" in written
    assert "rho +" in written
    assert "| 10 |" in written
    assert "None of it is an experiment" in written


def test_s76_no_run_with_a_score_is_an_error_and_no_table() -> None:
    with pytest.raises(NotFound, match="no run has a score"):
        associations.of_runs([past(1, None)])


# --- the statistics, against scipy


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=3, max_size=12))
def test_spearman_is_scipys(pairs: list[tuple[int, int]]) -> None:
    from scipy import stats

    x, y = [float(a) for a, _ in pairs], [float(b) for _, b in pairs]
    if len(set(x)) > 1 and len(set(y)) > 1:
        assert ranking.spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    else:
        assert ranking.spearman(x, y) == 0


@settings(max_examples=10)
@given(st.permutations(range(6)))
def test_a_small_p_is_exact(order: list[int]) -> None:
    from scipy import stats

    x, y = [float(i) for i in range(6)], [float(i) for i in order]
    exact = stats.permutation_test(
        (x,), lambda one: ranking.spearman(one, y), permutation_type="pairings", n_resamples=10_000
    )
    assert ranking.of_numbers(x, y, ranking.deals(y)).p == pytest.approx(exact.pvalue)


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 9)), min_size=6, max_size=14))
def test_epsilon_squared_is_kruskal_and_walliss(pairs: list[tuple[int, int]]) -> None:
    from scipy import stats

    codes, y = [a for a, _ in pairs], [float(b) for _, b in pairs]
    groups = [[v for c, v in zip(codes, y, strict=True) if c == code] for code in sorted(set(codes))]
    if len(groups) < 2 or len(set(y)) < 2:
        return
    found = ranking.of_groups(codes, y, ranking.deals(y))
    assert found.value == pytest.approx(stats.kruskal(*groups).statistic / (len(y) - 1))
    assert 0 < found.p <= 1


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20))
def test_holm_never_lowers_a_p_keeps_their_order_and_stays_at_most_1(found: list[float]) -> None:
    corrected = ranking.holm(found)
    assert all(before <= after <= 1 for before, after in zip(found, corrected, strict=True))
    assert all(corrected[i] <= corrected[j] for i, a in enumerate(found) for j, b in enumerate(found) if a < b)


def test_the_same_runs_give_the_same_numbers() -> None:
    assert associations.of_runs(simulated(1)) == associations.of_runs(simulated(1))


# --- S77: the past by filter and order

RUNS = [
    past(1, 1.10, lr=0.02, optimizer="muon"), past(2, 1.30, lr=0.04, optimizer="adam"), past(3, 1.05, lr=0.01),
    past(4, None, lr=0.5), past(5, 1.15, tier="smoke", lr=0.02, **{"model.dim": 512}),
]  # fmt: skip
TABLES = [query.names_of(run) for run in RUNS]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("val_bpb < 1.2", [1, 3, 5]),
        ("val_bpb < 1.2 and lr > 0.01 and tier == 'smoke'", [5]),
        ("0.01 < LR <= 0.04", [1, 2, 5]),
        ("tier in ('smoke', 'local') or optimizer == 'adam'", [2, 5]),
        ("not optimizer == 'adam'", [1]),  # of the others it is not known
        ("optimizer == None", [3, 4, 5]),
        ("val_bpb != None and optimizer is None", [3, 5]),
        ("lr * 100 + 1 >= 3", [1, 2, 4, 5]),
        ("model.dim == 512", [5]),
        ("settings['model.dim'] > 500", [5]),
        ("'mu' in optimizer", [1]),
        ("1 / (lr - 0.02) > 0", [2, 4]),  # a division by zero is unknown
        ("1 in seeds", [1, 2, 3, 4, 5]),
        ("at >= '2026-04-01T04'", [4, 5]),
    ],
)
def test_s77_a_filter_finds_the_runs_that_it_is_true_of(text: str, places: list[int]) -> None:
    expression = Expression(text)
    assert [place for place, table in enumerate(TABLES, 1) if expression.holds(table)] == places


@pytest.mark.parametrize(
    "text",
    [
        *("__import__('os').system('true')", "open('x')", "lr ** 9", "[x for x in lr]", "(lambda: 1)()", "lr.real()"),
        *("lr if lr else 1", "f'{lr}'", "lr < 1; lr", "x := 1", "seeds[0]", "{1: 2}", "", "lr <", "a" * 3000),
        *("-" * 100 + "1", "lr @ lr", "lr << 3", "b'x' == lr", "1j", "..."),
    ],
)
def test_s77_nothing_else_is_a_filter(text: str) -> None:
    with pytest.raises(BadConfig):
        Expression(text)


@given(st.text(max_size=60))
def test_s77_any_text_is_a_filter_or_a_clear_refusal(text: str) -> None:
    try:
        expression = Expression(text)
        for table in TABLES:
            expression.holds(table)
    except BadConfig as error:
        assert str(error)


def test_s77_a_name_that_no_run_has_is_refused_and_a_near_one_offered(workspace: Workspace) -> None:
    scored(workspace, "one", 1.3, env={"MATRIX_LR": "0.04"})
    with pytest.raises(BadConfig, match="'matrixlr'; did you mean matrix_lr"):
        query.find(workspace, where="matrixlr > 1")


def test_s77_a_text_and_a_number_have_no_order() -> None:
    with pytest.raises(BadConfig, match=r"the text 'muon'.*have no order"):
        Expression("optimizer < 3").holds(TABLES[0])


def test_s77_the_top_runs_come_with_their_settings(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    for place, (score, lr) in enumerate([(1.4, "0.01"), (1.2, "0.02"), (1.3, "0.04"), (1.1, "0.005")]):
        scored(workspace, f"run{place}", score, env={"MATRIX_LR": lr})
    assert main(["history", "--where", "matrix_lr > 0.005 and val_bpb < 1.35", "--top", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["total"], found["matched"]) == (4, 2)
    assert [run["val_bpb"] for run in found["runs"]] == [1.2, 1.3]
    assert [run["settings"]["matrix_lr"] for run in found["runs"]] == [0.02, 0.04]
    assert main(["history", "--sort", "matrix_lr desc", "--top", "1"]) == 0
    out = capsys.readouterr().out
    assert "matrix_lr" in out and "0.04" in out and "run2" in out


def test_s77_a_sum_sorts_and_what_has_no_value_comes_last(tmp_path: Path) -> None:
    order = query._sorted(list(zip(RUNS, TABLES, strict=True)), Expression("val_bpb * 1000 - lr"), is_down=False)
    assert [run.name for run, _ in order] == ["run3", "run1", "run5", "run2", "run4"]


def test_s76_s77_a_workspace_gives_its_runs_with_settings_claims_and_seeds(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in range(6):
        scored(workspace, f"run{place}", 1.4 - 0.01 * place, env={"MATRIX_LR": f"{0.01 + place / 100}"})
    every = runs.past_runs(workspace)
    assert [run.settings["matrix_lr"] for run in every] == pytest.approx([0.01 + place / 100 for place in range(6)])
    assert every[0].seeds == [1, 2] and len(every[0].scores) == 2 and every[0].script
    assert main(["report", "--last", "10"]) == 0
    assert "matrix_lr" in capsys.readouterr().out
    written = (workspace.root / "outputs" / "experiment_analysis.md").read_text()
    assert "went with time" in written  # run after run it was raised
    assert (workspace.root / "outputs" / "experiment_analysis.png").read_bytes().startswith(b"\x89PNG")


# --- logs of anybody


def write_log(folder: Path, seed: int, lr: float, score: float) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"train_seed{seed}.log").write_text(
        f"matrix_lr:{lr} num_layers:9 seed:{seed}\nstep:100/100 val_loss:{score * 2.4:.4f} val_bpb:{score:.4f} "
        f"train_time:1000ms\nfinal_int8_zlib_roundtrip_exact val_loss:{score * 2.4:.8f} val_bpb:{score:.8f}\n"
    )


def test_s76_folders_of_logs_of_people_who_do_not_play_are_runs_too(tmp_path: Path) -> None:
    for place in range(8):
        for seed in (1, 2):
            write_log(
                tmp_path / f"2026-04-0{place + 1}_try", seed, 0.01 * (1 + place * 3 % 8), 1.3 - 0.01 * (place * 3 % 8)
            )
    every = runs.past_runs(None, tmp_path)
    assert [run.at and run.at.day for run in every] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert all(run.seeds == [1, 2] for run in every)
    assert of(associations.of_runs(every), "matrix_lr").verdict == "better"


def test_logs_of_one_folder_that_contradict_each_other_are_several_runs(tmp_path: Path) -> None:
    write_log(tmp_path / "grid", 1, 0.01, 1.3)
    write_log(tmp_path / "grid", 2, 0.02, 1.2)
    assert [run.settings["matrix_lr"] for run in runs.past_runs(None, tmp_path)] == [0.01, 0.02]


def test_outcomes_paths_and_identities_are_no_settings() -> None:
    names = ("val_bpb", "train_time_s", "run_id", "seed", "DATA_PATH", "logfile", "model_params", "GOLF_METRICS", "_x")
    assert not any(map(runs.is_setting, names))
    assert all(map(runs.is_setting, ("matrix_lr", "num_layers", "optimizer.lr", "mtp_loss_weight", "warmup_steps")))


def test_a_script_beside_the_logs_is_read_and_never_run(tmp_path: Path) -> None:
    write_log(tmp_path / "one", 1, 0.01, 1.3)
    (tmp_path / "one" / "train_gpt.py").write_text(
        "import os\nraise SystemExit('was run')\n"
        "class Hyperparameters:\n    rope_base = float(os.environ.get('ROPE_BASE', 5000.0))\n"
    )
    assert runs.past_runs(None, tmp_path)[0].settings["rope_base"] == 5000.0


def test_no_log_at_all_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing measured")
    with pytest.raises(NotFound, match="states a score"):
        runs.past_runs(None, tmp_path)


def test_a_pipe_or_a_device_under_a_script_s_name_is_not_waited_for(tmp_path: Path) -> None:
    write_log(tmp_path / "runs" / "a", 1, 0.1, 1.3)
    os.mkfifo(tmp_path / "runs" / "a" / "train.py")
    write_log(tmp_path / "runs" / "b", 1, 0.2, 1.2)
    (tmp_path / "runs" / "b" / "train_gpt.py").symlink_to("/dev/zero")
    assert [run.script for run in runs.past_runs(None, tmp_path / "runs")] == ["", ""]


def test_where_no_log_states_a_score_after_training_the_last_step_s_counts_and_the_two_are_not_mixed(
    tmp_path: Path,
) -> None:
    """The form that the error of an empty folder names is one that is read."""
    for name, score in (("a", 1.31), ("b", 1.29)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "train.log").write_text(f"step:50/100 val_bpb:1.4\nstep:100/100 val_bpb:{score}\n")
    assert [run.val_bpb for run in runs.past_runs(None, tmp_path)] == [1.31, 1.29]
    write_log(tmp_path / "c", 1, 0.1, 1.35)
    assert [run.val_bpb for run in runs.past_runs(None, tmp_path)] == [1.35]


def test_logs_of_one_folder_are_seeds_of_a_run_only_where_their_seeds_differ(tmp_path: Path) -> None:
    for name in ("lr0.1", "lr0.2"):
        (tmp_path / f"{name}.log").write_text(f"step 0: val loss 4.2\nstep 100: val loss 2.9{name[-1]}\n")
    assert [(run.name.rpartition("/")[2], run.val_loss) for run in runs.past_runs(None, tmp_path)] == [
        ("lr0.1", 2.91), ("lr0.2", 2.92),
    ]  # fmt: skip
    for seed, name in enumerate(("lr0.1", "lr0.2")):
        (tmp_path / f"{name}.log").rename(tmp_path / f"seed{seed}.log")
    assert [run.val_loss for run in runs.past_runs(None, tmp_path)] == [pytest.approx(2.915)]


def test_more_folders_or_logs_than_are_read_are_refused_and_not_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in range(3):
        write_log(tmp_path / f"run{place}", 1, 0.1 * place, 1.3)
    monkeypatch.setattr(runs, "FOLDERS_MAX", 3)
    assert len(runs.past_runs(None, tmp_path)) == 3
    monkeypatch.setattr(runs, "FOLDERS_MAX", 2)
    with pytest.raises(BadConfig, match="more than 2 folders"):
        runs.past_runs(None, tmp_path)
    for place in range(runs.logs.FILES_MAX + 1):
        (tmp_path / "run0" / f"{place}.log").touch()
    with pytest.raises(BadConfig, match="run0 has 402 logs"):
        runs.past_runs(None, tmp_path)


def test_more_runs_than_fit_memory_are_refused_with_what_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(associations, "RUNS_MAX", 11)
    with pytest.raises(BadConfig, match="--last 11"):
        associations.of_runs(simulated(1, n=12), last=12)
    assert associations.of_runs(simulated(1, n=12), last=11).runs == 11


def test_a_whole_number_beyond_floats_is_unknown_in_a_sum() -> None:
    assert Expression(f"{'9' * 400} * 1 > 1")({}) is None


def test_beside_time_a_text_has_no_direction() -> None:
    found = [
        past(place, 1.2 + 0.1 * (place % 2) + 0.001 * place, optimizer="ab"[place % 2], knob=place)
        for place in range(16)
    ]
    assert of(associations.of_runs(found, last=16), "optimizer").verdict == "differs"
    row = next(line for line in page(associations.of_runs(found, last=16), None).splitlines() if "optimizer |" in line)
    assert "| 1.00 |" in row


@pytest.mark.parametrize("option", [["--last", "3"], ["--tier", "smoke"], ["--page", "a.md"], ["--from", "."]])
def test_one_experiment_and_many_are_not_reported_at_once(
    option: list[str], workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(workspace, "a", 1.2)
    assert main(["report", "a", *option]) == 2
    assert "leave one out" in capsys.readouterr().err


def test_a_named_page_takes_no_picture_away_and_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_log(tmp_path / "runs" / "a", 1, 0.1, 1.3)
    (tmp_path / "loss.png").write_text("somebody's")
    assert main(["report", "--last", "3", "--from", "runs", "--page", "loss.md"]) == 0
    assert (tmp_path / "loss.png").read_text() == "somebody's"  # one run has nothing to draw
    assert main(["report", "--last", "3", "--from", "runs", "--page", "loss.png"]) == 2
