"""A packed record folder that was touched is found out."""

import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from packed import NAME, capsule_of, edit, reseal, swap_logs, table

from golf.desk.package import capsule as capsules
from golf.desk.package import record_text
from golf.desk.package.verify import verify
from golf.errors import NotFound, UnreadableInput
from golf.measure import logs as training_logs
from golf.workspace import Workspace

Mutation = Callable[[Path], object]


def better(folder: Path, by: float = 0.0001) -> None:
    """A log's score, a little lower and within what measuring allows."""
    log = folder / "train_seed1.log"
    score = training_logs.read_log(log).final_bpb
    assert score is not None
    edit(log, f"val_bpb:{score:.8f}", f"val_bpb:{score - by:.8f}")


def hurried(folder: Path) -> None:
    log = folder / "train_seed1.log"
    last = [line for line in log.read_text().splitlines() if "val_bpb" in line and "train_time" in line][-1]
    edit(log, last, last.replace("train_time:", "train_time:1"))


def moved(folder: Path) -> None:
    capsule = capsule_of(folder)
    later = capsule.finished_at + timedelta(days=1)
    reseal(folder, finished_at=later)


def without_seed(folder: Path) -> None:
    (folder / "train_seed2.log").unlink()
    reseal(folder, seeds=capsule_of(folder).seeds[:1])


def other_limit(folder: Path) -> None:
    reseal(folder, limits=capsule_of(folder).limits.model_copy(update={"artifact_bytes_max": 17_000_000}))


def slimmer(folder: Path) -> None:
    capsule = capsule_of(folder)
    first = capsule.seeds[0]
    weights = first.weights.model_copy(update={"bytes": first.weights.bytes - 1})
    reseal(folder, seeds=[first.model_copy(update={"weights": weights}), *capsule.seeds[1:]])


def measured(folder: Path) -> None:
    """What Caddie measured is made to agree with another score."""
    capsule = capsule_of(folder)
    first = capsule.seeds[0]
    reseal(folder, seeds=[first.model_copy(update={"val_bpb": first.val_bpb - 0.01}), *capsule.seeds[1:]])


def json_of(**changes: object) -> Mutation:
    return lambda folder: table(folder, lambda value: value.update(changes))


MUTATIONS: dict[str, tuple[Mutation, str]] = {
    "a better score": (json_of(val_bpb=1.05), "submission.json: val_bpb"),
    "a better loss": (json_of(val_loss=1.05), "submission.json: val_loss"),
    "a smaller spread": (json_of(val_bpb_std=0.0), "submission.json: val_bpb_std"),
    "bytes off by one": (
        lambda folder: table(folder, lambda value: value.update(bytes_total=value["bytes_total"] - 1)),
        "submission.json: bytes_total",
    ),
    "code bytes off by one": (
        lambda folder: table(folder, lambda value: value.update(bytes_code=value["bytes_code"] - 1)),
        "submission.json: bytes_code",
    ),
    "NaN for a score": (json_of(val_bpb=float("nan")), "submission.json is no JSON: NaN"),
    "a score in words": (json_of(val_bpb="1.05"), "submission.json: val_bpb"),
    "another day": (json_of(date="2026-04-30"), "submission.json: date"),
    "another track": (json_of(track="10min_16mb"), "submission.json: track"),
    "another author": (json_of(author="B. Player"), "submission.json: author"),
    "better hardware": (json_of(hardware="8xH100"), "submission.json: hardware"),
    "a seed left out": (json_of(seeds=[1]), "submission.json: seeds"),
    "a seed's score": (
        lambda folder: table(folder, lambda value: value["seed_results"]["1"].update(val_bpb=1.05)),
        "submission.json: seed_results.1.val_bpb",
    ),
    "a key given twice": (
        lambda folder: edit(folder / "submission.json", '"val_bpb"', '"val_bpb": 1.0, "val_bpb"'),
        "a key is given twice",
    ),
    "no submission.json": (lambda folder: (folder / "submission.json").unlink(), "submission.json"),
    "a number of the README": (lambda folder: edit(folder / "README.md", "**val_bpb: ", "**val_bpb: 0"), "README.md:3"),
    "a sentence of the README": (
        lambda folder: edit(folder / "README.md", "Written down before the run", "Written down after the run"),
        "README.md:",
    ),
    "swapped logs": (swap_logs, "train_seed1.log is of seed 2 by its own words"),
    "a log's score": (better, "train_seed1.log says val_bpb"),
    "a log's training time": (hurried, "train_seed1.log says train_time_s"),
    "a log of one seed twice": (
        lambda folder: shutil.copy(folder / "train_seed1.log", folder / "train_seed2.log"),
        "train_seed2.log is of seed 1",
    ),
    "a log's total": (
        lambda folder: edit(
            folder / "train_seed1.log", "Total submission size int8+zlib: 1", "Total submission size int8+zlib: "
        ),
        "which is no sum of weights",
    ),
    "an empty log": (lambda folder: (folder / "train_seed1.log").write_text(""), "the log of seed 1 is missing"),
    "a missing log": (lambda folder: (folder / "train_seed2.log").unlink(), "train_seed2.log"),
    "a longer script": (lambda folder: edit(folder / NAME, "import math\n", "import math\n\n"), "no packed script"),
    "another pin": (
        lambda folder: edit(folder / "requirements.txt", "torch==", "torch==9."),
        "requirements.txt is not what was imported",
    ),
    "a file more": (lambda folder: (folder / "helper.py").write_text("x = 1\n"), "helper.py"),
    "a key in a file": (
        lambda folder: edit(folder / NAME, "import math\n", f"import math\nTOKEN = 'hf_{'a1' * 17}'\n"),
        "has a Hugging Face token",
    ),
    "another folder's name": (
        lambda folder: folder.rename(folder.with_name("2026-01-01_base")),
        "the folder is called 2026-01-01_base",
    ),
    "another track's folder": (
        lambda folder: folder.parent.rename(folder.parents[1] / "track_10min_16mb"),
        "it lies in track_10min_16mb",
    ),
    "the capsule's day": (moved, "the folder is called"),
    "the capsule's seeds": (without_seed, "there is no result of [2]"),
    "the capsule's limit": (other_limit, "limits.artifact_bytes_max is 17000000"),
    "the capsule's track": (lambda folder: reseal(folder, track="10min_16mb"), "it lies in track_non_record_16mb"),
    "the weights' bytes": (slimmer, "bytes of weights"),
    "what was measured": (measured, "Caddie measured"),
    "another hypothesis": (lambda folder: reseal(folder, hypothesis="it was clear"), "README.md:"),
    "another command": (lambda folder: reseal(folder, settings={"ITERATIONS": "5"}), "README.md:"),
}


