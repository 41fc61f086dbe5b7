"""Turns the sound of one clip into the features of every branch, as a run does."""

from __future__ import annotations

import shutil
import weakref
from collections.abc import Mapping
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.components.checkpoints import CHECKPOINT
from asdcore.compute.encoding import encoding
from asdcore.compute.encoding.long_clips import hear_long, hear_sound
from asdcore.compute.encoding.requests import Output, Request
from asdcore.compute.kernels import in_short, kernel_changes, processor
from asdcore.compute.recipes import features_digest
from asdcore.compute.scoring.scoring import Recipe
from asdcore.contract.long_sound import Sound
from asdcore.contract.plugins import Plugins
from asdcore.data.clip_index.recording_kind import RecordingKind
from asdcore.data.recordings.audio import LOUDEST, AudioFacts
from asdcore.data.recordings.still_channels import MOST
from asdcore.data.sample_rates import RATES
from asdcore.detector.container import Container
from asdcore.errors import DataError, ManifestError
from asdcore.held_out import NONE, Networks
from asdcore.portfolio import Branch, Portfolio
from asdcore.stages.embedding.embed import requests_of
from asdcore.stages.scoring.score_jobs import features_recipe
from asdcore.store.cache import Store

NOWHERE = Store(Path("detector"))
"""Feature sets are told apart by their folders. Nothing is read from or written to these."""

SHORTEST = 0.5
"""A clip of less than this share of the shortest train clip is refused: nothing is known of so short a sound."""

Features = dict[Path, NDArray[np.float32]]
"""{folder of a feature set: the features (1, ...) of the clip}."""


Given = tuple[Any, Any, str | None]
"""Sound as somebody gives it: audio, sample rate in Hz, and unit (None if it is that of the train clips)."""


class Listener:
    """Views, encoders and poolings of a portfolio, built once.

    Parameters
    ----------
    plan : Portfolio
        The portfolio; its checkpoints are on this machine.
    plugins : Plugins
        Where components are looked up.
    device : str or None
        A torch device; None is the CPU.
    networks : Networks
        What encoders have learnt, if any are trained.
    libraries : mapping of str to str, optional
        The versions of libraries by which feature sets are named; by default those that are installed.
    """

    def __init__(
        self,
        plan: Portfolio,
        plugins: Plugins,
        device: str | None,
        networks: Networks = NONE,
        libraries: Mapping[str, str] | None = None,
    ) -> None:
        self._plan, self._plugins, self._device, self._networks = plan, plugins, device, networks
        self._libraries = libraries
        self._own = any(row["machine"] for row in networks.rows)
        self._requests: dict[str, tuple[Request, ...]] = {}

    def requests(self, machine: str) -> tuple[Request, ...]:
        """Return what is asked of each view and encoder for the clips of a machine."""
        key = machine if self._own else ""
        if key not in self._requests:
            branches = self._branches(machine).values()
            requests = requests_of(branches, NOWHERE, self._plugins, self._device, self._libraries)
            encoding.check(requests, self._device)
            self._requests[key] = requests
        return self._requests[key]

    def recipes(self, machine: str) -> dict[str, Recipe]:
        """Return {branch: the feature sets of a machine's clips, and how they are combined}."""
        given = (NOWHERE, self._plugins, self._device, self._libraries)
        return {name: features_recipe(branch, *given) for name, branch in self._branches(machine).items()}

    def folders(self, machine: str) -> set[Path]:
        """Return the folders of the feature sets that a clip of a machine gets."""
        return {output.folder for request in self.requests(machine) for output in request.outputs}

    def _branches(self, machine: str) -> dict[str, Branch]:
        branches = self._plan.branches.items()
        return {name: self._networks.branch(name, branch, machine) for name, branch in branches}

    def __call__(self, audio: NDArray[np.float32], sample_rate: int, machine: str) -> Features:
        """Return the features of one clip, audio (n_channels, n_samples) in [-1, 1] at ``sample_rate`` Hz."""
        requests = self.requests(machine)
        prepared = encoding.prepare(audio, sample_rate, requests, self._device)
        (features,) = encoding.encode([prepared], requests, self._device)
        return _by_folder(features)

    def in_blocks(
        self, path: Path, machine: str, temporary: Path, sha256: str | None = None
    ) -> tuple[AudioFacts, Features]:
        """Return the facts and features of a long recording, which is never in memory as a whole, if that can be.

        temporary : the folder of temporary files, which may be as large as the recording. sha256 : its digest, if that
        is known; DataError if it has another.
        """
        facts, features = hear_long(path, self.requests(machine), self._device, sha256=sha256, temporary=temporary)
        return facts, _by_folder(features)

    def of_sound(self, sound: Sound, facts: AudioFacts, machine: str, temporary: Path) -> tuple[AudioFacts, Features]:
        """Return the same of long sound (n_channels, n_samples) that is in no file, of which these facts are known."""
        facts, features = hear_sound(sound, facts, self.requests(machine), self._device, temporary)
        return facts, _by_folder(features)


