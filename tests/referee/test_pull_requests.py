"""The folders that pull requests add, from a repository's objects alone."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from golf.errors import UnreadableInput
from golf.referee import pull_requests, triage
from golf.referee.pull_requests import AddedFolder, Head

IDENTITY = ["-c", "user.name=T", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"]
TRACK = "records/track_10min_16mb"


class Repository:
    """A repository of a few commits, and heads as a forge keeps them."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.day = "2026-03-20"
        place.mkdir()
        self.git("init", "-q", "-b", "main")
        self.commit(
            {"README.md": "the challenge", f"{TRACK}/base/README.md": "base", f"{TRACK}/base/submission.json": "{}"}
        )

    def git(self, *arguments: str) -> str:
        done = subprocess.run(
            ["git", *IDENTITY, "-C", str(self.place), *arguments],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "GIT_COMMITTER_DATE": f"{self.day}T12:00:00Z"},
        )
        return done.stdout.strip()

    def commit(self, files: dict[str, str]) -> str:
        for name, text in files.items():
            path = self.place / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")
        return self.git("rev-parse", "HEAD")

    def pull_request(self, number: int, files: dict[str, str], start: str = "main") -> str:
        self.git("checkout", "-q", "-b", f"branch{number}", start)
        commit = self.commit(files)
        self.git("update-ref", f"refs/pull/{number}/head", commit)
        self.git("checkout", "-q", "main")
        return commit

    def added(self) -> dict[int, dict[str, list[str]]]:
        heads = pull_requests.heads(self.place)
        found = pull_requests.added(self.place, heads)
        return {head.number: {one.path: sorted(one.files) for one in folders} for head, folders in found.items()}


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "r")


def entry(name: str, text: str = "{}") -> dict[str, str]:
    return {f"{TRACK}/{name}/submission.json": text, f"{TRACK}/{name}/logs/train.log": name}


def test_a_pull_request_adds_the_folders_that_its_base_has_not(repository: Repository) -> None:
    repository.pull_request(7, {**entry("mine"), "README.md": "changed", f"{TRACK}/base/train.log": "late"})
    assert repository.added() == {
        7: {f"{TRACK}/mine": [f"{TRACK}/mine/logs/train.log", f"{TRACK}/mine/submission.json"]}
    }


def test_what_the_main_branch_got_since_is_not_the_pull_request_s(repository: Repository) -> None:
    repository.pull_request(7, entry("mine"))
    repository.commit(entry("theirs"))
    assert list(repository.added()[7]) == [f"{TRACK}/mine"]


def test_a_merged_one_still_adds_what_it_added(repository: Repository) -> None:
    repository.pull_request(7, entry("mine"))
    repository.commit(entry("theirs"))
    repository.git("merge", "-q", "--no-ff", "-m", "merge", "branch7")
    repository.commit(entry("later"))
    assert list(repository.added()[7]) == [f"{TRACK}/mine"]


def test_one_that_took_the_main_branch_in_adds_its_own_alone(repository: Repository) -> None:
    repository.pull_request(7, entry("mine"))
    repository.commit(entry("theirs"))
    repository.git("checkout", "-q", "branch7")
    repository.git("merge", "-q", "--no-ff", "-m", "update", "main")
    repository.git("update-ref", "refs/pull/7/head", "HEAD")
    repository.git("checkout", "-q", "main")
    assert list(repository.added()[7]) == [f"{TRACK}/mine"]


def test_a_history_of_its_own_adds_everything_it_has(repository: Repository) -> None:
    repository.git("checkout", "-q", "--orphan", "alone")
    repository.git("rm", "-rqf", ".")
    repository.git("update-ref", "refs/pull/9/head", repository.commit(entry("mine")))
    assert list(repository.added()[9]) == [f"{TRACK}/mine"]


def test_outside_records_only_a_submission_json_makes_a_submission(repository: Repository) -> None:
    repository.pull_request(7, {"my_submission/submission.json": "{}", "notes/README.md": "x", "train_gpt.py": ""})
    repository.pull_request(8, {"notes/README.md": "x"})
    assert repository.added() == {7: {"my_submission": ["my_submission/submission.json"]}, 8: {}}


def test_a_folder_knows_the_days_of_its_first_and_last_commit(repository: Repository) -> None:
    repository.day = "2026-04-02"
    repository.pull_request(7, entry("mine"))
    repository.day = "2026-04-09"
    repository.git("checkout", "-q", "branch7")
    repository.git("update-ref", "refs/pull/7/head", repository.commit(entry("mine", '{"val_bpb": 1}')))
    heads = pull_requests.heads(repository.place)
    (folder,) = pull_requests.added(repository.place, heads)[heads[0]]
    assert (folder.since, folder.until) == ("2026-04-02", "2026-04-09")


def test_heads_are_found_where_people_fetch_them_to(repository: Repository) -> None:
    first = repository.pull_request(7, entry("mine"))
    repository.git("update-ref", "refs/remotes/origin/pr/12", first)
    repository.git("update-ref", "refs/pull/7/merge", first)
    assert pull_requests.heads(repository.place) == [Head(7, first), Head(12, first)]


