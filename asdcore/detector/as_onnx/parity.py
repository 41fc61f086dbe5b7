"""Scores the same clips by a detector and by its ONNX file, and says how far the two are apart."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore.basics.durations import duration
from asdcore.basics.paths import SOUNDS, files_below
from asdcore.data.recordings.audio import AudioFacts, decode_new, opened
from asdcore.detector.detector import Detector
from asdcore.errors import DataError

Audio = NDArray[np.float32]

MOST = 1e-4
"""By which share of the score's spread the two may differ."""

FAR = 50.0
"""A clip this many spreads away from train normals, or more, is judged by its own distance: of 1,000 spreads single
precision, in which sound is resampled and networks compute, leaves no 1e-4."""

AT_ONCE = 1 << 25
"""Bytes of samples that a recording to compare by may have: fifteen times as much memory is needed for them."""

CLIPS = 200
"""Clips that are made up if none are given."""


LONGEST = 1.2
"""How many times as long as the shortest train clip these are, at most."""


@dataclass(frozen=True)
class Parity:
    """How far a detector and its ONNX file are apart.

    Attributes
    ----------
    clips : int
        How many clips both have scored.
    given : bool
        Whether these were recordings; else they were made up.
    difference : float
        The largest difference between the two scores.
    spread : float
        The range of the middle half of the train normals' scores.
    share : float
        The largest difference as a share of the spread; of a clip that is more than 50 spreads away from the median
        train normal, as a share of a fiftieth of that distance.
    decisions_changed : int
        How many clips get another decision.
    """

    clips: int
    given: bool
    difference: float
    spread: float
    share: float
    decisions_changed: int

    @property
    def holds(self) -> bool:
        """Whether the share is at most 1e-4, and no decision changed."""
        return self.share <= MOST and not self.decisions_changed

    def as_json(self) -> dict[str, Any]:
        """Return it as a JSON value."""
        return asdict(self)


def compare(
    detector: Detector,
    session: Any,
    asked: tuple[str, str, str],
    clips: Iterable[tuple[Audio, int]],
    normals: NDArray[np.float64],
    *,
    given: bool,
) -> Parity:
    """Score clips by both.

    Parameters
    ----------
    detector : Detector
        The detector.
    session : onnxruntime.InferenceSession
        Its file.
    asked : tuple of str
        Machine, section and system.
    clips : iterable of (ndarray of float32 (n_channels, n_samples), int)
        The clips and their sample rates.
    normals : ndarray of float64
        The scores of train normals.
    given : bool
        Whether these are recordings.
    """
    machine, section, system = asked
    scores, written, changed = [], [], 0
    for audio, rate in clips:
        verdict = detector.score(audio, rate, machine, section, system=system)
        score, decision = session.run(["score", "decision"], {"audio": audio, "sample_rate": np.array(rate)})
        scores.append(verdict.score)
        written.append(score.item())
        changed += int(verdict.anomalous != bool(decision.item()))
    apart, spread = np.abs(np.subtract(scores, written)), spread_of(normals)
    apart[~np.isfinite(apart)] = np.inf
    share = apart / np.maximum(spread, np.abs(np.array(scores) - np.median(normals)) / FAR)
    return Parity(len(scores), given, float(apart.max()), spread, float(share.max()), changed)


def check_parity(parity: Parity, hears_above: int | None) -> None:
    """Raise DataError unless parity holds; ``hears_above``: the rate in Hz of an encoder above the recordings' rate."""
    if not parity.holds:
        then = "Tell the authors of asdcore, with the portfolio."
        if hears_above is not None:
            then = (
                f"An encoder hears {hears_above} Hz, and above half the recordings' rate there is nothing to hear but "
                "rounding, which differs. Give it a sample_rate no higher than that of the recordings."
            )
        raise DataError(
            f"Nothing was written: on {parity.clips} clips the ONNX file differs from the detector by up to "
            f"{parity.share:.2g} of the spread of train normals ({MOST:g} is allowed), and in "
            f"{parity.decisions_changed} decisions (none is allowed). {then}"
        )