def _by_folder(features: Mapping[Output, NDArray[np.float32]]) -> Features:
    return {output.folder: np.asarray(values, dtype=np.float32)[None] for output, values in features.items()}


def frozen_listener(container: Container, plan: Portfolio, plugins: Plugins) -> Listener:
    """Return views and encoders of a detector's file, with what the encoders have learnt.

    Raises ManifestError if features would be made otherwise than they were frozen.
    """
    frozen = container.manifest.predicate["run"]
    device = None if frozen["device"] == "cpu" else str(frozen["device"])
    folder = Path(mkdtemp(prefix="asdcore-detector-"))
    networks = Networks.of(plan, frozen.get("trained", []), folder / "store")
    # The libraries that count were compared when the file was opened; others may be absent.
    libraries = frozen.get("libraries")
    listener = Listener(plan, plugins, device, networks, libraries)
    weakref.finalize(listener, shutil.rmtree, folder, ignore_errors=True)
    container.unpack("store/trained/", folder)
    for name, branch in plan.branches.items():
        now = features_digest(networks.variants(name, branch), plugins, device, libraries)
        if now != frozen.get("features", {}).get(name):
            raise ManifestError(
                f"{container.path}: the features of branch {name} would not be made as they were frozen. "
                "Restore the checkpoints and libraries that they were frozen with, or freeze and export anew."
            )
    return listener


def kernel_notes(plan: Portfolio, recorded: Mapping[str, Any]) -> list[str]:
    """Say so if networks compute here with other code than when they were frozen.

    recorded : the environment of the manifest.
    """
    networks = [
        name
        for name, branch in plan.branches.items()
        if CHECKPOINT in branch.encoder.parameters and not branch.encoder.parameters.get("exact")
    ]
    if not networks or not (changes := kernel_changes(recorded, processor())):
        return []
    return [
        f"the network of {', '.join(networks)} computes here with other code than when it was frozen "
        f"({in_short(changes)}), so the last digits of scores may differ. exact = true in a portfolio prevents it."
    ]


