"""A manifest goes where nothing else is kept, and says when it was frozen."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from asdcore.errors import ManifestError, StoreError
from asdcore.frozen.manifest.destination import check_place, moment_of
from asdcore.frozen.manifest.signing import signature_of


@pytest.fixture
def record(whole):
    """What the frozen run says of itself, as a digest."""
    (record,) = whole.manifest.of_kind("record")
    return record.content


def test_a_new_name_is_free_in_a_folder_that_is_there_or_not(tmp_path, record):
    check_place(tmp_path / "m.json", record)
    check_place(tmp_path / "new" / "folder" / "m.json", record)
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_of_the_same_run_may_be_replaced_and_of_another_not(whole, tmp_path, record):
    path = Path(shutil.copy(whole.path, tmp_path / "m.json"))
    check_place(path, record)
    with pytest.raises(ManifestError, match="m.json already exists and pins a different run. Choose another name"):
        check_place(path, "0" * 64)


@pytest.mark.parametrize("content", [b"my thesis", b"{}", b""])
def test_a_file_that_is_no_manifest_is_not_written_over(tmp_path, record, content):
    (tmp_path / "m.json").write_bytes(content)
    with pytest.raises(ManifestError, match="already exists and pins a different run"):
        check_place(tmp_path / "m.json", record)


def test_a_damaged_manifest_is_not_written_over(whole, tmp_path, record):
    (tmp_path / "m.json").write_bytes(whole.path.read_bytes()[:-1])
    with pytest.raises(ManifestError, match="already exists and pins a different run"):
        check_place(tmp_path / "m.json", record)


def test_what_is_signed_is_not_written_over(whole, tmp_path, record):
    path = Path(shutil.copy(whole.path, tmp_path / "m.json"))
    signature_of(path).write_text("")
    with pytest.raises(ManifestError, match=r"m.json.sig signs a manifest of this name, so it is not written over"):
        check_place(path, record)
    path.unlink()
    with pytest.raises(ManifestError, match="remove both first"):
        check_place(path, record)


def test_a_folder_is_no_place_and_neither_is_below_a_file(tmp_path, record):
    with pytest.raises(ManifestError, match="is a folder. Name a file for the manifest, such as .*manifest.json"):
        check_place(tmp_path, record)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="is a file, not a folder"):
        check_place(tmp_path / "file" / "m.json", record)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written_is_no_place(tmp_path, record):
    (tmp_path / "locked").mkdir(mode=0o500)
    with pytest.raises(StoreError, match="permission denied"):
        check_place(tmp_path / "locked" / "m.json", record)


@pytest.mark.parametrize("time", ["2026-06-01T00:00:00Z", "1 June 2026 12:00 +09:00", "v1.0_final"])
def test_a_given_time_is_said_as_it_is(time, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "0")
    assert moment_of(time) == time


@pytest.mark.parametrize("time", ["", 'a"b', "a\\b", "a\nb", "größe", "{}"])
def test_a_time_that_could_not_be_sealed_is_refused(time):
    with pytest.raises(ManifestError, match="The time is .*letters, digits, spaces"):
        moment_of(time)


def test_the_source_date_epoch_gives_the_time(monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1780272000")
    assert moment_of(None) == "2026-06-01T00:00:00Z"


@pytest.mark.parametrize("epoch", ["", None])
def test_without_one_it_is_now(monkeypatch, epoch):
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)
    if epoch is not None:
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    before = datetime.now(UTC).replace(microsecond=0)
    assert before <= datetime.fromisoformat(moment_of(None)) <= datetime.now(UTC)


@pytest.mark.parametrize("epoch", ["yesterday", "9" * 20, "1.5", "-" + "9" * 20])
def test_an_epoch_that_is_none_is_refused(monkeypatch, epoch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
    with pytest.raises(ManifestError, match=f"SOURCE_DATE_EPOCH is '{epoch}'.*Unset it"):
        moment_of(None)
