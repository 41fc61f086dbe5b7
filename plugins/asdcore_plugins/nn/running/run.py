"""How every encoder on torch runs: on a device, without gradients, a clip at a time on the CPU.

A matrix product may round a row differently with the number of rows beside it. So on the CPU each clip goes through
the network alone, and its tokens are the same bits whatever clips are encoded with it. Elsewhere as many clips of one
length go together as fit into the device's memory (:mod:`asdcore_plugins.nn.running.memory`).

With ``exact`` the front end, the weights and everything between are float64, and so are the tokens. Processors round
that differently too, but only in the last of 53 bits, and a run keeps the first 16 of its features.
"""

from __future__ import annotations

import contextlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asdcore import DataError, Tokens
from asdcore_plugins.nn.running.encoder import LayeredEncoder, check_shape
from asdcore_plugins.nn.running.exact import check_float64, explained
from asdcore_plugins.nn.running.layers import checked_layers
from asdcore_plugins.nn.running.memory import Portions

Audio = NDArray[np.float32]

PRECISIONS = ("bfloat16", "float16")
"""What ``autocast`` may name."""


class TorchEncoder(LayeredEncoder):
    """An encoder whose tokens a torch module computes from a spectrogram, or from whatever its front end returns.

    Parameters
    ----------
    model : torch.nn.Module
        What :meth:`tokens` runs, in evaluation mode on ``device``. A child makes it of its ``checkpoint``.
    checkpoint : str or Path
        A child's parameter: the file, or the id of a registry entry.
    device : str
        Where the network runs: "cpu", "cuda", "cuda:1", ...
    autocast : str, optional
        "bfloat16" or "float16", the type of matrix products. It changes results. By default float32 throughout.
    exact : bool
        Whether front end and network compute in float64, for up to 3 times the CPU time: a run then keeps 16 bits of
        its features, and they come out the same on every processor and on a GPU. By default float32, whose last bits
        differ between processors.

    Raises
    ------
    DataError
        If the checkpoint is damaged, or not one of this model.
    ValueError
        If the device cannot be used, ``autocast`` names another type or comes with ``exact``, or another parameter is
        out of its range.

    Examples
    --------
    All encoders with a checkpoint are used alike. Their own examples are not run by the tests, which have none, and
    say only what comes back for ``clips`` of 10 s at their sample rate:

    >>> import asdcore, numpy as np
    >>> clips = np.zeros((2, 160000), dtype=np.float32)
    >>> encoder = asdcore.load_encoder("beats", checkpoint="beats-iter3-plus-as2m")  # doctest: +SKIP
    >>> encoder.encode(clips)[encoder.layers[-1]].patches.shape  # doctest: +SKIP
    (2, 62, 8, 768)
    """

    model: nn.Module

    def __init__(self, model: nn.Module, device: str = "cpu", autocast: str | None = None, exact: bool = False) -> None:
        if not isinstance(exact, bool):
            raise ValueError(f"exact is {exact!r}; allowed are true and false")
        self.exact, self._dtype = exact, torch.float64 if exact else torch.float32
        self.device = _device(device, self._dtype)
        if exact and autocast is not None:
            raise ValueError(f"exact is true, which is float64 throughout, and autocast is {autocast!r}: leave one out")
        if autocast is not None and autocast not in PRECISIONS:
            raise ValueError(f"autocast is {autocast!r}; allowed are {', '.join(PRECISIONS)}, or leave it out")
        self.autocast = autocast
        self._portions = Portions(self.device)
        self.model = still(model.double() if exact else model).to(self.device)

    @abstractmethod
    def front_end(self, audio: Tensor) -> Tensor:
        """(n_clips, n_samples) -> what the network is given, (n_clips, ...) of the same type: float32, or float64."""

    @abstractmethod
    def tokens(self, spectrogram: Tensor, layers: Sequence[int | str]) -> Mapping[int | str, Parts]:
        """What :meth:`front_end` returned -> (patches, special tokens or None) of each layer; see :class:`Tokens`."""

    def _encode(self, audio: Audio, layers: Sequence[int | str]) -> dict[int | str, Tokens]:
        _check(audio)
        clips = self.encode_prepared([self.prepare(audio[i : i + 1]) for i in range(len(audio))], layers)
        return {layer: _joined([clip[layer] for clip in clips]) for layer in layers}

    def prepare(self, audio: Audio) -> Any:
        """(1, n_samples) float32 -> what the network is given for that clip, (1, ...) on the CPU."""
        _check(audio)
        sound = audio.astype("float32")
        with torch.inference_mode():
            return self.front_end(torch.from_numpy(sound.astype("float64") if self.exact else sound))

    def encode_prepared(self, prepared: Sequence[Any], layers: Sequence[int | str]) -> list[dict[int | str, Tokens]]:
        """What :meth:`prepare` returned for some clips -> for each of them the Tokens of each layer, as of one clip."""
        wanted = checked_layers(layers, self.layers, self.name)
        with self._running():
            return self._portions.run(prepared, lambda batch: self._batch(batch, wanted))

    def _batch(self, spectrogram: Tensor, layers: Sequence[int | str]) -> list[dict[int | str, Tokens]]:
        """Run the network on some clips of one length; returns the Tokens of each clip alone."""
        with explained(self.name) if self.exact else contextlib.nullcontext():
            parts = self.tokens(spectrogram, layers)
            if self.exact:
                check_float64(parts)
        arrays = {layer: _tokens(self._dtype, *parts[layer]) for layer in layers}
        return [{layer: _of_clip(tokens, i) for layer, tokens in arrays.items()} for i in range(len(spectrogram))]

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        dtype = getattr(torch, self.autocast) if self.autocast else None
        # cuDNN's default would round the factors of a convolution to 10 bits (TF32), and may differ from run to run.
        plain = torch.backends.cudnn.flags(enabled=True, deterministic=True, allow_tf32=False)
        with torch.inference_mode(), plain, torch.autocast(self.device.type, dtype, enabled=dtype is not None):
            yield


