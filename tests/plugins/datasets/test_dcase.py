"""The DCASE reader: every form of name, every layout, and what it says of a root that is none."""

from __future__ import annotations

import gzip
import os
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from asdcore.components.readers import left_out_by
from asdcore.contract.interfaces import Dataset
from asdcore.contract.plugins import installed
from asdcore.data.recordings.audio import decode
from asdcore.errors import DatasetError
from asdcore.store.tables import CLIP_INDEX, GROUND_TRUTH
from asdcore_plugins.datasets.bases.dcase_names import parse_name
from asdcore_plugins.datasets.dcase import DcaseReader

SHARED = Path(os.environ.get("ASDCORE_SHARED", Path(__file__).parents[3].parent / "shared"))
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason=f"no shared data at {SHARED} (set ASDCORE_SHARED)")


LAYOUTS: dict[str, tuple[str, ...]] = {
    "dcase2020": (
        "ToyConveyor/train/normal_id_01_00000000.wav",
        "ToyConveyor/test/normal_id_01_00000000.wav",
        "ToyConveyor/test/anomaly_id_01_00000000.wav",
    ),
    "dcase2021": (
        "fan/train/section_00_source_train_normal_0000.wav",
        "fan/train/section_00_target_train_normal_0000_strength_1.wav",
        "fan/source_test/section_00_source_test_normal_0000.wav",
        "fan/target_test/section_00_target_test_anomaly_0000.wav",
        "pump/train/section_00_source_train_normal_0000.wav",
        "pump/test/section_00_source_test_normal_0000.wav",
        "pump/test/section_00_target_test_normal_0000.wav",
    ),
    "dcase2024": (
        "3DPrinter/train/section_00_source_train_normal_0001_noAttribute.wav",
        "3DPrinter/test/section_00_0001.wav",
        "RoboticArm/train/section_00_source_train_normal_0000_weight15_BckgF.wav",
        "RoboticArm/test/section_00_target_anomaly_0035_weight15_BckgF.wav",
    ),
    "dcase2026": (
        "NewMachine/train/section_00_target_train_normal_0007_car_B1_mic_2_mic_1.flac",
        "NewMachine/test/section_00_source_test_anomaly_0193_x.FLAC",
    ),
}


@pytest.mark.parametrize("task", LAYOUTS)
def test_the_layouts_of_the_years_are_indexed(tmp_path: Path, task: str, lay) -> None:
    lay(tmp_path, *LAYOUTS[task], channels=2 if task == "dcase2026" else 1)
    index = DcaseReader(task).clips(tmp_path)
    assert index.equals(DcaseReader("dcase").clips(tmp_path))
    assert CLIP_INDEX.check(index)["clip"].to_list() == sorted(LAYOUTS[task])
    for clip, machine, split, domain in index.select("clip", "machine", "split", "domain").rows():
        folder = clip.split("/")[1]
        assert machine == clip.split("/")[0]
        assert split == ("train" if folder == "train" else "test")
        assert domain == (None if split == "test" else "target" if "target" in clip else "source")


def test_train_clips_are_in_the_order_of_their_index_and_test_clips_in_none(tmp_path: Path, lay) -> None:
    names = ("source_train_normal_0012", "target_train_normal_0003")
    lay(tmp_path, *(f"fan/train/section_00_{name}_x.wav" for name in names))
    lay(tmp_path, "fan/test/section_00_source_test_anomaly_0007_x.wav")
    index = DcaseReader("dcase2023").clips(tmp_path)
    assert index["order"].to_list() == [None, 12.0, 3.0]
    assert index["recording"].is_null().all()


def test_attributes_are_the_tail_as_it_stands(tmp_path: Path, lay) -> None:
    index = DcaseReader("dcase2024").clips(lay(tmp_path, *LAYOUTS["dcase2024"]))
    assert dict(index.select("clip", "attributes").rows()) == {
        "3DPrinter/train/section_00_source_train_normal_0001_noAttribute.wav": None,
        "3DPrinter/test/section_00_0001.wav": None,
        "RoboticArm/train/section_00_source_train_normal_0000_weight15_BckgF.wav": "weight15_BckgF",
        "RoboticArm/test/section_00_target_anomaly_0035_weight15_BckgF.wav": "weight15_BckgF",
    }


