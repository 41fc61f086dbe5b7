"""The checks of dataset readers: an honest reader passes all, and for every check there is a fault that it finds."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import soundfile

from asdcore import DataError, DatasetError, index_clips
from asdcore.errors import PluginError
from asdcore.testing import checks, run_checks

NAMES = {
    "train": ("source_normal_0.wav", "source_normal_1.wav", "target_normal_0.wav"),
    "test": ("source_anomaly_0.wav", "source_normal_0.wav", "target_anomaly_0.wav", "target_normal_0.wav"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two machines, seven short clips each, whose test names spell domain and label."""
    where = tmp_path_factory.mktemp("sounds")
    rng = np.random.default_rng(0)
    for machine in ("fan", "valve"):
        for split, names in NAMES.items():
            (where / machine / split).mkdir(parents=True)
            for name in names:
                soundfile.write(where / machine / split / name, 0.1 * rng.standard_normal(400), 16000)
    return where


class Reader:
    """Reads <machine>/<split>/<domain>_<label>_<number>.wav."""

    def entries(self, root: Path) -> list[dict[str, Any]]:
        return [self.entry(root, path) for path in sorted(root.glob("*/*/*.wav"))]

    def entry(self, root: Path, path: Path) -> dict[str, Any]:
        machine, split, name = path.relative_to(root).parts
        domain = name.split("_")[0] if split == "train" else None
        facts = {"machine": machine, "section": "00", "split": split, "domain": domain, "attributes": None}
        return {"clip": path.relative_to(root).as_posix(), **facts}

    def clips(self, root: Path) -> pl.DataFrame:
        return index_clips(root, self.entries(root))

    def ground_truth(self, root: Path) -> pl.DataFrame | None:
        rows = [self.truth(entry["clip"]) for entry in self.entries(root) if entry["split"] == "test"]
        return pl.DataFrame(rows, schema={"clip": pl.String, "label": pl.Int8, "domain": pl.String}, orient="row")

    def truth(self, clip: str) -> tuple[str, Any, str]:
        domain, label, _ = Path(clip).name.split("_")
        return clip, int(label == "anomaly"), domain


