"""Every form that the name of a DCASE clip takes, and the names that are none."""

from __future__ import annotations

import time

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from asdcore.errors import DataError
from asdcore_plugins.datasets.bases import dcase_names
from asdcore_plugins.datasets.bases.dcase_names import FORMS, TASKS, ClipName, parse_name

# name | folder | task | section split domain label index attributes ("-": None)
NAMES = """
normal_id_00_00000000.wav | train | dcase2020 | 00 train source normal 00000000 -
anomaly_id_02_00000137.wav | test | dcase2020 | 02 test - anomaly 00000137 -
id_05_00000012.wav | test | dcase2020 | 05 test - - 00000012 -
section_02_source_train_normal_0000_str_1_amb.wav | train | dcase2021 | 02 train source normal 0000 str_1_amb
section_00_target_train_normal_0002.wav | train | dcase2021 | 00 train target normal 0002 -
section_01_source_test_anomaly_0099.wav | source_test | dcase2021 | 01 test source anomaly 0099 -
section_01_target_test_normal_0099.wav | test | dcase2021 | 01 test target normal 0099 -
section_03_target_test_0001.wav | target_test | dcase2021 | 03 test target - 0001 -
section_03_source_test_0001.wav | test | dcase2021 | 03 test source - 0001 -
section_00_source_train_normal_0003_volt_3.0.wav | train | dcase2022 | 00 train source normal 0003 volt_3.0
section_03_0000.wav | test | dcase2022 | 03 test - - 0000 -
section_00_test_0199.wav | test | dcase2023 | 00 test - - 0199 -
section_00_target_test_normal_0021_m-n_Y.FLAC | test | dcase2023 | 00 test target normal 0021 m-n_Y
section_00_source_test_normal_0026_volt_1.5.Wav | test | dcase2023 | 00 test source normal 0026 volt_1.5
section_00_source_test_normal_0026_volt_1.5 | test | dcase2023 | 00 test source normal 0026 volt_1.5
section_00_source_train_normal_0990_noAttribute.wav | train | dcase2024 | 00 train source normal 0990 -
section_00_source_normal_0035_weight15_BckgF | test | dcase2024 | 00 test source normal 0035 weight15_BckgF
section_00_target_anomaly_0035_weight15_BckgF.wav | test | dcase2024 | 00 test target anomaly 0035 weight15_BckgF
section_00_target_normal_0001_weight15_BckgF.wav | train | dcase2024 | 00 train target normal 0001 weight15_BckgF
section_00_0001.wav | test | dcase2025 | 00 test - - 0001 -
section_00_source_train_normal_001_.wav | train | dcase2025 | 00 train source normal 001 -
section_00_source_train_normal_00012_noAttributes_.wav | train | dcase2025 | 00 train source normal 00012 -
section_00_target_test_anomaly_0193_mic_2_mic_1.wav | test | dcase2026 | 00 test target anomaly 0193 mic_2_mic_1
"""


@pytest.mark.parametrize("line", NAMES.strip().splitlines())
def test_every_form_of_name_is_read(line: str) -> None:
    name, folder, task, said = line.split(" | ")
    section, split, domain, label, index, attributes = (None if word == "-" else word for word in said.split())
    expected = ClipName(str(section), split, domain, label, str(index), attributes)
    assert parse_name(name, folder, task) == expected
    assert parse_name(name, folder) == expected, "without a year every form is tried"


def test_the_folder_may_be_unknown() -> None:
    assert parse_name("section_00_0000.wav").split == "test"
    assert parse_name("section_00_source_train_normal_0000_x.wav").split == "train"
    unsaid = parse_name("normal_id_00_00000000.wav")
    assert (unsaid.split, unsaid.domain) == (None, None)