def checked_audio(
    audio: Any, sample_rate: Any, unit: str | None, kind: RecordingKind, seconds: float
) -> NDArray[np.float32]:
    """Return the sound of a clip as (n_channels, n_samples) float32.

    Parameters
    ----------
    audio : array_like of float, shape (n_samples,) or (n_channels, n_samples)
        In [-1, 1].
    sample_rate : int
        Hz, that of the train clips.
    unit : str, optional
        Of the samples, as :meth:`RecordingKind.misfit` takes it.
    kind : RecordingKind
        What the train clips of this machine are.
    seconds : float
        How long the shortest of them is.

    Raises
    ------
    DataError
        If the clip is not sound of this kind; the message says what is allowed.
    """
    rate = sample_rate.item() if isinstance(sample_rate, np.generic) else sample_rate
    if isinstance(rate, bool) or not isinstance(rate, int) or not RATES[0] <= rate <= RATES[1]:
        low, high = RATES
        raise DataError(f"the sample rate is {sample_rate!r}; a whole number of Hz from {low:,} to {high:,} is allowed")
    samples = _array(audio)
    samples = samples[None] if samples.ndim == 1 else samples
    if samples.ndim != 2 or len(samples) != kind.channels:
        given = _channels(len(samples)) if samples.ndim == 2 else f"an array {samples.shape}"
        is_turned = samples.ndim == 2 and samples.shape[1] == kind.channels
        turn = ". soundfile.read gives (n_samples, n_channels): transpose it" if is_turned else ""
        raise _other_channels(given, kind, turn)
    _check_kind(samples.shape[1], rate, unit, kind, seconds)
    return _sound(samples)


def check_recording(facts: AudioFacts, kind: RecordingKind, seconds: float) -> None:
    """Raise DataError if a recording is not of the kind of a machine's train clips; parameters as above."""
    if facts.channels != kind.channels:
        raise _other_channels(_channels(facts.channels), kind)
    _check_kind(facts.n_samples, facts.sample_rate, facts.unit, kind, seconds)


def check_changes(facts: AudioFacts) -> None:
    """Raise DataError if every channel of a recording that was heard in blocks has one value throughout."""
    if facts.still == (1 << min(facts.channels, MOST)) - 1:
        raise DataError(f"each channel has one value throughout: {_SILENT}")


def _channels(count: int) -> str:
    return f"{count} channel{'s' * (count != 1)}"


def _other_channels(given: str, kind: RecordingKind, turn: str = "") -> DataError:
    return DataError(
        f"the clip has {given}; the train clips of {kind.where} have {kind.channels}, so a file of {kind.channels}, or "
        f"an array ({kind.channels}, n_samples), is allowed{turn}"
    )


def _check_kind(n_samples: int, rate: int, unit: str | None, kind: RecordingKind, seconds: float) -> None:
    if why := kind.misfit(kind.channels, rate, unit):
        raise DataError(why)
    shortest = SHORTEST * seconds
    if n_samples < shortest * rate:
        raise DataError(
            f"the clip has {n_samples / rate:.6g} s; at least {shortest:.6g} s are allowed, half of the shortest train "
            f"clip of {kind.where}"
        )


def _array(audio: Any) -> NDArray[Any]:
    """Return what was given as an array of floats."""
    try:
        samples = np.asarray(audio)
    except Exception as error:  # nested lists of unequal lengths, or an array library that refuses
        reason = str(error).partition(".")[0]
        raise DataError(f"the audio is not an array ({type(error).__name__}: {reason}); {_ALLOWED}") from error
    if samples.dtype.kind != "f":
        raise DataError(f"the audio is an array of {samples.dtype}; {_ALLOWED}")
    return samples


def _sound(samples: NDArray[Any]) -> NDArray[np.float32]:
    """Return samples as a run reads them from a file, in single precision."""
    with np.errstate(over="ignore"):
        sound = np.ascontiguousarray(samples, dtype=np.float32)
    if lost := int((~np.isfinite(samples)).sum()):
        raise DataError(f"{lost} samples are NaN or infinite; finite numbers in [-1, 1] are allowed")
    if (largest := float(np.abs(samples).max())) > LOUDEST:
        raise DataError(f"the audio holds a sample of {largest:.3g}, and full scale is 1; {_ALLOWED}")
    if (sound == sound[:, :1]).all():
        values = " or ".join(dict.fromkeys(f"{value + 0.0:.6g}" for value in sound[:, 0]))
        raise DataError(f"every sample is {values}: {_SILENT}")
    return sound


_SILENT = "the recording is silent. Check the microphone and the file"
_ALLOWED = "floats in [-1, 1] are allowed, such as soundfile.read gives"
