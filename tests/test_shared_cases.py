"""The small inputs of public reports: every script of them runs with this asdcore, and says what is right."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import asdcore
from asdcore.errors import DatasetError

CASES = Path(os.environ.get("ASDCORE_SHARED", "nowhere")) / "cases"
pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here; $ASDCORE_SHARED says where")

FORMS = (
    *("plain", "junk_before_fmt", "odd_list_before_data", "list_after_data", "fmt40_pcm", "extensible_big", "pcm24"),
    *("pipe_sizes", "odd_bytes", "riff_size_short", "data_in_junk"),
)
"""Of one sound, read as it is."""

REFUSED = {
    "zero_sizes": "holds no samples",
    "cut": "cut short, 1000 of",
    "two_data_chunks": "has two chunks of samples",
}


def script(name, *arguments):
    """Run one of the scripts; returns its lines."""
    done = subprocess.run(
        [sys.executable, str(CASES / name), *map(str, arguments)], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_wavs_are_read_as_they_are_or_refused(tmp_path):
    script("c02_wav_forms.py", tmp_path)
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([*FORMS, *REFUSED])
    for name in FORMS:
        assert set(asdcore.load_dataset("dcase2023").clips(tmp_path / name)["n_samples"]) == {16000}, name
    for name, message in REFUSED.items():
        with pytest.raises(DatasetError, match=message):
            asdcore.load_dataset("dcase2023").clips(tmp_path / name)


def test_repeated_clips_change_no_ranking_by_density():
    for line in script("c04_lof_repeats_auc.py", "lof", "ldn", "aldn", "knn"):
        name, without, beside = line.split(" | ")
        assert without.split()[1] == beside.split()[1], line
        assert float(beside.split()[4]) <= float(without.split()[4]), f"{name}: a left-out score exploded"


def test_multiply_accumulates_are_those_of_the_closed_forms():
    for line in script("c11_macs.py"):
        _, _, right, _, thop, _, torch, reasons = line.split(maxsplit=7)
        assert torch == right, line
        assert thop == right or reasons != "()", f"differs without a reason: {line}"


def test_the_end_of_a_long_clip_is_heard():
    golden = Path(__file__).parent / "golden" / "encoders"
    files = {"audiomae": "checkpoint_pretrained.pth", "passt": "checkpoint.pt"}
    lines = script("c10_long_clips_cut.py", *(f"{name}={golden / name / file}:4" for name, file in files.items()))
    assert ["is heard" in line for line in lines] == [True, True], lines
