"""What the DCASE reader says of a dataset with faults, and of a root that is no dataset."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest

from asdcore.errors import DatasetError
from asdcore_plugins.datasets.dcase import DcaseReader

OF_2020 = (
    "ToyConveyor/test/anomaly_id_01_00000000.wav",
    "ToyConveyor/test/normal_id_01_00000000.wav",
    "ToyConveyor/train/normal_id_01_00000000.wav",
)
OF_2026 = (
    "NewMachine/train/section_00_target_train_normal_0007_car_B1_mic_2_mic_1.flac",
    "NewMachine/test/section_00_source_test_anomaly_0193_x.FLAC",
)


def refusal(root: Path, task: str = "dcase") -> DatasetError:
    with pytest.raises(DatasetError) as refused:
        DcaseReader(task).clips(root)
    assert isinstance(refused.value.clips, pl.DataFrame)
    return refused.value


def test_all_problems_of_a_dataset_are_said_at_once(tmp_path: Path, lay, wav) -> None:
    lay(
        tmp_path,
        "pump/train/section_00_source_train_normal_0000_x.wav",
        "pump/test/section_00_0000.wav",
        "fan/train/section_00_source_train_anomaly_0000_x.wav",
        "fan/train/section_00_source_test_normal_0000_x.wav",
        "fan/train/normal_id_00_00000000.wav",
        "fan/train/section_00/section_00_source_train_normal_0000_x.wav",
        "fan/section_00_source_train_normal_0000_x.wav",
        "fan/Test/section_00_0000.wav",
        "fan/test/section_00_0000.wav",
        "speech.wav",
    )
    (tmp_path / "fan/train/odd\nname.wav").write_bytes(b"")
    (tmp_path / "fan/test/section_00_0001.wav").mkdir()
    wav(tmp_path / "pump/test/section_00_0002.wav", channels=2)
    (tmp_path / "pump/test/section_00_0001.wav").write_bytes(b"RIFF")
    hidden = "where no clip belongs: move it away, or hide its folder"
    assert sorted(refusal(tmp_path, "dcase2024").problems) == sorted(
        [
            "'fan/train/odd\\nname.wav': its name has characters that cannot be printed, rename it",
            f". holds sound (1: speech.wav), {hidden}",
            "pump/test/section_00_0002.wav: 2 channels, this task has 1",
            "pump/test/section_00_0001.wav: will not decode (Format not recognised)",
            f"fan holds sound (1: section_00_source_train_normal_0000_x.wav), {hidden}",
            "fan section 00: no train clips, so there is no normal sound to compare its test clips with",
            f"fan/Test holds sound (1: section_00_0000.wav), {hidden}",
            "fan/test/section_00_0001.wav: cannot be read (Is a directory)",
            "fan/train/normal_id_00_00000000.wav: not named as in dcase2024, but as in dcase2020",
            "fan/train/section_00_source_test_normal_0000_x.wav: its name says test, its folder train says train",
            "fan/train/section_00_source_train_anomaly_0000_x.wav: a train clip named anomaly, train clips are normal",
            f"fan/train/section_00 holds sound (1: section_00_source_train_normal_0000_x.wav), {hidden}",
        ]
    )


def test_a_wrong_task_is_said_once_with_the_right_one(tmp_path: Path, lay) -> None:
    lay(tmp_path, *OF_2020)
    error = refusal(tmp_path, "dcase2026")
    assert str(error).startswith(f"{tmp_path} is not a dataset of dcase2026.\n")
    first = OF_2020[0]
    assert error.problems == [f"{first} (3 clips in all): not named as in dcase2026, but as in dcase2020"]
    with pytest.raises(DatasetError, match="but as in dcase2020"):
        DcaseReader("dcase2026").ground_truth(tmp_path)


@pytest.mark.parametrize(("task", "channels"), [("dcase2025", 2), ("dcase2026", 1)])
def test_each_year_has_its_channel_count(tmp_path: Path, task: str, channels: int, lay) -> None:
    lay(tmp_path, *OF_2026, channels=channels)
    assert len(refusal(tmp_path, task).problems) == 1
    assert "all 2 clips have" in refusal(tmp_path, task).problems[0]
    assert DcaseReader("dcase").clips(tmp_path)["channels"].to_list() == [channels] * 2


def test_a_wrong_root_is_answered_with_the_right_one(tmp_path: Path, lay) -> None:
    lay(tmp_path / "dev_data/raw", *OF_2026, channels=2)
    lay(tmp_path / "eval_data/raw", *OF_2026, channels=2)
    raw = tmp_path.resolve() / "dev_data/raw"
    both = refusal(tmp_path)
    assert str(both).startswith(f"{tmp_path} is not a dataset.\n")
    (line,) = both.problems
    assert "dev_data/raw/NewMachine/test holds sound (1: section_00_source_test_anomaly_0193_x.FLAC)" in line
    assert "Expected are ROOT/<machine>/train/<clip>.wav" in line
    assert line.endswith(f"Give {raw} or {tmp_path.resolve() / 'eval_data/raw'} instead.")
    assert str(refusal(tmp_path / "dev_data")).endswith(f"Give {raw} instead.")
    machine = refusal(raw / "NewMachine")
    assert "it is the folder of one machine" in str(machine)
    assert str(machine).endswith(f"Give {raw} instead.")
    assert str(refusal(raw / "NewMachine/train")).endswith(f"Give {raw} instead.")
    lay(tmp_path / "loose/samples", "fan_test_section_00_0000.wav")
    assert str(refusal(tmp_path / "loose")).endswith(f"Give {tmp_path.resolve() / 'loose/samples'} instead.")


def test_a_relative_root_is_answered_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lay) -> None:
    lay(tmp_path, *OF_2026, channels=2)
    monkeypatch.chdir(tmp_path / "NewMachine")
    assert str(refusal(Path())).endswith(f"Give {tmp_path.resolve()} instead.")
    assert len(DcaseReader("dcase").clips(Path(".."))) == 2


def test_a_root_without_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file.txt").write_text("x")
    (tmp_path / "fan/train").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    assert "no .wav or .flac file is in it, but train. Expected" in str(refusal(tmp_path / "fan"))
    assert "no .wav or .flac file is in it, but empty, fan, file.txt. Expected" in str(refusal(tmp_path))
    assert "no .wav or .flac file is in it, but nothing. Expected" in str(refusal(tmp_path / "empty"))
    assert "it is a file. Expected" in str(refusal(tmp_path / "file.txt"))
    assert "there is no such folder. Expected" in str(refusal(tmp_path / "nowhere"))
    assert len(refusal(tmp_path / "nowhere").problems) == 1
    with pytest.raises(DatasetError, match="there is no such folder"):
        DcaseReader("dcase").ground_truth(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_read_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lay) -> None:
    lay(tmp_path, *OF_2026, channels=2)
    scandir = os.scandir

    def locked(folder: str) -> object:
        if str(folder).endswith("test"):
            raise PermissionError(13, "Permission denied", str(folder))
        return scandir(folder)

    monkeypatch.setattr(os, "scandir", locked)
    assert refusal(tmp_path).problems == [f"{tmp_path}/NewMachine/test: cannot be read (Permission denied)"]