def still(model: Any) -> Any:
    """Return a module in evaluation mode and without gradients, TorchScript too, which knows no ``requires_grad_``."""
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    return model.eval()


Parts = tuple["Tensor", "Tensor | None"]
"""Patches (n_clips, time, band, dim), and special tokens (n_clips, k, dim) or None."""


def _check(audio: Audio) -> None:
    check_shape(audio)
    if not np.isfinite(audio).all():
        raise DataError("audio holds values that are not finite: repair the clip, or leave it out of the dataset")


def _tokens(dtype: torch.dtype, patches: Tensor, special: Tensor | None) -> Tokens:
    """Tensors of any device and precision -> Tokens of one type."""

    def numpy(tensor: Tensor) -> Audio:
        array: Audio = tensor.to(dtype).cpu().contiguous().numpy()
        return array

    return Tokens(numpy(patches), None if special is None else numpy(special))


def _of_clip(tokens: Tokens, i: int) -> Tokens:
    """Return the tokens of the i-th clip, as of a batch of one."""
    special = None if tokens.special is None else tokens.special[i : i + 1]
    return Tokens(tokens.patches[i : i + 1], special)


def _joined(batches: Sequence[Tokens]) -> Tokens:
    special = [batch.special for batch in batches if batch.special is not None]
    return Tokens(np.concatenate([batch.patches for batch in batches]), np.concatenate(special) if special else None)


def _device(name: str, dtype: torch.dtype) -> torch.device:
    try:
        device = torch.device(name)
        torch.empty(0, device=device, dtype=dtype)
    except (RuntimeError, AssertionError, TypeError) as error:  # an unknown name; not there; without float64
        raise ValueError(f"device {name!r} cannot be used ({str(error).splitlines()[0]}); 'cpu' always can") from error
    return device
