"""Says why a clip has its score, by scoring it again and again with parts of its sound replaced."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdcore.basics.paths import given_path
from asdcore.basics.recording_parts import recording_path
from asdcore.data.recordings.audio import decode, resample
from asdcore.detector.detector import Detector
from asdcore.detector.verdict import Verdict
from asdcore.errors import DataError
from asdcore.explanation.band_shares import band_shares
from asdcore.explanation.explanation import Explanation, Raised, Replacement
from asdcore.explanation.sound_parts import Grid, ReplacedParts

Audio = NDArray[np.float32]
MOST_PARTS = 2000


def explain(
    detector: Detector,
    audio: ArrayLike,
    sample_rate: int,
    machine: str | None = None,
    section: str | None = None,
    *,
    system: str | None = None,
    data: str | Path | None = None,
    times: int = 10,
    bands: int = 8,
) -> Explanation:
    """Say why a clip has its score: what branches and guards add, and which bands and seconds raised it.

    Where a branch's score is a sum over bands, what each adds to it is exact (``exact``): such a scorer says which
    features it is made of, and such an encoder where its bands lie. For everything else, and for the fused score, the
    clip is cut into ``bands`` times ``times`` parts, and by how much a part raises the score is measured: one part is
    replaced, and the clip is scored again. That works with every encoder and scorer, and takes
    ``bands * times + bands + times + 3`` scores.

    Parameters
    ----------
    detector : Detector
        Who scores; :func:`asdcore.load_detector` returns one.
    audio : array_like
        (n_samples,) or (n_channels, n_samples) the clip, in [-1, 1].
    sample_rate : int
        In Hz.
    machine, section, system : str, optional
        As of :meth:`Detector.score`.
    data : path, optional
        The folder of the recordings that the detector learnt from. Then a part is replaced by the same part of the
        train normal that sounds most alike, which shows all that differs from it. Without, or if no branch compares
        distances, it is replaced by the clip's own background
        (:func:`asdcore.explanation.sound_parts.background`). That shows events and tones, but not what fills a clip and
        is broad in frequency.
    times, bands : int
        Into how many parts the clip is cut: equal times, and bands of equal width on a logarithmic scale.

    Returns
    -------
    Explanation
        Its ``raised.parts`` (n_bands, n_times) is the score less that without the part; ``verdict`` says what branches
        and guards add.

    Raises
    ------
    DataError
        If the clip cannot be scored, the nearest train normal is not below ``data`` as it was frozen, or there would be
        too few or too many parts.

    Examples
    --------
    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> detector = asdcore.load_detector(asdcore.export("first.json", "first.asd"))
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=(2, 160000)).astype(np.float32)
    >>> noise[:, 80000:96000] *= 20  # louder from 5 s to 6 s
    >>> why = asdcore.explain(detector, noise, 16000, "SynFan", times=5, bands=4)
    >>> why.raised.parts.shape, int(why.raised.times.argmax())
    ((4, 5), 2)

    References
    ----------
    Zeiler and Fergus (2014), Visualizing and understanding convolutional networks, section 4.2: occlusion.
    """
    _check_parts(times, bands)
    name = detector.chosen_system(system)
    verdict = detector.score(audio, sample_rate, machine, section, system=name)
    machine_data = detector.known(machine, section)
    clip = np.atleast_2d(np.asarray(audio, dtype=np.float32))
    other = (
        None
        if data is None
        else nearest_sound(verdict, machine_data.sha256, given_path(data, "data"), clip, sample_rate)
    )
    grid = Grid.of(clip.shape[1] / sample_rate, sample_rate, times=times, bands=bands)
    replaced = ReplacedParts(clip, sample_rate, grid, other)
    again = scored_again(detector, replaced, sample_rate, verdict)
    raised, branches = _raised(verdict, again, grid)
    scores = machine_data.normals(name)["score"].to_numpy()
    replaced_by: Replacement = "own background" if other is None else "nearest normal"
    as_high = int((scores >= verdict.score).sum())
    exact, not_exact = band_shares(detector, clip, sample_rate, verdict)
    return Explanation(verdict, len(scores), as_high, grid, replaced_by, raised, branches, exact, not_exact)


FUSED = ""
"""The name of the fused score among values."""

Values = dict[str, float]
"""The score under the name :data:`FUSED`, and z of every branch."""


def scored_again(
    detector: Detector, replaced: ReplacedParts, sample_rate: int, first: Verdict
) -> Callable[[NDArray[np.bool_]], Values]:
    """Return what scores the clip with parts replaced."""

    def score(parts: NDArray[np.bool_]) -> Values:
        sound = replaced(parts)
        if not sound.any():
            raise DataError("the nearest train normal is silent here, so no part can be replaced by it")
        verdict = detector.score(sound, sample_rate, first.machine, first.section, system=first.system)
        return _values(verdict)

    return score


def _values(verdict: Verdict) -> Values:
    return {FUSED: verdict.score} | {name: branch.z for name, branch in verdict.branches.items()}


def _raised(
    verdict: Verdict, again: Callable[[NDArray[np.bool_]], Values], grid: Grid
) -> tuple[Raised, dict[str, Raised]]:
    """Replace each part, band and time, and everything; return what raises the score, and z of every branch."""
    n_bands, n_times = grid.shape
    band, time = np.indices(grid.shape)
    masks = [(band == b) & (time == t) for b in range(n_bands) for t in range(n_times)]
    masks += [band == b for b in range(n_bands)] + [time == t for t in range(n_times)]
    masks.append(np.ones(grid.shape, dtype=bool))
    before, after = _values(verdict), [again(mask) for mask in masks]
    by_name = {}
    for name, value in before.items():
        drops = value - np.array([values[name] for values in after])
        parts, bands, times, everything = np.split(drops, np.cumsum([n_bands * n_times, n_bands, n_times]))
        by_name[name] = Raised(parts.reshape(grid.shape), bands, times, everything.item())
    return by_name.pop(FUSED), by_name


def nearest_sound(verdict: Verdict, sha256: dict[str, str], root: Path, clip: Audio, sample_rate: int) -> Audio | None:
    """Return the sound of the nearest train normal, as long as the clip; None if no branch compares distances."""
    if verdict.nearest is None:
        return None
    name = verdict.nearest.clip
    if not recording_path(path := root / name).is_file():
        raise DataError(
            f"{root} does not hold {name}, the train normal that sounds most alike. Give the folder that the run was "
            "made from with --data, or leave it out: then parts are replaced by the clip's own background."
        )
    sound, rate = decode(path, sha256[name])
    if rate != sample_rate:
        sound = np.stack([resample(channel, rate, sample_rate) for channel in sound])
    n = clip.shape[1]
    return np.tile(sound, -(-n // sound.shape[1]))[:, :n]


def _check_parts(times: int, bands: int) -> None:
    for name, value in (("times", times), ("bands", bands)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DataError(f"{name} is {value!r}; a whole number of at least 1 is allowed, such as 8")
    if times * bands > MOST_PARTS:
        raise DataError(
            f"{bands} bands times {times} times are {times * bands:,} parts, each of which is a score; at most "
            f"{MOST_PARTS:,} are allowed. The defaults are 8 bands and 10 times."
        )
