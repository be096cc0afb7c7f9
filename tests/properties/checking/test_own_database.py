"""A database in a folder that anybody may have filled."""

from __future__ import annotations

import errno
import os
from itertools import count
from pathlib import Path

import pytest

from sendright.mach.own_files import Unusable
from sendright.properties.checking import own_database
from sendright.properties.checking.own_database import LARGEST, MOST_VALUES, OwnDatabase


@pytest.fixture
def database(tmp_path: Path) -> OwnDatabase:
    made = OwnDatabase(tmp_path / "kept")
    made.save(b"key", b"value")
    return made


def file_of(database: OwnDatabase) -> Path:
    [folder] = database.folder.iterdir()
    [file] = folder.iterdir()
    return file


def test_values_are_kept_and_deleted(database: OwnDatabase) -> None:
    database.save(b"key", b"another")
    database.save(b"key", b"another")
    assert sorted(database.fetch(b"key")) == [b"another", b"value"]
    assert list(database.fetch(b"another key")) == []
    database.delete(b"key", b"value")
    database.delete(b"key", b"never there")
    assert list(OwnDatabase(database.folder).fetch(b"key")) == [b"another"]


def test_the_oldest_go(database: OwnDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_database, "MOST_KEYS", 3)
    file_of(database).unlink()
    seconds = count(1)
    real = own_database.write_secret

    def write(path: Path, content: bytes) -> None:
        """Each file, and its folder, is a second older than the next one."""
        real(path, content)
        for each, second in ((path, next(seconds)), (path.parent, next(seconds))):
            os.utime(each, (second, second))

    monkeypatch.setattr(own_database, "write_secret", write)
    for number in range(MOST_VALUES + 5):
        database.save(b"key", b"%d" % number)
    assert list(database.fetch(b"key")) == [b"%d" % number for number in reversed(range(5, MOST_VALUES + 5))]
    for number in range(6):
        database.save(b"key %d" % number, b"value")
    assert len(list(database.folder.iterdir())) == 3
    assert list(database.fetch(b"key 5")) == [b"value"]


def test_what_somebody_else_keeps_there_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_database, "MOST_KEYS", 1)
    precious = [tmp_path / (letter * 32) / "precious" for letter in "abcx"]
    for file in precious:
        file.parent.mkdir()
        file.write_text("precious")
    shared = OwnDatabase(tmp_path)
    for number in range(3):
        shared.save(b"key %d" % number, b"value")
    assert all(file.exists() for file in precious)
    assert list(shared.fetch(b"key 2")) == [b"value"]


def test_what_is_too_large_is_neither_kept_nor_read(database: OwnDatabase) -> None:
    database.save(b"key", b"x" * (LARGEST + 1))
    assert list(database.fetch(b"key")) == [b"value"]
    file_of(database).write_bytes(b"x" * (LARGEST + 1))
    assert list(database.fetch(b"key")) == []


def test_what_was_changed_is_not_read(database: OwnDatabase) -> None:
    file_of(database).write_bytes(b"changed")
    assert list(database.fetch(b"key")) == []


def test_links_pipes_and_folders_are_not_read(database: OwnDatabase, tmp_path: Path) -> None:
    file = file_of(database)
    file.unlink()
    (tmp_path / "elsewhere").write_bytes(b"value")
    file.symlink_to(tmp_path / "elsewhere")
    assert list(database.fetch(b"key")) == []
    file.unlink()
    os.mkfifo(file)
    assert list(database.fetch(b"key")) == []
    file.unlink()
    file.mkdir()
    assert list(database.fetch(b"key")) == []


def test_a_link_is_replaced_and_its_target_stays(database: OwnDatabase, tmp_path: Path) -> None:
    file = file_of(database)
    file.unlink()
    (tmp_path / "precious").write_text("precious")
    file.symlink_to(tmp_path / "precious")
    database.save(b"key", b"value")
    assert (tmp_path / "precious").read_text() == "precious"
    assert list(database.fetch(b"key")) == [b"value"]


def test_a_folder_behind_a_link_is_refused(database: OwnDatabase, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    with pytest.raises(Unusable, match="is a link"):
        OwnDatabase(tmp_path / "link")
    folder = file_of(database).parent
    file_of(database).unlink()
    folder.rmdir()
    folder.symlink_to(tmp_path / "there")
    with pytest.raises(OSError, match="is a link"):
        database.save(b"key", b"value")
    assert not list((tmp_path / "there").iterdir())


def test_a_folder_that_cannot_be_written_to_is_told(database: OwnDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path, content: bytes) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(own_database, "write_secret", refuse)
    with pytest.raises(PermissionError, match="Permission denied"):
        database.save(b"key", b"another")
    assert list(database.fetch(b"key")) == [b"value"]