def spread_of(scores: NDArray[np.float64]) -> float:
    """Return the range of the middle half of train normals, of all if that is 0, and 1 if this is 0 too."""
    low, high = np.quantile(scores, [0.25, 0.75])
    return float(high - low) or float(np.ptp(scores)) or 1.0


def recordings(folder: Path) -> list[Path]:
    """Return the recordings below a folder, sorted; DataError if there are none."""
    if not folder.is_dir():
        raise DataError(
            f"{folder} is not a folder. Name a folder with recordings to compare by, or leave --parity out."
        )
    files = [path for path in files_below(folder) if path.suffix.lower() in SOUNDS and path.is_file()]
    if not files:
        raise DataError(f"{folder} holds no recordings ({', '.join(SOUNDS)}) to compare by.")
    return files


def decoded(files: Iterable[Path], sample_rate: int) -> Iterator[tuple[Audio, int]]:
    """Yield recordings; DataError for a very long one, or one of another sample rate, which the file does not take."""
    for file in files:
        with opened(file) as (_, facts):
            _check(file, facts, sample_rate)
        yield decode_new(file)[0], sample_rate


def _check(file: Path, facts: AudioFacts, sample_rate: int) -> None:
    if facts.sample_rate != sample_rate:
        raise DataError(
            f"{file} has {facts.sample_rate} Hz, and the ONNX file takes {sample_rate} Hz. Compare by recordings "
            "of that rate."
        )
    if 4 * facts.n_samples * facts.channels > AT_ONCE:
        allowed = duration(AT_ONCE / (4 * facts.channels * sample_rate))
        raise DataError(
            f"{file} lasts {duration(facts.n_samples / sample_rate)}. An ONNX file hears a clip at once, so at most "
            f"{allowed} are compared. Put recordings as short as the train clips into the folder, or leave --parity "
            "out: then clips are made up."
        )


def longest_taken(
    detector: Detector, asked: tuple[str, str, str], channels: int, sample_rate: int, seconds: float
) -> float:
    """Return how many times as long as a train clip clips may be: 1 if the detector takes one length alone."""
    (audio, rate), machine, section, system = next(made_up(1, channels, sample_rate, LONGEST * seconds, 1.0)), *asked
    try:
        detector.score(audio, rate, machine, section, system=system)
    except DataError:  # a scorer that compares frame by frame
        return 1.0
    return LONGEST


def made_up(
    n: int, channels: int, sample_rate: int, seconds: float, longest: float = LONGEST
) -> Iterator[tuple[Audio, int]]:
    """Yield clips of noise of any colour and loudness, always the same ones.

    Some have tones or knocks, are cut off at full scale, lie beside zero, or toggle the last bits of 16 alone.
    """
    for i in range(n):
        draw = np.random.default_rng(i)
        n_samples = max(1, round(seconds * sample_rate * draw.uniform(1.0, longest)))
        hertz = np.fft.rfftfreq(n_samples, 1 / sample_rate)
        # Without much bass nothing stays at full scale for long: it would be resampled to rounding alone.
        colour = np.maximum(hertz, 20.0) ** draw.uniform(-0.5 if i % 6 == 3 else -1.5, 0.5)
        spectrum = np.fft.rfft(draw.normal(size=(channels, n_samples))) * colour
        sound = np.fft.irfft(spectrum, n_samples)
        sound /= np.sqrt(np.square(sound).mean())
        if i % 6 == 1:
            tone = np.sin(2 * np.pi * draw.uniform(50, 0.45 * sample_rate) * np.arange(n_samples) / sample_rate)
            sound += draw.uniform(0.1, 3.0) * tone
        if i % 6 == 2:
            place = draw.integers(0, n_samples, 5)
            sound[:, place] += draw.normal(scale=20.0, size=5)
        sound *= 10 ** draw.uniform(-3.0, -0.7)
        if i % 6 == 3:
            sound *= 2.0 / sound.std()
        if i % 6 == 4:
            # In 16 bits: where there is no sound but an offset, soxr's rounding to single precision would be heard.
            sound = np.round((sound + draw.uniform(-0.05, 0.05)) * 2**15) / 2**15
        if i % 6 == 5:
            sound = np.round(sound / sound.std()) / 2**15
        yield np.asarray(np.clip(sound, -1, 1), np.float32), sample_rate