@pytest.mark.parametrize(
    ("name", "folder", "task", "message"),
    [
        ("normal_id_00_00000000.wav", "train", "dcase2026", "not named as in dcase2026, but as in dcase2020$"),
        ("section_00_0000.wav", "test", "dcase2021", "but as in dcase2022 or dcase2023 or .* or dcase2026$"),
        ("section_00_source_normal_0035_w.wav", "test", "dcase2025", "but as in dcase2024$"),
        ("section_00_source_test_0035.wav", "test", "dcase2022", "but as in dcase2021$"),
        ("speech.wav", "test", "dcase2020", r"dcase2020: <label>_id_<section>_<index>, id_<section>_<index>$"),
        ("section_0_0000.wav", "test", "dcase2022", "not named as in dcase2022: section_<section>_<domain>_<split>_"),
        ("section_00_00.wav", "test", "dcase", "not named as in dcase: "),
        ("section_00_middle_test_normal_0000_x.wav", "test", "dcase", "not named as in dcase: "),
        ("section_00_0000.wav\n", "test", "dcase", "not named as in dcase: "),
        ("section_\u0660\u0660_0000.wav", "test", "dcase", "not named as in dcase: "),
        (
            "section_00_source_test_normal_0000_x.wav",
            "train",
            "dcase",
            "its name says test, its folder train says train",
        ),
        ("section_00_0000.wav", "train", "dcase", "its name says test, its folder train says train"),
        ("section_00_source_test_0000.wav", "target_test", "dcase", "says source, its folder target_test says target"),
        ("anomaly_id_00_00000000.wav", "train", "dcase2020", "a train clip named anomaly"),
        ("section_00_source_train_anomaly_0000_x.wav", None, "dcase", "a train clip named anomaly"),
    ],
)
def test_a_name_that_fits_no_form_or_contradicts_its_folder_is_refused(
    name: str, folder: str | None, task: str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as refused:
        parse_name(name, folder, task)
    assert str(refused.value).startswith(f"{name}: ")


def test_an_unknown_task_is_refused() -> None:
    with pytest.raises(DataError, match=r"No task is named 'dcase2019'\. Known: dcase2020, .*dcase2026, dcase\."):
        parse_name("section_00_0000.wav", "test", "dcase2019")


DIGITS = st.text("0123456789", min_size=3, max_size=9)
TAILS = st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="/"), min_size=1, max_size=30)


@st.composite
def spelt(draw: st.DrawFn) -> tuple[str, str, ClipName]:
    """Draw a form, a folder that suits it, and a clip that can be named in it."""
    key = draw(st.sampled_from(sorted(FORMS)))
    template = FORMS[key].template
    split = "test" if FORMS[key].split == "test" else draw(st.sampled_from(["train", "test"]))
    domain = draw(st.sampled_from(["source", "target"])) if "{domain}" in template else None
    label = draw(st.sampled_from(["normal", "anomaly"])) if "{label}" in template else None
    attributes = draw(st.none() | TAILS) if "{tail}" in template else None
    assume(attributes is None or attributes.strip("_").lower() not in dcase_names.NO_ATTRIBUTES)
    if split == "train":
        domain, label = domain or "source", "normal"
    section = draw(st.text("0123456789", min_size=2, max_size=2))
    return key, split, ClipName(section, split, domain, label, draw(DIGITS), attributes)


@given(spelt(), st.sampled_from(["", ".wav", ".WAV", ".flac"]))
def test_a_clip_named_in_a_form_is_read_back(drawn: tuple[str, str, ClipName], suffix: str) -> None:
    key, folder, clip = drawn
    assume(suffix or not (clip.attributes or "").lower().endswith(dcase_names.SUFFIXES))
    name = FORMS[key].spell(clip) + suffix
    for task, rules in TASKS.items():
        if key in rules.forms:
            assert parse_name(name, folder, task) == clip


@given(spelt())
def test_no_name_fits_two_forms(drawn: tuple[str, str, ClipName]) -> None:
    key, _, clip = drawn
    stem = FORMS[key].spell(clip)
    assert [name for name, form in FORMS.items() if form.pattern.fullmatch(stem)] == [key]


def test_names_are_read_fast() -> None:
    forms = [form for form in FORMS.values() if form.split == "test" or "{split}" in form.template]
    clips = [ClipName("00", "test", "target", "normal", f"{n:04d}", "car_B1_spd_3_mic_2") for n in range(14_400)]
    names = [forms[n % len(forms)].spell(clip) + ".wav" for n, clip in enumerate(clips)]
    took = []
    for _ in range(3):
        start = time.process_time()
        for name in names:
            parse_name(name, "test")
        took.append(time.process_time() - start)
    assert min(took) < 0.5
