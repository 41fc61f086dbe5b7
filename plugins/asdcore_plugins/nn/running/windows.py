"""Clips longer than a network's table of time positions: heard in windows, or cut as most authors do.

A transformer on a spectrogram has a position for every patch of about 10 s, and no more. By default a longer clip is
heard in windows of that length, each as if it were a clip of its own: as few as cover the clip, spread evenly over it,
so that none holds padding. The patches of the windows follow one another in time; special tokens, and layers that give
one token a window, are averaged over the windows. So a mean over time is one over the whole clip. A clip that fits is
heard as ever.

Other networks take a clip of any length at once, in memory that grows with it, with attention by the square. So they
refuse one beyond a bound, and hear windows only if they are told to (``window_seconds``).

A long recording is read window by window, and never held as a whole; of one that is cut, only what is heard is read.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore import Tokens
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.nn.running.run import TorchEncoder
from asdcore_plugins.stats.parameters import between

Audio = NDArray[np.float32]
Floats = NDArray[np.float32 | np.float64]

BEYOND = ("windows", "cut")
"""What may be done with the part of a clip that is beyond the table."""

AT_ONCE = 16
"""Windows of a long recording that are prepared together at most, for a device on which they go together."""

PREPARED = 1 << 26
"""Bytes of sound whose windows are prepared together at most, unless one alone has more."""

EncodeBlocks = Callable[[Sound, Sequence[int | str]], Iterator[Mapping[int | str, Tokens]]]


class Windowed(TorchEncoder):
    """An encoder with a table of time positions. What a child adds is a call of :meth:`reach`.

    Parameters
    ----------
    model, checkpoint, device, autocast, exact
        As in :class:`asdcore_plugins.nn.running.run.TorchEncoder`.
    beyond : str
        A child's parameter, which it hands to :meth:`reach`: what is done with a longer clip than the network has
        positions for. "windows" hears it in windows, "cut" cuts it off.

    Attributes
    ----------
    hears : float or None
        Seconds of a clip that are heard at most; None if all of it is.
    longest : float or None
        Seconds of a clip that may go through the network at once; None if it is never given more than windows.
    encode_blocks : function or None
        Encodes a long recording as it reads it (:mod:`asdcore.contract.long_sound`); None if the network is given more
        than windows.
    """

    hears: float | None = None
    longest: float | None = None
    encode_blocks: EncodeBlocks | None = None
    _fits: int
    _window: int
    _beyond = "windows"

    def reach(self, beyond: str, *, fits: int, window: int) -> None:
        """Set what is heard of a clip.

        Parameters
        ----------
        beyond : str
            "windows" hears a longer clip in windows and averages; "cut" leaves out what is beyond, as the authors do.
        fits : int
            Samples of the longest clip that is heard as a whole.
        window : int
            Samples of a window.

        Raises
        ------
        ValueError
            If ``beyond`` is neither.
        """
        if beyond not in BEYOND:
            raise ValueError(f"beyond is {beyond!r}; allowed are {' and '.join(map(repr, BEYOND))}")
        self._beyond, self._fits, self._window = beyond, fits, window
        self.hears = fits / self.sample_rate if beyond == "cut" else None
        self.encode_blocks = None
        if fits < sys.maxsize:
            self.encode_blocks = self._encode_blocks if beyond == "windows" else self._encode_kept

    def take_whole(self, window_seconds: float | None, longest: float) -> None:
        """Set that a clip is heard as a whole, or in windows if it is longer than one.

        Parameters
        ----------
        window_seconds : float or None
            The length of a window; None hears every clip as a whole.
        longest : float
            Seconds that may go through the network at once.

        Raises
        ------
        ValueError
            If ``window_seconds`` is no number above 0, or more than ``longest``.
        """
        if window_seconds is None:
            self.longest = longest
            self.reach("windows", fits=sys.maxsize, window=sys.maxsize)
            return
        seconds = between("window_seconds", window_seconds, 0, math.inf)
        if seconds > longest:
            raise ValueError(
                f"window_seconds is {seconds:g}; memory allows windows of {longest:g} s of this network at most. Write "
                f"window_seconds = {min(10.0, longest):g}, or any number up to {longest:g}."
            )
        window = max(1, round(seconds * self.sample_rate))
        self.reach("windows", fits=window, window=window)

    def kept(self, n_samples: int) -> tuple[int, int]:
        """Return where what is heard of a clip that is cut begins and ends; the front end leaves out what is over."""
        # A frame at the end hears a little of what comes after it: a second is plenty.
        return 0, min(n_samples, self._fits + self.sample_rate)

    def windows(self, audio: Audio) -> Iterator[Audio]:
        """(1, n_samples) -> what goes through the network for that clip, (1, n) each."""
        n_samples = audio.shape[-1]
        if self._beyond == "cut":
            start, stop = self.kept(n_samples)
            yield audio[..., start:stop]
            return
        if n_samples <= self._fits:
            yield audio
            return
        for start in starts(n_samples, self._window):
            yield audio[..., start : start + self._window]

    def _encode_kept(self, sound: Sound, layers: Sequence[int | str]) -> Iterator[dict[int | str, Tokens]]:
        """Yield the tokens of a recording that is cut."""
        prepared = [self.prepare_window(sound.read(*self.kept(len(sound)))[None])]
        yield from self.encode_windows(prepared, layers)

    def _encode_blocks(self, sound: Sound, layers: Sequence[int | str]) -> Iterator[dict[int | str, Tokens]]:
        """Yield the patches of one recording, window by window; at the end what is averaged over windows."""
        length = len(sound) if len(sound) <= self._fits else self._window
        averaged: dict[int | str, list[Tokens]] = {}
        waiting = iter(starts(len(sound), length))
        while together := list(islice(waiting, at_once(length, self.device.type))):
            windows = [self.prepare_window(sound.read(start, start + length)[None]) for start in together]
            for tokens in self.encode_windows(windows, layers):
                given = {}
                for layer, of_layer in tokens.items():
                    in_time, alone = _apart(of_layer)
                    given[layer] = in_time
                    averaged.setdefault(layer, []).append(alone)
                yield given
        if averaged:
            yield {layer: _layer(of_windows) for layer, of_windows in averaged.items()}

    def prepare(self, audio: Audio) -> list[Any]:
        """(1, n_samples) float32 -> what the network is given for each window of that clip, (1, ...) on the CPU."""
        return [self.prepare_window(window) for window in self.windows(audio)]

    def prepare_window(self, audio: Audio) -> Any:
        """(1, n_samples) float32 of one window -> what the network is given for it."""
        return super().prepare(audio)

    def encode_prepared(
        self, prepared: Sequence[Sequence[Any]], layers: Sequence[int | str]
    ) -> list[dict[int | str, Tokens]]:
        """What :meth:`prepare` returned for some clips -> for each of them the Tokens of each layer, as of one clip."""
        heard = iter(self.encode_windows([window for clip in prepared for window in clip], layers))
        return [_joined([next(heard) for _ in clip]) for clip in prepared]

    def encode_windows(self, prepared: Sequence[Any], layers: Sequence[int | str]) -> list[dict[int | str, Tokens]]:
        """What :meth:`prepare_window` returned for some windows -> for each of them the Tokens of each layer."""
        return super().encode_prepared(prepared, layers)


def starts(n_samples: int, window: int) -> list[int]:
    """Return where windows begin: as few as cover ``n_samples``, the first at 0, the last ending with the clip.

    Examples
    --------
    >>> starts(n_samples=25, window=10)
    [0, 7, 15]
    """
    n = -(-n_samples // window)
    return [0] if n <= 1 else [i * (n_samples - window) // (n - 1) for i in range(n)]


def at_once(window: int, device: str) -> int:
    """Return how many windows of so many samples are prepared together.

    On the CPU each goes through the network alone, so that more would wait in memory and gain nothing.

    Examples
    --------
    >>> at_once(160_000, "cuda"), at_once(19_200_000, "cuda"), at_once(160_000, "cpu")
    (16, 1, 1)
    """
    if device == "cpu":
        return 1
    return max(1, min(AT_ONCE, PREPARED // (4 * window)))


def _joined(windows: Sequence[dict[int | str, Tokens]]) -> dict[int | str, Tokens]:
    """Return the Tokens of one clip from those of its windows."""
    if len(windows) == 1:
        return windows[0]
    return {layer: _layer([window[layer] for window in windows]) for layer in windows[0]}


def _layer(windows: Sequence[Tokens]) -> Tokens:
    patches = [window.patches for window in windows]
    special = [window.special for window in windows if window.special is not None]
    together = _mean(patches) if all(window.shape[1] == 1 for window in patches) else np.concatenate(patches, axis=1)
    return Tokens(together, _mean(special) if special else None)


def _apart(tokens: Tokens) -> tuple[Tokens, Tokens]:
    """Return of a window's tokens those that follow others in time, and those that are averaged over windows."""
    none = tokens.patches[:, :0]
    if tokens.patches.shape[1] == 1:
        return Tokens(none), tokens
    return Tokens(tokens.patches), Tokens(none, tokens.special)


def _mean(arrays: Sequence[Floats]) -> Floats:
    return np.asarray(np.mean(np.stack(arrays), axis=0, dtype=np.float64), dtype=arrays[0].dtype)