def test_ground_truth_has_the_machines_whose_every_test_clip_is_labelled(tmp_path: Path, lay, wav) -> None:
    truth = DcaseReader("dcase2024").ground_truth(lay(tmp_path, *LAYOUTS["dcase2024"]))
    assert truth is not None
    assert GROUND_TRUTH.check(truth).rows() == [(LAYOUTS["dcase2024"][3], 1, "target")]
    wav(tmp_path / "RoboticArm/test/section_00_0000.wav")
    assert DcaseReader("dcase2024").ground_truth(tmp_path) is None
    (tmp_path / "RoboticArm/test/section_00_0000.wav").rename(tmp_path / "RoboticArm/test/speech.wav")
    assert DcaseReader("dcase2024").ground_truth(tmp_path) is None


def test_ground_truth_of_2021_spans_both_test_folders(tmp_path: Path, lay, wav) -> None:
    lay(tmp_path, *LAYOUTS["dcase2021"], "valve/train/section_03_source_train_normal_0000.wav")
    wav(tmp_path / "valve/source_test/section_03_source_test_0000.wav")
    truth = DcaseReader("dcase2021").ground_truth(tmp_path)
    assert truth is not None
    assert truth.rows() == [
        ("fan/source_test/section_00_source_test_normal_0000.wav", 0, "source"),
        ("fan/target_test/section_00_target_test_anomaly_0000.wav", 1, "target"),
        ("pump/test/section_00_source_test_normal_0000.wav", 0, "source"),
        ("pump/test/section_00_target_test_normal_0000.wav", 0, "target"),
    ]


def test_2020_has_labels_but_no_domain(tmp_path: Path, lay) -> None:
    truth = DcaseReader("dcase2020").ground_truth(lay(tmp_path, *LAYOUTS["dcase2020"]))
    assert truth is not None
    assert truth.schema == GROUND_TRUTH.columns
    assert sorted(truth.select("label", "domain").rows()) == [(0, None), (1, None)]


def test_what_lies_beside_the_clips_breaks_nothing(tmp_path: Path, lay) -> None:
    lay(tmp_path, *LAYOUTS["dcase2026"], channels=2)
    machine = tmp_path / "NewMachine"
    extra = ["section_00_machine_0002_.wav", "section_00_machine_0001_.wav", "section_00_noise_0001_.wav"]
    lay(machine, *(f"supplemental/{name}" for name in extra), "test_rename/section_00_source_test_normal_0000_x.wav")
    lay(tmp_path, "__MACOSX/NewMachine/train/x.wav", ".cache/x.wav", "NewMachine/.old/train/x.wav")
    (machine / "test" / "._section_00_source_test_anomaly_0193_x.FLAC").write_bytes(b"Mac OS X")
    for name in (
        ".DS_Store",
        "attributes_00.csv",
        "test/Thumbs.db",
        "train/.DS_Store",
        "../README.md",
        "supplemental/.x.wav",
    ):
        (machine / name).write_bytes(b"")
    (tmp_path / "licences").mkdir()
    reader = DcaseReader("dcase2026")
    assert reader.clips(tmp_path)["clip"].to_list() == sorted(LAYOUTS["dcase2026"])
    assert reader.supplemental(tmp_path) == [f"NewMachine/supplemental/{name}" for name in sorted(extra)]
    (note,) = left_out_by(reader, tmp_path)
    assert note.startswith(f"{len(extra)} recordings set aside (such as NewMachine/supplemental/")


def test_a_machine_or_its_folder_may_be_a_link(tmp_path: Path, lay) -> None:
    lay(tmp_path / "disk", *LAYOUTS["dcase2026"], channels=2)
    (tmp_path / "root").mkdir()
    (tmp_path / "root/Linked").symlink_to(tmp_path / "disk/NewMachine")
    (tmp_path / "root/Halves").mkdir()
    for half in ("train", "test"):
        (tmp_path / "root/Halves" / half).symlink_to(tmp_path / "disk/NewMachine" / half)
    found = DcaseReader("dcase2026").clips(tmp_path / "root")["clip"].to_list()
    assert found == sorted(
        clip.replace("NewMachine", name) for clip, name in product(LAYOUTS["dcase2026"], ("Linked", "Halves"))
    )
    (tmp_path / "root/Linked/round").symlink_to(tmp_path / "root")
    assert DcaseReader("dcase2026").clips(tmp_path / "root")["clip"].to_list() == found, "a link round is no end"
    (tmp_path / "root/Fan").symlink_to(tmp_path / "share/Fan")
    with pytest.raises(DatasetError, match="Fan: is a link that leads nowhere. Is a share not mounted"):
        DcaseReader("dcase2026").clips(tmp_path / "root")


