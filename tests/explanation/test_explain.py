"""An explanation finds the part of the sound that was put there, and adds up to the score."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

import asdcore
from asdcore.cli.detectors.explain import lines_of
from asdcore.data.recordings.audio import decode
from asdcore.errors import AsdcoreError, DataError
from asdcore.explanation.explained_file import explain_file


@pytest.fixture(scope="module")
def normal(carried):
    """A train normal of the fan: its name and its sound."""
    clip = carried.run.clips.filter(split="train", machine="fan")["clip"][2]
    return clip, *decode(carried.root / "data" / clip)


@pytest.fixture(scope="module")
def hissing(normal):
    """The same with a hiss from 2 kHz to 4 kHz in its last third."""
    _, audio, rate = normal
    n = audio.shape[1]
    spectrum = np.fft.rfft(np.random.default_rng(0).normal(size=n))
    hertz = np.fft.rfftfreq(n, 1 / rate)
    hiss = np.fft.irfft(np.where((hertz > 2200) & (hertz < 3800), spectrum, 0), n)
    hiss[: 2 * n // 3] = 0
    return (audio + 2 * np.abs(audio).max() * hiss).astype(np.float32), rate


def explained(detector, sound, **more):
    return asdcore.explain(detector, *sound, "fan", system="carried", times=3, bands=4, **more)


@pytest.mark.parametrize("recordings", ["at hand", "elsewhere"])
def test_the_part_that_sounds_otherwise_is_the_one_that_raises_the_score(carried, detector, hissing, recordings):
    data = carried.root / "data" if recordings == "at hand" else None
    why = explained(detector, hissing, data=data)
    band = np.searchsorted(why.grid.hertz, 3000) - 1
    assert np.unravel_index(why.raised.parts.argmax(), why.grid.shape) == (band, 2)
    assert (why.raised.bands.argmax(), why.raised.times.argmax()) == (band, 2)
    assert why.replaced_by == ("own background" if data is None else "nearest normal")
    assert not why.is_flat


def test_raised_is_the_score_less_that_of_the_clip_with_the_nearest_normal_instead(carried, detector, hissing):
    why = explained(detector, hissing, data=carried.root / "data")
    instead, rate = decode(carried.root / "data" / why.verdict.nearest.clip)
    then = detector.score(instead, rate, "fan", system="carried")
    assert why.raised.everything == pytest.approx(why.verdict.score - then.score, abs=1e-3)
    for name, raised in why.branches.items():
        drop = why.verdict.branches[name].z - then.branches[name].z
        assert raised.everything == pytest.approx(drop, abs=1e-2 * abs(why.verdict.branches[name].z))


def test_normals_that_score_as_high_are_counted(carried, detector, normal, hissing):
    why = explained(detector, normal[1:])
    normals = carried.run.systems.filter(system="carried", role="oof").join(
        carried.run.clips.filter(machine="fan"), on="clip", how="semi"
    )
    assert why.n_normals == len(normals) == 16
    assert why.n_as_high == (normals["score"] >= why.verdict.score).sum()
    assert why.one_in == pytest.approx(17 / (1 + why.n_as_high))
    assert explained(detector, hissing).n_as_high == 0


def test_a_clip_with_one_channel_more_or_no_sound_is_refused_as_by_score(detector, normal):
    _, audio, rate = normal
    with pytest.raises(DataError, match="the clip has 1 channel"):
        asdcore.explain(detector, audio[0], rate, "fan", system="carried")
    with pytest.raises(DataError, match="the recording is silent"):
        asdcore.explain(detector, 0 * audio, rate, "fan", system="carried")


@pytest.mark.parametrize("value", [0, -1, 2.5, True, "8"])
def test_no_number_of_parts_is_refused(detector, normal, value):
    with pytest.raises(DataError, match=f"times is {value!r}; a whole number of at least 1"):
        asdcore.explain(detector, *normal[1:], "fan", system="carried", times=value)
    with pytest.raises(DataError, match="2,500 parts, each of which is a score; at most 2,000"):
        asdcore.explain(detector, *normal[1:], "fan", system="carried", times=50, bands=50)


def test_recordings_that_are_not_there_or_changed_are_refused(carried, detector, normal, tmp_path):
    clip, audio, rate = normal
    with pytest.raises(DataError, match=f"does not hold {clip}, the train normal that sounds most alike. Give"):
        explained(detector, (audio, rate), data=tmp_path)
    (tmp_path / clip).parent.mkdir(parents=True)
    other = carried.run.clips.filter(split="train", machine="fan")["clip"][3]
    shutil.copy(carried.root / "data" / other, tmp_path / clip)
    with pytest.raises(DataError, match="changed since it was indexed"):
        explained(detector, (audio, rate), data=tmp_path)


def test_a_clip_of_a_run_is_explained_by_name(carried, detector):
    clip, machine, _, audio, rate = carried.clips()[0]
    by_run = explain_file(carried.root / "run", clip, system="mirrored", times=2, bands=2, store=carried.root / "store")
    by_detector = asdcore.explain(
        detector, audio, rate, machine, system="mirrored", times=2, bands=2, data=carried.root / "data"
    )
    assert json.dumps(by_run.as_json()) == json.dumps(by_detector.as_json())


def test_a_name_that_is_none_is_refused(carried, tmp_path):
    with pytest.raises(DataError, match="is neither a file nor a clip of"):
        explain_file(carried.root / "run", "fan/test/none.wav", store=carried.root / "store")
    with pytest.raises(DataError, match="There is no recording none.wav"):
        explain_file(carried.path, "none.wav", "fan", system="carried")
    with pytest.raises(DataError, match="There is no recording"):
        explain_file(carried.path, tmp_path, "fan", system="carried")


@pytest.mark.parametrize(("suffix", "begins"), [(".png", b"\x89PNG"), (".svg", b"<svg")])
def test_a_picture_is_drawn_with_and_without_the_nearest_normal(carried, tmp_path, suffix, begins):
    clip, machine, *_ = carried.clips()[0]
    file, asked = carried.root / "data" / clip, {"system": "carried", "times": 2, "bands": 2}
    for name, data in (("with", carried.root / "data"), ("without", None)):
        picture = tmp_path / f"{name}{suffix}"
        explain_file(carried.path, file, machine, data=data, picture=picture, **asked)
        if suffix == ".svg":
            assert "/".join(file.parts[-3:]) in picture.read_text(), "the name alone may be that of many recordings"
        assert picture.read_bytes().startswith(begins)
    with pytest.raises(AsdcoreError, match="exists and is not written over"):
        explain_file(carried.path, file, machine, picture=picture, **asked)
    with pytest.raises(
        AsdcoreError, match=r"why.jpg is not the name of a picture. Choose one that ends in .png or .svg"
    ):
        explain_file(carried.path, file, machine, picture="why.jpg", **asked)


def test_the_text_has_exact_bands_first_and_names_what_is_not_exact(detector, hissing):
    lines = lines_of(explained(detector, hissing), "clip.wav")
    exact = next(i for i, line in enumerate(lines) if line.startswith("What each band adds to the score of a branch"))
    occluded = next(i for i, line in enumerate(lines) if line.startswith("How much higher each part"))
    assert exact < occluded
    assert lines[exact + 1].split() == ["Hz", "gauss", "knn"]
    assert lines[exact + 6].split()[:3] == ["all", "100", "100"]
    assert "Not divided exactly: means, for its scorer kmeans is no sum over features" in lines
