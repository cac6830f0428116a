"""Which folders of a list of files are submissions."""

from hypothesis import given
from hypothesis import strategies as st

from golf.referee import places

parts = st.sampled_from(["a", "b", "records", "track_x", "README.md", "submission.json", "train.log"])
names = st.lists(st.lists(parts, min_size=1, max_size=5).map("/".join), unique=True)


def test_the_topmost_folder_with_a_mark_holds_everything_below_it() -> None:
    assert places.submissions(["x/README.md", "x/logs/seed1.log", "x/ablation/submission.json"]) == {
        "x": ["x/README.md", "x/ablation/submission.json", "x/logs/seed1.log"]
    }


def test_a_repository_s_readme_makes_no_submission_of_everything_in_it() -> None:
    files = ["README.md", "train_gpt.py", "records/track_a/x/submission.json"]
    assert list(places.submissions(files)) == ["records/track_a/x"]
    assert list(places.submissions([*files, "submission.json"])) == ["."]


def test_files_alone_at_the_top_are_the_submission() -> None:
    assert places.submissions(["submission.json", "train.log"]) == {".": ["submission.json", "train.log"]}


def test_a_folder_with_a_log_and_no_mark_counts_beside_submissions_and_in_a_track() -> None:
    assert list(places.submissions(["a/README.md", "b/train.log", ".git/config"])) == ["a", "b"]
    assert list(places.submissions(["records/track_a/x/train.log"])) == ["records/track_a/x"]
    assert list(places.submissions(["data/tokens.bin"])) == []


def test_the_track_is_the_one_the_folder_lies_in() -> None:
    assert places.track("records/track_non_record_16mb/x") == "non_record_16mb"
    assert places.track("records/x") is None


@given(names)
def test_no_file_belongs_to_two_submissions_and_none_lies_in_another(files: list[str]) -> None:
    found = places.submissions(files)
    held = [name for belonging in found.values() for name in belonging]
    assert len(held) == len(set(held))
    assert set(held) <= set(files)
    assert not any(one != other and one.startswith(f"{other}/") for one in found for other in found)


@given(names)
def test_the_order_of_the_files_makes_no_difference(files: list[str]) -> None:
    assert places.submissions(files) == places.submissions(reversed(files))