def test_a_folder_of_loose_clips_is_indexed(tmp_path: Path, lay) -> None:
    clips = (
        "3DPrinter_test_section_00_0000.wav",
        "3DPrinter_train_section_00_source_train_normal_0001_noAttribute.wav",
        "toy_car_test_anomaly_id_01_00000000.wav",
        "toy_car_train_normal_id_01_00000000.flac",
    )
    reader = DcaseReader("dcase")
    index = reader.clips(lay(tmp_path, *clips))
    assert index.select("clip", "machine", "section", "split").rows() == [
        (clips[0], "3DPrinter", "00", "test"),
        (clips[1], "3DPrinter", "00", "train"),
        (clips[2], "toy_car", "01", "test"),
        (clips[3], "toy_car", "01", "train"),
    ]
    truth = reader.ground_truth(tmp_path)
    assert truth is not None
    assert truth.rows() == [(clips[2], 1, None)]


def test_a_reader_is_registered_for_every_task() -> None:
    plugins = installed()
    tasks = ["dcase", *(f"dcase{year}" for year in range(2020, 2027))]
    assert set(tasks) <= set(plugins.components("dataset"))
    for name in tasks:
        reader = plugins.build("dataset", name, {})
        assert isinstance(reader, Dataset)
        assert isinstance(reader, DcaseReader)
        assert reader.year == (2026 if name == "dcase" else int(name.removeprefix("dcase")))
        assert reader.detected == (name == "dcase")


@needs_shared
def test_the_14400_names_of_2026_are_read(tmp_path: Path) -> None:
    with gzip.open(SHARED / "data/dcase2026_clip_names.txt.gz", "rt") as file:
        clips = file.read().split()
    expected = {}
    for clip in clips:
        _, split, name = clip.split("/")
        said = [None if word == "noAttribute.wav" else word for word in name.split("_", 6)]
        hidden = len(said) == 3
        expected[clip] = ("00", split, None, None) if hidden else ("00", split, said[2], said[4])
        found = parse_name(name, split, "dcase2026")
        assert (found.section, found.split, found.domain, found.label) == expected[clip]
        assert (found.attributes is None) == (hidden or said[6] is None)
    assert len(expected) == 14_400

    some = clips[::10]
    for clip in some:
        (tmp_path / clip).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / clip).touch()
    truth = DcaseReader("dcase2026").ground_truth(tmp_path)
    assert truth is not None
    labels = {"normal": 0, "anomaly": 1}
    labelled = {clip for clip in some if "/test/" in clip and expected[clip][3]}
    assert len(labelled) == 140
    assert set(truth.rows()) == {(clip, labels[str(expected[clip][3])], expected[clip][2]) for clip in labelled}
    with pytest.raises(DatasetError) as refused:
        DcaseReader("dcase2026").clips(tmp_path)
    assert len(refused.value.problems) == len(some), "the files are empty, and nothing else is wrong"
    for clip, machine, section, split, domain in refused.value.clips[:, :5].rows():
        assert machine == clip.split("/")[0]
        assert (section, split) == expected[clip][:2]
        assert domain == (expected[clip][2] if split == "train" else None)


@needs_shared
@pytest.mark.parametrize(
    ("folder", "clips", "labels"), [("dcase2023_samples", 28, None), ("dcase2023_toycar_small", 408, [100, 100])]
)
def test_real_clips_are_indexed_and_decode(folder: str, clips: int, labels: list[int] | None) -> None:
    root = SHARED / "data" / folder
    reader = DcaseReader("dcase2023")
    index = reader.clips(root)
    assert len(index) == clips
    assert index.filter(pl.col("split") == "train")["domain"].null_count() == 0

    def heard(row: tuple[str, str, int]) -> bool:
        clip, sha256, n_samples = row
        audio, rate = decode(root / clip, sha256)
        return (audio.shape, rate) == ((1, n_samples), 16000) and 0 < np.abs(audio).max() <= 1

    with ThreadPoolExecutor(2) as threads:
        assert all(threads.map(heard, index.select("clip", "sha256", "n_samples").rows()))
    truth = reader.ground_truth(root)
    assert truth is not None
    assert truth["clip"].to_list() == index.filter(pl.col("split") == "test")["clip"].to_list()
    assert labels is None or truth["label"].value_counts().sort("label")["count"].to_list() == labels
