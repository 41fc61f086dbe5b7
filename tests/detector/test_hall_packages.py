"""A machine hall needs the packages that scores need, and no others; where one of these differs, it is refused."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version

import pytest

import asdcore
from asdcore.detector.readers import other_reader
from asdcore.errors import ManifestError
from asdcore.frozen.pinning import packages

BARE = """
import importlib.metadata as metadata, sys
kept, by_module, whole = set(sys.argv[3:]), metadata.packages_distributions(), metadata.distribution
gone = {top for top, names in by_module.items() if kept.isdisjoint(name.lower().replace('_', '-') for name in names)}

class Gone:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in gone:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)

def distribution(name):
    if name.lower().replace('_', '-') not in kept:
        raise metadata.PackageNotFoundError(name)
    return whole(name)

sys.meta_path.insert(0, Gone())
metadata.distribution = distribution
metadata.version = lambda name: distribution(name).version
import asdcore
from asdcore.detector.recording import score_file
verdict, _ = score_file(asdcore.load_detector(sys.argv[1]), sys.argv[2], 'fan', system='carried')
print(repr((verdict.score, verdict.threshold, verdict.anomalous)))
"""
"""Scores a recording in a process that has the packages of its arguments alone."""


def frozen_packages(detector):
    return detector._container.manifest.predicate["environment"]["score_packages"]


def here(monkeypatch, versions):
    """Let some packages have other versions, or none (None)."""
    real = packages._version

    def told(name):
        found = versions.get(name, "")
        if found is None:
            raise PackageNotFoundError(name)
        return found or real(name)

    monkeypatch.setattr(packages, "_version", told)


def test_with_the_packages_of_scores_alone_a_clip_gets_the_score_that_it_had(carried, detector):
    clip = next(clip for clip, machine, *_ in carried.clips() if machine == "fan")
    kept = [*frozen_packages(detector), "asdcore", "packaging"]
    command = [sys.executable, "-c", BARE, carried.path, carried.root / "data" / clip, *kept]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    row = carried.run.decisions.filter(clip=clip, system="carried").select("score", "threshold", "decision").row(0)
    assert done.stdout.strip() == repr((row[0], row[1], bool(row[2])))


@pytest.mark.parametrize("other", [None, "0.0"])
def test_packages_that_no_score_needs_may_be_absent_or_others(carried, monkeypatch, tmp_path, other):
    here(monkeypatch, dict.fromkeys(("torch", "transformers", "dask", "rich", "asammdf", "onnxruntime"), other))
    assert asdcore.load_detector(carried.path).systems
    assert asdcore.export(carried.manifest, tmp_path / "again.asd").is_file()
    # A manifest of a run promises all of the run, so it is strict.
    verified = [str(difference) for difference in asdcore.verify(carried.manifest).differences]
    assert any("packages: dask" in line for line in verified)


@pytest.mark.parametrize(("other", "shown"), [(None, "absent"), ("0.0", "0.0")])
def test_one_that_scores_need_is_refused_with_its_version_and_what_to_type(carried, monkeypatch, other, shown):
    here(monkeypatch, {"scipy": other, "transformers": other})
    with pytest.raises(ManifestError) as refused:
        asdcore.load_detector(carried.path)
    text = str(refused.value)
    assert f"packages: scipy: {version('scipy')}, here {shown}" in text
    assert f"pip install --no-deps scipy=={version('scipy')}\n" in text
    assert "transformers" not in text


def test_a_logger_s_file_is_read_by_the_frozen_version_of_its_library_or_by_none(detector, monkeypatch, tmp_path):
    frozen = {"nptdms": "0.1", "numpy": version("numpy")}
    why = other_reader(tmp_path / "night.tdms", frozen)
    assert f"with nptdms {version('nptdms')}, not 0.1" in why
    assert why.endswith("pip install --no-deps nptdms==0.1")
    assert other_reader(tmp_path / "night.TDMS#t=1-2", frozen) == why
    for name in ("night.wav", "night.flac", "night.mf4", "stdin"):  # no library of these is on record
        assert other_reader(tmp_path / name, frozen) == ""
    assert other_reader(tmp_path / "night.tdms", {"numpy": version("numpy")}) == ""


def test_who_knows_not_what_scores_need_compares_all(carried, monkeypatch):
    manifest = asdcore.load_detector(carried.path)._container.manifest
    monkeypatch.delitem(manifest.predicate["environment"], "score_packages")
    here(monkeypatch, {"dask": None})
    from asdcore.frozen.manifest.locations import roots_of
    from asdcore.frozen.verifying.code_differences import score_code_differences

    assert any("dask" in str(difference) for difference in score_code_differences(manifest, roots_of(manifest, {})))