class TellsDomains(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        return super().clips(root).with_columns(domain=pl.col("clip").str.extract("/(source|target)_"))


class TellsLabelsInAttributes(Reader):
    def entry(self, root: Path, path: Path) -> dict[str, Any]:
        return {**super().entry(root, path), "attributes": path.stem}


class HasLabelColumn(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        return super().clips(root).with_columns(label=pl.lit(0))


class OtherTypes(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        return super().clips(root).cast({"section": pl.Categorical})


class AbsolutePaths(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        return super().clips(root).with_columns(clip=pl.lit(f"{root}/") + pl.col("clip"))


class OtherSplits(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        return super().clips(root).with_columns(pl.col("split").replace("test", "eval"))


class TruthOfTrainClips(Reader):
    def ground_truth(self, root: Path) -> pl.DataFrame | None:
        rows = [self.truth(entry["clip"]) for entry in self.entries(root)]
        return pl.DataFrame(rows, schema=["clip", "label", "domain"], orient="row")


class NumbersByAge(Reader):
    def entries(self, root: Path) -> list[dict[str, Any]]:
        aged = sorted(root.glob("*/*/*.wav"), key=lambda path: path.stat().st_mtime_ns)
        return [{**self.entry(root, path), "attributes": f"number_{place}"} for place, path in enumerate(aged)]


class NumbersByName(Reader):
    def entries(self, root: Path) -> list[dict[str, Any]]:
        return [{**entry, "attributes": f"number_{place}"} for place, entry in enumerate(super().entries(root))]


class DropsRepeatedSounds(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        return super().clips(root).unique("sha256", keep="first", maintain_order=True)


class RemembersTheFirstFolder(Reader):
    def __init__(self) -> None:
        self._kept: pl.DataFrame | None = None

    def clips(self, root: Path) -> pl.DataFrame:
        if self._kept is None:
            self._kept = super().clips(root)
        return self._kept


class WritesBesideTheData(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        (root / "index.cache").write_text("seen")
        return super().clips(root)


class Shuffles(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        return super().clips(root).sample(fraction=1.0, shuffle=True)


class OrdersTestClipsToo(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        return super().clips(root).with_columns(order=pl.col("clip").str.extract(r"(\d+)\.wav").cast(pl.Float64))


class OrdersSomeTrainClips(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        order = pl.when(pl.col("clip").str.contains("train/source_normal_1")).then(1.0)
        return super().clips(root).with_columns(order=order)


class SaysNothingOfOrder(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        return super().clips(root).drop("order", "recording")


class HashesNames(Reader):
    def clips(self, root: Path) -> pl.DataFrame:
        return super().clips(root).with_columns(sha256=pl.col("clip"))


FAULTS: dict[str, type[Reader]] = {
    "check_clip_index_columns": OtherTypes,
    "check_clip_paths": AbsolutePaths,
    "check_audio_facts": HashesNames,
    "check_splits_and_domains": OtherSplits,
    "check_test_domain_hidden": TellsDomains,
    "check_order_of_train_clips_alone": OrdersTestClipsToo,
    "check_no_label_in_the_index": HasLabelColumn,
    "check_ground_truth": TruthOfTrainClips,
    "check_rows_permuted": NumbersByAge,
    "check_rows_dropped": NumbersByName,
    "check_rows_duplicated": DropsRepeatedSounds,
    "check_rows_appended": RemembersTheFirstFolder,
    "check_no_memory_between_calls": RemembersTheFirstFolder,
    "check_input_unchanged": WritesBesideTheData,
    "check_deterministic": Shuffles,
}


def test_honest_reader_passes_every_check(root: Path) -> None:
    assert [result for result in run_checks("dataset", Reader, root) if not result.passed] == []


@pytest.mark.parametrize("check", FAULTS)
def test_fault_fails_its_check(check: str, root: Path) -> None:
    with pytest.raises(AssertionError, match=r"\nWhy it matters: .*\nLikely cause: "):
        checks("dataset")[check](FAULTS[check], root)
    (root / "index.cache").unlink(missing_ok=True)


def test_every_check_has_a_fault() -> None:
    assert set(FAULTS) == set(checks("dataset"))


def test_an_order_of_some_train_clips_is_found(root: Path) -> None:
    with pytest.raises(AssertionError, match="Some train clips have what others lack.*fan 00 source order"):
        checks("dataset")["check_order_of_train_clips_alone"](OrdersSomeTrainClips, root)


def test_a_reader_without_order_and_recordings_passes_every_check(root: Path) -> None:
    assert [result for result in run_checks("dataset", SaysNothingOfOrder, root) if not result.passed] == []


def test_a_label_in_the_attributes_is_found(root: Path) -> None:
    with pytest.raises(AssertionError, match="source_anomaly_0"):
        checks("dataset")["check_no_label_in_the_index"](TellsLabelsInAttributes, root)


def test_no_labels_at_hand_is_fine(root: Path) -> None:
    class Unlabelled(Reader):
        def ground_truth(self, root: Path) -> None:
            return None

    assert all(result.passed for result in run_checks("dataset", Unlabelled, root))


def test_a_reader_may_refuse_a_folder_that_lacks_a_file(root: Path) -> None:
    class Strict(Reader):
        def clips(self, root: Path) -> pl.DataFrame:
            index = super().clips(root)
            if len(index) < 14:
                raise DatasetError("incomplete", ["a clip is missing"], index)
            return index

    assert all(result.passed for result in run_checks("dataset", Strict, root))


def test_the_root_may_be_made_when_it_is_needed(root: Path) -> None:
    made: list[Path] = []

    def make() -> Path:
        made.append(root)
        return root

    assert all(result.passed for result in run_checks("dataset", Reader, make))
    assert len(made) == len(checks("dataset"))


def test_without_recordings_the_command_to_type_is_said() -> None:
    with pytest.raises(PluginError, match="'asdcore check-plugin dcase2026 --kind dataset --data ROOT', with ROOT the"):
        run_checks("dataset", "dcase2026")
    with pytest.raises(PluginError, match=r"that it can read\. Pass root=FOLDER\.$"):
        run_checks("dataset", Reader)


def test_of_many_clips_a_few_are_read(root: Path, tmp_path: Path) -> None:
    many = tmp_path / "many"
    shutil.copytree(root, many)
    for number in range(100, 150):
        shutil.copyfile(many / "fan/train/source_normal_0.wav", many / f"fan/train/source_normal_{number}.wav")
    read: list[int] = []

    class Counts(Reader):
        def clips(self, root: Path) -> pl.DataFrame:
            index = super().clips(root)
            read.append(len(index))
            return index

    assert all(result.passed for result in run_checks("dataset", Counts, many))
    assert max(read) == 14 + 1
    assert len(list(many.rglob("*.wav"))) == 14 + 50


def test_a_root_without_clips_says_so(tmp_path: Path) -> None:
    class Empty(Reader):
        def clips(self, root: Path) -> pl.DataFrame:
            raise DataError("nothing here")

    assert "nothing here" in run_checks("dataset", Empty, tmp_path)[0].message
