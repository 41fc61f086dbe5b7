"""Loads a detector from its file, of whichever kind it is."""

from __future__ import annotations

import copyreg
import shutil
import weakref
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from asdcore.basics.paths import given_path
from asdcore.detector.adapted import AdaptedDetector
from asdcore.detector.adapted_file import is_adapted, open_adapted
from asdcore.detector.container import open_container
from asdcore.detector.detector import Detector
from asdcore.errors import ManifestError
from asdcore.frozen.manifest.locations import roots_of
from asdcore.frozen.verifying.code_differences import score_code_differences
from asdcore.frozen.verifying.refusal import frozen_packages, shortened


def load_detector(path: str | Path, *, public_key: str | Path | None = None) -> Detector:
    """Load a detector from its file.

    Parameters
    ----------
    path : path
        The file that ``asdcore export`` or ``asdcore adapt`` wrote (``.asd``).
    public_key : path, optional
        Check with this key (PEM) that its manifest was signed by the key's owner.

    Returns
    -------
    Detector
        It needs neither store nor run folder nor recordings.

    Raises
    ------
    ManifestError
        If the file was cut short or edited, is not signed by the key's owner, or was frozen with other code, plugins or
        libraries. Nothing of it is used then. An adapted detector has no signature.

    Examples
    --------
    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> path = asdcore.export("first.json", "first.asd")
    >>> detector = asdcore.load_detector("first.asd")
    >>> detector.systems
    ['knn']
    """
    key = None if public_key is None else given_path(public_key, "the public key")
    place = given_path(path, "the detector")
    return _adapted(place, key) if is_adapted(place) else _exported(place, key)


def _exported(path: Path, public_key: Path | None = None) -> Detector:
    """Load a detector as ``asdcore export`` writes it."""
    container = open_container(path, public_key)
    manifest = container.manifest
    if differences := score_code_differences(manifest, roots_of(manifest, {})):
        lines = shortened([str(difference) for difference in differences])
        raise ManifestError(
            "\n".join(
                [
                    f"{container.path} was frozen with other code than is installed here, so nothing of it is used:",
                    *lines,
                    *frozen_packages(differences),
                    f"Install asdcore {manifest.predicate['asdcore']} and libraries as they were frozen, "
                    "or run, freeze and export anew.",
                ]
            )
        )
    return Detector(container)


def _adapted(path: Path, public_key: Path | None) -> AdaptedDetector:
    """Load a detector as ``asdcore adapt`` writes it: the detectors inside are unpacked as long as it lives."""
    if public_key is not None:
        raise ManifestError(
            f"{path} was adapted, and no key signs an adapted detector. Check the one that it was made of with --key, "
            "then adapt that."
        )
    folder = Path(mkdtemp(prefix="asdcore-detector-"))
    try:
        adapted = open_adapted(path, folder)
        names = {name for baselines in adapted.baselines.values() for name in baselines}
        detector = AdaptedDetector(adapted, {name: _exported(folder / name) for name in sorted(names)})
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(detector, shutil.rmtree, folder, ignore_errors=True)
    return detector


def _loaded_again(path: Path, manifest_sha256: str) -> Detector:
    """Load a detector that was pickled; raises ManifestError if its file is another by now."""
    detector = load_detector(path)
    if detector.manifest_sha256 != manifest_sha256:
        raise ManifestError(f"{path} was replaced by a detector of another manifest. Load it anew with load_detector.")
    return detector


def _how_to_load_again(detector: Detector) -> tuple[Any, ...]:
    """Let another process load the same file when a detector is pickled or copied."""
    return _loaded_again, (detector.path.absolute(), detector.manifest_sha256)


for kind in (Detector, AdaptedDetector):
    copyreg.pickle(kind, _how_to_load_again)
