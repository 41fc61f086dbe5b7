"""Says why a clip has its score, by scoring it again and again with parts of its sound replaced."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from asdcore.basics.paths import given_path
from asdcore.detector.detector import Detector
from asdcore.detector.listen import checked_audio
from asdcore.detector.verdict import Verdict
from asdcore.errors import DataError
from asdcore.explanation.band_shares import band_shares
from asdcore.explanation.clip import HeardClip, clip_in_memory
from asdcore.explanation.explanation import Explanation, Raised, Replacement
from asdcore.explanation.nearest import nearest_sound
from asdcore.explanation.sound_parts import Grid, ReplacedParts
from asdcore.progress import Progress, Silent

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
    ``bands * times + bands + times + 3`` scores. Of a long clip no part is in memory but ``audio`` itself;
    :func:`asdcore.explanation.explained_file.explain_file` reads it from its file.

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
        (:func:`asdcore.explanation.sound_parts.background_level`). That shows events and tones, but not what fills a
        clip and is broad in frequency.
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
    check_parts(times, bands)
    name, learnt = detector.chosen_system(system), detector.known(machine, section)
    sound = checked_audio(audio, sample_rate, None, learnt.kind, learnt.seconds)
    with clip_in_memory(detector, sound, int(sample_rate)) as clip:
        return explain_clip(clip, learnt.machine, learnt.section, system=name, data=data, times=times, bands=bands)


def explain_clip(
    clip: HeardClip,
    machine: str | None,
    section: str | None,
    *,
    system: str,
    data: str | Path | None,
    times: int,
    bands: int,
    progress: Progress | None = None,
) -> Explanation:
    """Do as :func:`explain` for a clip of any length, in memory or not; parameters as there."""
    verdict = clip.score(clip.sound, machine, section, system)
    machine_data = clip.detector.known(machine, section)
    with ExitStack() as stack:
        other = (
            None
            if data is None
            else stack.enter_context(nearest_sound(verdict, machine_data.sha256, given_path(data, "data"), clip))
        )
        grid = Grid.of(clip.seconds, clip.sample_rate, times=times, bands=bands)
        replaced = ReplacedParts(clip.sound, clip.sample_rate, grid, other)
        again = scored_again(clip, replaced, verdict)
        raised, branches = _raised(verdict, again, grid, progress or Silent())
    scores = machine_data.normals(system)["score"].to_numpy()
    replaced_by: Replacement = "own background" if other is None else "nearest normal"
    as_high = int((scores >= verdict.score).sum())
    exact, not_exact = band_shares(clip, verdict)
    return Explanation(verdict, len(scores), as_high, grid, replaced_by, raised, branches, exact, not_exact)


SILENT = "the nearest train normal is silent here, so no part can be replaced by it"

FUSED = ""
"""The name of the fused score among values."""

Values = dict[str, float]
"""The score under the name :data:`FUSED`, and z of every branch."""


def scored_again(clip: HeardClip, replaced: ReplacedParts, first: Verdict) -> Callable[[NDArray[np.bool_]], Values]:
    """Return what scores the clip with parts replaced."""

    def score(parts: NDArray[np.bool_]) -> Values:
        return _values(clip.score(replaced(parts), first.machine, first.section, first.system, if_silent=SILENT))

    return score


def _values(verdict: Verdict) -> Values:
    return {FUSED: verdict.score} | {name: branch.z for name, branch in verdict.branches.items()}


def _raised(
    verdict: Verdict, again: Callable[[NDArray[np.bool_]], Values], grid: Grid, progress: Progress
) -> tuple[Raised, dict[str, Raised]]:
    """Replace each part, band and time, and everything; return what raises the score, and z of every branch."""
    n_bands, n_times = grid.shape
    band, time = np.indices(grid.shape)
    masks = [(band == b) & (time == t) for b in range(n_bands) for t in range(n_times)]
    masks += [band == b for b in range(n_bands)] + [time == t for t in range(n_times)]
    masks.append(np.ones(grid.shape, dtype=bool))
    before, after = _values(verdict), []
    with progress.stage("explain", len(masks)) as advance:
        for mask in masks:
            after.append(again(mask))
            advance(1)
    by_name = {}
    for name, value in before.items():
        drops = value - np.array([values[name] for values in after])
        parts, bands, times, everything = np.split(drops, np.cumsum([n_bands * n_times, n_bands, n_times]))
        by_name[name] = Raised(parts.reshape(grid.shape), bands, times, everything.item())
    return by_name.pop(FUSED), by_name


def check_parts(times: int, bands: int) -> None:
    """Raise DataError if there would be too few or too many parts."""
    for name, value in (("times", times), ("bands", bands)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise DataError(f"{name} is {value!r}; a whole number of at least 1 is allowed, such as 8")
    if times * bands > MOST_PARTS:
        raise DataError(
            f"{bands} bands times {times} times are {times * bands:,} parts, each of which is a score; at most "
            f"{MOST_PARTS:,} are allowed. The defaults are 8 bands and 10 times."
        )
