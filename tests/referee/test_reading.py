"""A stranger's folder is listed and read within bounds."""

import os
import socket
from pathlib import Path

import pytest

from golf.errors import NotFound
from golf.referee import reading
from golf.referee.reading import list_folder


def problems(folder: reading.Folder) -> list[str]:
    return [finding.text for finding in folder.findings]


def test_regular_files_are_listed_with_their_sizes_the_nearest_first(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / ".git").mkdir()
    for name in ("z.py", "a/b/deep.py", "a/near.py", ".git/config"):
        (tmp_path / name).write_text(name)
    folder = list_folder(tmp_path)
    assert {name: entry.size for name, entry in folder.files.items()} == {"z.py": 4, "a/near.py": 9, "a/b/deep.py": 11}
    assert folder.findings == []


def test_links_are_named_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "up").symlink_to("..")
    (tmp_path / "self").symlink_to("self")
    (tmp_path / "passwords.md").symlink_to("/etc/passwd")
    folder = list_folder(tmp_path)
    assert folder.files == {}
    assert problems(folder) == ["a link and not followed: passwords.md, self, inside/up"]


def test_special_files_are_named_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "train.log")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "socket.md"))
        folder = list_folder(tmp_path)
    assert folder.files == {}
    assert problems(folder) == ["a special file and not opened: socket.md, train.log"]


@pytest.mark.parametrize("becomes", ["nothing", "a link", "a pipe", "a folder"])
def test_a_file_that_turned_into_something_else_is_not_read(tmp_path: Path, becomes: str) -> None:
    path = tmp_path / "train_gpt.py"
    path.write_text("print(1)")
    folder = list_folder(tmp_path)
    path.unlink()
    if becomes == "a link":
        path.symlink_to("/etc/passwd")
    elif becomes == "a pipe":
        os.mkfifo(path)
    elif becomes == "a folder":
        path.mkdir()
    assert folder.text("train_gpt.py") is None
    assert problems(folder) == ["cannot be read: train_gpt.py"]


def test_a_file_that_grew_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_text("1")
    folder = list_folder(tmp_path)
    (tmp_path / "a.log").write_text("1" * 100)
    assert folder.read("a.log", at_most=10) == b"1" * 10


def test_a_sparse_gigabyte_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "train_seed1.log").open("wb") as file:
        file.truncate(1 << 30)
    folder = list_folder(tmp_path)
    assert folder.read("train_seed1.log") is None
    assert problems(folder) == ["over 4,000,000 bytes and not read: train_seed1.log"]


def test_everything_together_is_read_up_to_a_total(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "TOTAL_BYTES_MAX", 10)
    for name in ("a.md", "b.md", "c.md"):
        (tmp_path / name).write_text("1234")
    folder = list_folder(tmp_path)
    folder.left = reading.TOTAL_BYTES_MAX
    assert [folder.text(name) for name in folder.files] == ["1234", "1234", None]
    assert problems(folder) == ["not read, as 10 bytes were read before: c.md"]


def test_lines_are_read_up_to_a_total_however_short_they_are(tmp_path: Path) -> None:
    for name in ("a.md", "b.md", "c.md"):
        (tmp_path / name).write_text("\n" * 300)
    (tmp_path / "d.md").write_text("\r" * 300)
    folder = list_folder(tmp_path)
    folder.lines_left = 600
    assert [folder.text(name) is not None for name in folder.files] == [True, True, False, False]
    assert problems(folder) == ["not read, as there are over 400,000 lines: c.md, d.md"]


@pytest.mark.parametrize(
    "limit, problem",
    [
        ("FILES_MAX", "over 2 files; not read, with all after it"),
        ("FOLDERS_MAX", "over 2 folders; not read, with all after it"),
        ("ENTRIES_MAX", "over 2 names; not all were read"),
        ("DEPTH_MAX", "over 2 folders deep and not read"),
    ],
)
def test_a_folder_beyond_a_limit_is_read_in_part_and_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: str, problem: str
) -> None:
    monkeypatch.setattr(reading, limit, 2)
    for number in range(5):
        (tmp_path / f"{number}.py").write_text("1")
        (tmp_path / "d/d/d/d" / f"e{number}").mkdir(parents=True)
        (tmp_path / f"empty{number}").mkdir()
    folder = list_folder(tmp_path)
    assert any(text.startswith(problem) for text in problems(folder))
    assert len(folder.files) <= 5


def test_names_are_shown_without_what_a_terminal_acts_on(tmp_path: Path) -> None:
    raw = (b"a\nb.py", b"\x1b[31mred.py", b"\xff\xfe.py", "\u202eyp.live.py".encode(), b"\\xff\\xfe.py")
    for name in raw:
        (Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name))).write_text("text")
    folder = list_folder(tmp_path)
    assert sorted(folder.files) == [
        "\\u202eyp.live.py", "\\x1b[31mred.py", "\\xff\\xfe.py", "\\xff\\xfe.py (2)", "a\\nb.py",
    ]  # fmt: skip
    assert all(folder.text(name) == "text" for name in folder.files)
    assert [finding.severity for finding in folder.findings] == ["note"]
    assert folder.findings[0].model_dump_json()


@pytest.mark.parametrize(
    "data, text",
    [
        (b"\xef\xbb\xbfplain", "plain"),
        ("wide".encode("utf-16"), "wide"),
        (b"\xff\xfe", ""),
        (b"caf\xe9", "caf\ufffd"),
    ],
)
def test_text_is_decoded_by_its_byte_order_mark(data: bytes, text: str) -> None:
    assert reading.decoded(data) == text


def test_bad_text_is_a_flag_where_a_machine_must_read_it_and_else_a_note(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"print('caf\xe9')")
    (tmp_path / "b.md").write_bytes(b"caf\xe9\0")
    folder = list_folder(tmp_path)
    folder.text("a.py", strict=True)
    folder.text("b.md")
    assert [(finding.text, finding.severity) for finding in folder.findings] == [
        ("is no valid UTF-8: a.py", "flag"),
        ("holds null bytes: b.md", "note"),
        ("is no valid UTF-8: b.md", "note"),
    ]


def test_many_files_with_one_problem_are_one_finding(tmp_path: Path) -> None:
    for number in range(8):
        (tmp_path / f"{number}.py").symlink_to("nowhere")
    (finding,) = list_folder(tmp_path).findings
    assert finding.text == "a link and not followed: 0.py, 1.py, 2.py, 3.py, 4.py and 3 more"
    assert len(finding.evidence) == 5


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no folder"):
        list_folder(tmp_path / "gone")
