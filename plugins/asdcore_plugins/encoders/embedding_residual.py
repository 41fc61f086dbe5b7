"""The encoder ``embedding_residual``: what another encoder makes of the near channel, less a share of the far one's."""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore import Tokens
from asdcore_plugins.nn.front_ends.cross_spectra import both_channels
from asdcore_plugins.nn.front_ends.sound import Sound
from asdcore_plugins.stats.parameters import choice, fraction

Audio = NDArray[np.float32]

ENCODERS = ("beats", "dasheng", "eat", "logmel", "melspec")
"""The encoders whose tokens may be subtracted. Their source counts as that of this one."""


class EmbeddingResidual:
    """Tokens of the near channel less ``alpha`` times those of the far one, by an encoder that hears one channel.

    What both microphones hear alike, such as noise from afar, is in both embeddings, so that a part of it goes; the
    machine is much louder at the near one, and most of it stays. Unlike the views ``w1`` and ``difference`` this asks
    for no coherence between the microphones, and leaves the sound that the network hears as it was recorded.

    A pooling that is linear in the tokens, such as ``mean``, pools the difference as the published system does, whose
    embeddings are pooled first. Layers, sample rate, bands and dim are those of the encoder.

    Parameters
    ----------
    of : str or mapping
        "beats", "dasheng", "eat", "logmel" or "melspec", or a table of its name and parameters.
    alpha : float
        The share of the far channel's tokens, from 0 to 1. 0 leaves the near channel alone.
    checkpoint : str or Path, optional
        What "beats", "dasheng" and "eat" are built from.
    device, autocast, exact
        Of their network, as ``beats`` has them.

    Raises
    ------
    ValueError
        If the encoder is none of these, lacks its checkpoint, or has a parameter that does not exist; or if ``alpha``
        is out of its range.

    Notes
    -----
    Costs twice what the encoder costs. A long recording is read in blocks if the encoder does so; otherwise a clip may
    be as long as that encoder allows. EAT's tokens are not cleaned up, as its own are by default: the clean-up bends
    them, and what is subtracted would no longer be what both microphones have in common.

    References
    ----------
    Kim et al., the residual view of the LUDO systems, technical report to DCASE 2026: SSLAM, an EAT network, with alpha
    = 0.5, mean pooling, and ``memmixup``.

    Examples
    --------
    >>> import asdcore, numpy as np
    >>> clips = np.random.default_rng(0).normal(0, 0.1, size=(1, 2, 16000)).astype(np.float32)
    >>> near, far = (asdcore.load_encoder("melspec").encode(clips[:, channel])[0].patches for channel in (0, 1))
    >>> residual = asdcore.load_encoder("embedding_residual", of="melspec", alpha=0.25)
    >>> bool(np.allclose(residual.encode(clips)[0].patches, near - 0.25 * far))
    True
    """

    channels = 2
    name = "embedding_residual"

    def __init__(
        self,
        of: str | Mapping[str, Any],
        alpha: float = 0.5,
        checkpoint: str | Path | None = None,
        device: str = "cpu",
        autocast: str | None = None,
        exact: bool = False,
    ) -> None:
        self._alpha = fraction("alpha", alpha)
        self._encoder = _built(of, checkpoint, {"device": device, "autocast": autocast, "exact": exact})
        self.sample_rate: int = self._encoder.sample_rate
        self.layers: Sequence[int | str] = self._encoder.layers
        self.exact: bool = getattr(self._encoder, "exact", False)
        if hasattr(self._encoder, "model"):
            self.model = self._encoder.model
        self.hears: float | None = getattr(self._encoder, "hears", None)
        self.longest: float | None = getattr(self._encoder, "longest", None)
        self.in_windows: str | None = None
        if "window_seconds" in inspect.signature(type(self._encoder)).parameters:
            table = f'{{ name = "{self._encoder.name}", window_seconds = 10 }}'
            self.in_windows = f"of = {table} lets its encoder hear windows of 10 s"
        self.encode_blocks = None if self._encoder.encode_blocks is None else self._encode_blocks
        gain: str | None = getattr(self._encoder, "gain", None)
        # What a gain adds to both channels alike, a share of 1 takes away again.
        self.gain = "none" if gain == "offset" and self._alpha == 1.0 else gain

    def encode(self, audio: Audio, layers: Sequence[int | str] | None = None) -> dict[int | str, Tokens]:
        """Return the tokens of clips.

        Parameters
        ----------
        audio : (n_clips, 2, n_samples) float32
            The near and the far channel.
        layers : sequence of int or str, optional
            The layers wanted, by default the last.

        Returns
        -------
        dict
            {layer: Tokens}, as the encoder gives them.

        Raises
        ------
        ValueError
            If there is no such layer.
        DataError
            If the audio has another shape, or the encoder takes no such clip.
        """
        wanted = list(self.layers[-1:] if layers is None else layers)
        channels = both_channels(audio, self.name)
        near, far = (self._encoder.encode(np.ascontiguousarray(channels[:, place]), wanted) for place in (0, 1))
        return {layer: self._less(near[layer], far[layer]) for layer in wanted}

    def _encode_blocks(self, sound: Sound, layers: Sequence[int | str]) -> Iterator[dict[int | str, Tokens]]:
        """Yield the tokens of a long recording; both channels have the same blocks, since they are equally long."""
        near, far = (self._encoder.encode_blocks(_Channel(sound, place), layers) for place in (0, 1))
        for near_block, far_block in zip(near, far, strict=True):
            yield {layer: self._less(near_block[layer], far_block[layer]) for layer in layers}

    def _less(self, near: Tokens, far: Tokens) -> Tokens:
        """Return the near channel's tokens less the share of the far channel's, in the precision that they have."""
        share = near.patches.dtype.type(self._alpha)
        special = None if near.special is None or far.special is None else near.special - share * far.special
        return Tokens(near.patches - share * far.patches, special)