def where(folder: Path) -> Path:
    """The folder, also when a mutation moved it."""
    (found,) = folder.parents[1].rglob(capsules.NAME)
    return found.parent


@pytest.mark.parametrize("resealed", [False, True], ids=["as it is", "with all hashes made anew"])
@pytest.mark.parametrize("name", MUTATIONS)
def test_a_touched_folder_is_refused_with_the_reason(folder: Path, name: str, resealed: bool) -> None:
    mutate, reason = MUTATIONS[name]
    mutate(folder)
    place = where(folder)
    if resealed:
        reseal(place)
    found = verify(place)
    assert found.verdict == "refused"
    assert any(reason in one for one in found.reasons), found.reasons


def test_what_a_forger_makes_wholly_consistent_the_workspace_still_tells(folder: Path, played: Workspace) -> None:
    """Same length, every hash, log, README and JSON made anew: only the commit and the run's own log know."""
    edit(folder / NAME, "HEARTBEAT_S = 2.0", "HEARTBEAT_S = 3.0")
    better(folder, by=1e-8)  # the line above it, of four decimals, still agrees
    log = training_logs.read_log(folder / "train_seed1.log")
    first, second = capsule_of(folder).seeds
    forged = capsule_of(folder).model_copy(
        update={"seeds": [first.model_copy(update={"logged_val_bpb": log.final_bpb}), second]}
    )
    logs = {1: log, 2: training_logs.read_log(folder / "train_seed2.log")}
    (folder / record_text.README).write_text(record_text.readme(forged, logs))
    (folder / record_text.SUBMISSION).write_bytes(record_text.submission_bytes(forged, logs))
    reseal(folder, seeds=forged.seeds)
    alone = verify(folder)
    assert alone.reasons == [] and any(line.startswith("the commit") for line in alone.not_checked)
    told = "\n".join(verify(folder, played).reasons)
    assert f"{NAME} is not the script that ran" in told
    assert "train_seed1.log: more than paths differs" in told
    assert "different scores, sizes or seeds" in told


def test_links_binary_capsules_and_other_layouts_are_unusable_or_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "link.py").symlink_to("/etc/passwd")
    assert "link.py is a link or no regular file" in verify(folder).reasons
    for content in (b"\xff\xfe\0", b"[" * 100_000, b"{}", b'{"layout": 1, "cost_usd": NaN}', b'{"layout": 2}'):
        (folder / capsules.NAME).write_bytes(content)
        with pytest.raises(UnreadableInput):
            verify(folder)
    with pytest.raises(NotFound, match="no capsule"):
        verify(tmp_path)
    with pytest.raises(NotFound, match="there is no folder"):
        verify(tmp_path / "nowhere")


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "a/../../x", "a//b", "", ".", "a\nb"])
def test_a_capsule_s_paths_stay_inside_the_folder(path: str) -> None:
    with pytest.raises(ValueError, match="inside the record"):
        capsules.HashedFile(path=path, bytes=1, sha256="0" * 64)
