"""A detector is written from a frozen run alone, complete, and never over another file."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

import asdcore
from asdcore.detector.container import open_container
from asdcore.errors import ManifestError, StoreError
from asdcore.frozen.manifest.signing import sign
from asdcore.frozen.manifest.statement import PREDICATE, NothingToCheckError
from asdcore.store.digests.canonical import canonical_json
from asdcore.store.digests.sealed_json import FIELD, seal, unsealed


@pytest.fixture
def copy(carried, tmp_path):
    """A copy of the frozen run, to be spoilt."""
    shutil.copytree(carried.root, tmp_path / "copy")
    return type(carried)(tmp_path / "copy")


def test_recordings_and_test_features_of_other_scorers_stay_behind(carried):
    inside = open_container(carried.path).members
    features = {name.split("/")[2] for name in inside if name.startswith("store/features/")}
    frozen = carried.run.about["features"]
    assert features == {frozen["knn"]}  # lof shares it; the others keep what they need in their states
    assert frozen["lof"] == frozen["knn"]
    assert not any(name.startswith("data/") for name in inside)


def test_a_run_that_is_not_frozen_is_refused_with_the_command_that_freezes(carried, tmp_path):
    for path in (carried.root / "run", carried.root / "run" / "run.json"):
        with pytest.raises(NothingToCheckError, match=r"is a run that is not frozen. 'asdcore freeze .*run --out"):
            asdcore.export(path, tmp_path / "new.asd")
    with pytest.raises(NothingToCheckError, match="is not a manifest"):
        asdcore.export(carried.root / "portfolio.toml", tmp_path / "new.asd")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("pattern", ["store/fitted/*", "run/scores.parquet", "store/features/*/*"])
def test_what_has_changed_since_the_freeze_is_not_exported(copy, tmp_path, pattern):
    inside = set(open_container(copy.path).members)
    path = next(path for path in sorted(copy.root.glob(pattern)) if path.relative_to(copy.root).as_posix() in inside)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ManifestError, match=f"nothing was exported:\n.*{path.name}: changed"):
        asdcore.export(copy.manifest, tmp_path / "new.asd")
    path.unlink()
    with pytest.raises(ManifestError, match=f"{path.name}: missing.*\n.*--store DIR"):
        asdcore.export(copy.manifest, tmp_path / "new.asd")
    assert not (tmp_path / "new.asd").exists()


def test_run_and_store_may_have_moved(copy, tmp_path):
    (copy.root / "run").rename(tmp_path / "moved run")
    (copy.root / "store").rename(tmp_path / "moved store")
    path = asdcore.export(
        copy.manifest, tmp_path / "new.asd", run=tmp_path / "moved run", store=tmp_path / "moved store"
    )
    assert path.read_bytes() == copy.path.read_bytes()


def test_a_manifest_from_before_fitted_states_is_refused_with_what_freezes_anew(copy, tmp_path):
    statement = json.loads(copy.manifest.read_bytes())
    statement["predicateType"] = f"{PREDICATE}1"
    statement["subject"] = [one for one in statement["subject"] if not one["name"].startswith("store/fitted/")]
    statement["predicate"][FIELD] = unsealed("2026-06-01T00:00:00Z")
    copy.manifest.write_bytes(seal(canonical_json(statement)))
    with pytest.raises(ManifestError, match="before asdcore kept what scorers learn.*asdcore freeze RUN --out NEW"):
        asdcore.export(copy.manifest, tmp_path / "new.asd")


def test_another_file_is_never_lost(carried, tmp_path):
    (tmp_path / "mine.asd").write_text("my notes")
    with pytest.raises(StoreError, match="mine.asd exists, and is not a detector of this manifest"):
        asdcore.export(carried.manifest, tmp_path / "mine.asd")
    assert (tmp_path / "mine.asd").read_text() == "my notes"
    for name, better in (("mine.zip", "mine.asd"), (".asd", "NAME.asd")):
        with pytest.raises(StoreError, match=rf"does not end in .asd. Choose a name such as {better}"):
            asdcore.export(carried.manifest, tmp_path / name)


def test_a_detector_of_the_same_manifest_is_replaced(copy):
    before = copy.path.read_bytes()
    assert asdcore.export(copy.manifest, copy.path).read_bytes() == before


def test_a_signature_goes_along_and_is_checked_where_a_key_is_given(copy, tmp_path):
    pytest.importorskip("model_signing", reason="the extra 'sign' is not installed")
    private, public, other = tmp_path / "key.pem", tmp_path / "key.pub", tmp_path / "other.pub"
    for key, half in ((private, public), (tmp_path / "other.pem", other)):
        subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", key], check=True)
        subprocess.run(["openssl", "ec", "-in", key, "-pubout", "-out", half], check=True, capture_output=True)
    with pytest.raises(ManifestError, match="has no signature"):
        asdcore.load_detector(copy.path, public_key=public)
    sign(copy.manifest, private)
    asdcore.export(copy.manifest, copy.path)
    assert asdcore.load_detector(copy.path, public_key=public).name == "carried"
    with pytest.raises(ManifestError, match=f"^{copy.path}, frozen.json, is not what the owner of .*other.pub signed"):
        asdcore.load_detector(copy.path, public_key=other)
