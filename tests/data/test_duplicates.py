"""Files with the same bytes are found, and little is read for it."""

import os

from vicinal.data import duplicates
from vicinal.data.duplicates import Joined, identical


def written(folder, *contents):
    files = [folder / str(number) for number in range(len(contents))]
    for file, content in zip(files, contents, strict=True):
        file.write_bytes(content)
    return files


def test_sets_of_files_with_the_same_bytes(tmp_path):
    files = written(tmp_path, b"aa", b"bb", b"aa", b"ccc", b"bb", b"aa", b"cc")
    assert identical(files) == [[0, 2, 5], [1, 4]]


def test_files_that_differ_at_their_beginning_alone(tmp_path):
    end = bytes(5000)
    assert identical(written(tmp_path, b"a" + end, b"b" + end, b"a" + end)) == [[0, 2]]


def test_empty_and_missing_files_are_like_no_other(tmp_path):
    files = written(tmp_path, b"", b"", b"a")
    assert identical([*files, tmp_path / "missing", tmp_path / "missing"]) == []


def test_links_are_the_same_file(tmp_path):
    (file,) = written(tmp_path, bytes(3000))
    (tmp_path / "soft").symlink_to(file)
    os.link(file, tmp_path / "hard")
    assert identical([file, tmp_path / "soft", tmp_path / "hard"]) == [[0, 1, 2]]


def test_bytes_records_and_files_are_compared_alike(tmp_path):
    content = bytes(range(256)) * 8
    (file,) = written(tmp_path, content)
    images = [file, content, {"bytes": content, "path": "a.png"}, content[::-1], {"bytes": None}]
    assert identical(images) == [[0, 1, 2]]
    assert identical(Joined(images[:2], images[3:])) == [[0, 1]]


def test_files_are_opened_only_where_the_size_is_the_same(tmp_path, monkeypatch):
    opened = []
    for name in ("_tail", "_digest"):
        plain = getattr(duplicates, name)
        monkeypatch.setattr(
            duplicates, name, lambda file, *a, p=plain, n=name: opened.append(n) or p(file, *a)
        )
    large = bytes(3000)
    files = written(tmp_path, b"a", b"bb", b"ccc", b"ddd", large + b"a", large + b"b")
    assert identical(files) == []
    assert opened == ["_tail"] * 4