@dataclass(frozen=True)
class _Channel:
    """One channel of a recording, as :class:`~asdcore_plugins.nn.front_ends.sound.Sound`."""

    sound: Sound
    place: int

    def __len__(self) -> int:
        return len(self.sound)

    def read(self, start: int, stop: int) -> Audio:
        """Return samples (stop - start,); 0 beyond the ends."""
        return np.ascontiguousarray(self.sound.read(start, stop)[self.place])


def _built(of: str | Mapping[str, Any], checkpoint: str | Path | None, running: Mapping[str, Any]) -> Any:
    """Build the encoder; ``running`` says how its network runs. Raises ValueError for a wrong parameter."""
    table = {"name": of} if isinstance(of, str) else dict(of)
    encoder = _class(choice("of", str(table.pop("name", None)), ENCODERS))
    parameters = inspect.signature(encoder).parameters
    allowed = [name for name in parameters if name not in ("checkpoint", *running)]
    for name in table:
        choice("a parameter of 'of'", name, allowed)
    if "checkpoint" not in parameters:
        if checkpoint is not None or running["autocast"] is not None or running["exact"]:
            raise ValueError("of names an encoder without weights: leave out checkpoint, autocast and exact")
        return encoder(**table)
    if checkpoint is None:
        raise ValueError("of names a network, which needs a checkpoint: write checkpoint = ... beside of")
    return encoder(checkpoint=checkpoint, **running, **table)


def _class(name: str) -> Any:
    """Import an encoder. An import that is written out makes its file part of the features' recipe; a name does not."""
    if name == "beats":
        from asdcore_plugins.encoders.beats import BEATs

        return BEATs
    if name == "dasheng":
        from asdcore_plugins.encoders.dasheng import Dasheng

        return Dasheng
    if name == "eat":
        from asdcore_plugins.encoders.eat import EAT

        return EAT
    if name == "logmel":
        from asdcore_plugins.encoders.logmel import LogMel

        return LogMel
    from asdcore_plugins.encoders.melspec import MelSpec

    return MelSpec
