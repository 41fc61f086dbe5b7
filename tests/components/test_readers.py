"""Which reader serves a folder: the one that was named, else the one that knows the names in it best."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from asdcore.components.readers import reader_of
from asdcore.contract.plugins import installed
from asdcore.errors import PluginError


def lay(root, *clips):
    for clip in clips:
        (root / clip).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(root / clip, np.full(400, 0.1), 16000)
    return root


def test_the_reader_that_was_named_serves_whatever_the_names_are(tmp_path):
    assert reader_of("dcase2024", tmp_path, installed())[0] == "dcase2024"
    with pytest.raises(PluginError, match="folder"):
        reader_of("foldr", tmp_path, installed())


@pytest.mark.parametrize(
    ("clips", "reader"),
    [
        (("fan/train/section_00_source_train_normal_0000.wav",), "dcase"),
        (("fan/train/normal_id_00_00000000.wav", "fan/train/other.wav"), "dcase"),
        (("fan/train/monday.wav",), "folder"),
        (("monday.wav",), "folder"),
        ((), "folder"),
    ],
)
def test_names_choose_the_reader(tmp_path, clips, reader):
    assert reader_of(None, lay(tmp_path, *clips), installed())[0] == reader


def test_a_table_was_written_for_this_and_goes_first(tmp_path):
    lay(tmp_path, "fan/train/section_00_source_train_normal_0000.wav")
    (tmp_path / "clips.csv").write_text("path,machine,split\n")
    assert reader_of(None, tmp_path, installed())[0] == "index"
