"""asdcore.submission.layout: labels, and the names of score files and clips in every year."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.errors import DataError
from asdcore.submission.layout import clip_name, expected_files, kinds, labels, spells_label


def clips(*rows):
    table = [(clip, machine, section, "test") for clip, machine, section in rows]
    table.append(("fan/train/section_00_source_train_normal_0000_x.wav", "fan", "00", "train"))
    return pl.DataFrame(table, schema=["clip", "machine", "section", "split"], orient="row")


def test_a_team_is_numbered_and_full_labels_are_kept():
    assert labels("Zhang_XJTLU", 2) == ["Zhang_XJTLU_task2_1", "Zhang_XJTLU_task2_2"]
    assert labels("Van_den_Berg_HEU-HIT", 1) == ["Van_den_Berg_HEU-HIT_task2_1"]
    assert labels("Zhang_XJTLU_task2_4,Zhang_XJTLU_task2_2", 2) == ["Zhang_XJTLU_task2_4", "Zhang_XJTLU_task2_2"]


NO_LABELS = """Zhang Zhang_ _XJTLU Zhäng_XJTLU Zhang/XJTLU ../x_y Zhang_XJTLU_task2 Zhang_XJTLU_task2_5
    Zhang_XJTLU_task2_0 Zhang_XJTLU_task1_1 Zhang_task2_1 Zhang_XJTLU_task2_1,Li_XJTLU_task2_2 Zhang_XJTLU,Li_XJTLU"""


@pytest.mark.parametrize("given", [*NO_LABELS.split(), "", "Zhang XJTLU", "Zhang_a b", "Zhang_XJTLU\n"])
def test_what_is_no_label_is_refused(given):
    with pytest.raises(DataError, match="Give --label <Name>_<Institute>"):
        labels(given, 2)


@pytest.mark.parametrize("given", ["Zhang_XJTLU_task2_1", "Zhang_XJTLU_task2_1,Zhang_XJTLU_task2_1"])
def test_each_system_has_a_label_of_its_own(given):
    with pytest.raises(DataError, match=r"1 labels .* for 2 systems.*--label Zhang_XJTLU to have them numbered"):
        labels(given, 2)


def test_since_2022_a_file_for_each_machine_and_section():
    index = clips(
        ("fan/test/section_00_0001.wav", "fan", "00"),
        ("fan/test/section_01_0000.wav", "fan", "01"),
        ("3DPrinter/test/section_00_0001.wav", "3DPrinter", "00"),
    )
    assert (
        expected_files(index, 2022)
        == expected_files(index, 2026)
        == {
            "3DPrinter_section_00_test": {"3DPrinter/test/section_00_0001.wav": "section_00_0001.wav"},
            "fan_section_00_test": {"fan/test/section_00_0001.wav": "section_00_0001.wav"},
            "fan_section_01_test": {"fan/test/section_01_0000.wav": "section_01_0000.wav"},
        }
    )


def test_2021_has_a_file_for_each_domain_told_by_name_or_folder():
    index = clips(
        ("fan/test/section_03_source_test_0000.wav", "fan", "03"),
        ("fan/target_test/section_03_target_test_0000.wav", "fan", "03"),
        ("fan/target_test/0001.wav", "fan", "03"),
    )
    assert {end: sorted(names.values()) for end, names in expected_files(index, 2021).items()} == {
        "fan_section_03_source_test": ["section_03_source_test_0000.wav"],
        "fan_section_03_target_test": ["0001.wav", "section_03_target_test_0000.wav"],
    }
    with pytest.raises(
        DataError, match=r"fan/test/section_03_0000.wav: neither its name nor its folder holds source_test"
    ):
        expected_files(clips(("fan/test/section_03_0000.wav", "fan", "03")), 2021)


def test_2020_has_a_file_for_each_machine_id_and_no_decisions():
    index = clips(("fan/test/id_01_00000000.wav", "fan", "01"))
    assert expected_files(index, 2020) == {"fan_id_01": {"fan/test/id_01_00000000.wav": "id_01_00000000.wav"}}
    assert kinds(2020) == ("anomaly_score",)
    assert kinds(2021) == ("anomaly_score", "decision_result")


@pytest.mark.parametrize(
    ("clip", "name"),
    [
        ("fan/test/section_00_source_test_normal_0000_volt_3.0.wav", "section_00_source_test_normal_0000_volt_3.0.wav"),
        (
            "fan/test/section_00_source_test_normal_0000_volt_3.0.flac",
            "section_00_source_test_normal_0000_volt_3.0.wav",
        ),
        ("fan/test/section_00_0000.FLAC", "section_00_0000.wav"),
        ("fan/test/section_00_0000.WAV", "section_00_0000.WAV"),
        ("fan_test_section_00_0000.wav", "section_00_0000.wav"),
        ("fan_test_section_00_0000.flac", "section_00_0000.wav"),
        ("fan/test/fan_test_0000.wav", "fan_test_0000.wav"),
    ],
)
def test_a_clip_is_called_as_it_was_published(clip, name):
    assert clip_name(clip, "fan") == name


def test_two_clips_of_one_name_are_refused():
    index = clips(("fan_test_section_00_0000.wav", "fan", "00"), ("fan/test/section_00_0000.flac", "fan", "00"))
    with pytest.raises(DataError, match=r"would both be section_00_0000.wav in anomaly_score_fan_section_00_test.csv"):
        expected_files(index, 2024)


def test_development_clips_say_what_they_are():
    spelt = ["section_00_source_test_normal_0000_x.wav", "anomaly_id_01_00000000.wav"]
    assert all(map(spells_label, spelt))
    assert not any(map(spells_label, ["section_00_0000.wav", "id_01_00000000.wav", "section_03_source_test_0000.wav"]))
