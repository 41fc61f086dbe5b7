"""The train normal that sounds most like a clip, as sound to replace parts of the clip by."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from asdcore.basics.recording_parts import recording_path
from asdcore.contract.long_sound import Sound
from asdcore.detector.verdict import Verdict
from asdcore.errors import DataError
from asdcore.explanation.clip import HeardClip
from asdcore.explanation.sounds import RepeatedSound, learnt_sound


@contextmanager
def nearest_sound(verdict: Verdict, sha256: Mapping[str, str], root: Path, clip: HeardClip) -> Iterator[Sound | None]:
    """Give the sound of the nearest train normal, as long as the clip; None if no branch compares distances.

    Raises DataError if it is not below ``root`` as it was frozen.
    """
    if verdict.nearest is None:
        yield None
        return
    name = verdict.nearest.clip
    if not recording_path(path := root / name).is_file():
        raise DataError(
            f"{root} does not hold {name}, the train normal that sounds most alike. Give the folder that the run was "
            "made from with --data, or leave it out: then parts are replaced by the clip's own background."
        )
    with learnt_sound(path, sha256[name], clip.sample_rate) as (sound, _):
        yield RepeatedSound(sound, clip.facts.n_samples)