def test_a_folder_inside_a_repository_is_no_repository(repository: Repository, tmp_path: Path) -> None:
    repository.pull_request(7, entry("mine"))
    assert pull_requests.heads(repository.place / "records") == []
    assert pull_requests.heads(tmp_path) == []


def test_links_and_submodules_are_no_files_of_a_submission(repository: Repository) -> None:
    (repository.place / TRACK / "mine").mkdir()
    (repository.place / TRACK / "mine" / "secret.json").symlink_to("/etc/passwd")
    commit = repository.pull_request(7, entry("mine"))
    assert "120000" in repository.git("ls-tree", "-r", commit)
    assert repository.added()[7] == {f"{TRACK}/mine": [f"{TRACK}/mine/logs/train.log", f"{TRACK}/mine/submission.json"]}


def test_files_are_written_as_they_are_committed(repository: Repository, tmp_path: Path) -> None:
    repository.pull_request(7, entry("mine", '{"é": 1}\r\n'))
    heads = pull_requests.heads(repository.place)
    (folder,) = pull_requests.added(repository.place, heads)[heads[0]]
    objects = pull_requests.Objects(repository.place)
    lost = objects.write({**folder.files, f"{TRACK}/mine/gone.py": "0" * 40}, tmp_path / "out")
    objects.close()
    assert lost == [f"{TRACK}/mine/gone.py"]
    assert (tmp_path / "out" / folder.path / "submission.json").read_bytes() == '{"é": 1}\r\n'.encode()
    assert isinstance(folder, AddedFolder) and folder.number == 7


@pytest.mark.parametrize("path", ["../out.py", "a/../../out.py", "/etc/out.py", "a/.git/hooks/post-checkout"])
def test_a_path_that_leads_elsewhere_is_refused(repository: Repository, tmp_path: Path, path: str) -> None:
    blob = repository.git("rev-parse", "HEAD:README.md")
    objects = pull_requests.Objects(repository.place)
    with pytest.raises(UnreadableInput, match="no path inside"):
        objects.write({path: blob}, tmp_path / "out")
    objects.close()
    assert not (tmp_path / "out").exists()


def test_too_much_of_one_submission_is_refused(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blob = repository.git("rev-parse", "HEAD:README.md")
    monkeypatch.setattr(pull_requests, "BYTES_MAX", 20)
    monkeypatch.setattr(pull_requests, "FILES_MAX", 3)
    objects = pull_requests.Objects(repository.place)
    with pytest.raises(UnreadableInput, match="over 20 bytes"):
        objects.write({"a": blob, "b": blob}, tmp_path / "out")
    with pytest.raises(UnreadableInput, match="4 files"):
        objects.write(dict.fromkeys("abcd", blob), tmp_path / "out")
    objects.close()


def test_pull_requests_are_triaged_each_folder_once_and_the_second_time_from_the_index(
    repository: Repository, tmp_path: Path
) -> None:
    repository.pull_request(7, entry("mine"))
    repository.pull_request(8, entry("theirs"), start="branch7")  # built on 7, and has its folder too
    first = triage.survey(repository.place, index=tmp_path / "index.db", num_workers=1)
    assert [one.name for one in first.entries] == [f"#7 {TRACK}/mine", f"#8 {TRACK}/theirs"]
    assert [one.ruling.submission.pr for one in first.entries] == [7, 8]
    assert [one.ruling.submission.track for one in first.entries] == ["10min_16mb"] * 2
    objects = repository.place / ".git" / "objects"
    shutil.rmtree(objects)
    objects.mkdir()  # nothing can be read any more, and nothing has to be
    second = triage.survey(repository.place, index=tmp_path / "index.db", num_workers=1)
    assert second.entries == first.entries
    assert second.changes is not None and second.changes.new == []


def test_a_text_that_a_partial_clone_lacks_is_not_judged_without_it(repository: Repository, tmp_path: Path) -> None:
    commit = repository.pull_request(7, {**entry("mine"), f"{TRACK}/mine/model.ptz": "weights"})
    for name, verdict in (("model.ptz", True), ("logs/train.log", False)):
        blob = repository.git("rev-parse", f"{commit}:{TRACK}/mine/{name}")
        (repository.place / ".git" / "objects" / blob[:2] / blob[2:]).unlink()
        (found,) = triage.survey(repository.place, num_workers=1).entries
        assert ("was not judged" not in found.ruling.reason) is verdict, name
    assert "does not hold 1 of its texts" in found.ruling.reason and found.ruling.verdict == "review"


def test_a_broken_repository_is_said_to_be_one(repository: Repository) -> None:
    commit = repository.pull_request(7, entry("mine"))
    (repository.place / ".git" / "objects" / commit[:2] / commit[2:]).unlink()
    with pytest.raises(UnreadableInput, match="git rev-list failed"):
        pull_requests.added(repository.place, [Head(7, commit)])
