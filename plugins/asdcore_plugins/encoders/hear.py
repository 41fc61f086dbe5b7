"""The encoder ``hear``: any module with the HEAR API."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from asdcore import DataError, PluginError, Tokens
from asdcore_plugins.nn.checkpoints.repeatable import check_repeats
from asdcore_plugins.nn.running.encoder import LayeredEncoder
from asdcore_plugins.nn.running.exact import refuse
from asdcore_plugins.nn.running.run import still

Floats = NDArray[np.float32]

API = ("load_model", "get_scene_embeddings", "get_timestamp_embeddings")


class Hear(LayeredEncoder):
    """Any encoder with the HEAR API: a module with ``load_model`` and functions for scene and timestamp embeddings.

    Architecture, front end, licence, grid and dimension are the module's own. Modules on torch are supported: audio
    reaches them as a torch tensor, n_sounds x n_samples in [-1, 1]. Clips arrive at the sample rate that the module
    asks for and go through it one at a time; how it treats short and long ones is up to it.

    Layers: "scene", the embedding of the whole clip, one token; and "timestamp", one token every so many milliseconds,
    at times that the module sets: the API asks for a hop of 50 ms or less. Each is a forward pass of its own, because
    the API offers no common one.

    Parameters
    ----------
    module : str
        Its dotted name.
    checkpoint : str or Path, optional
        A file for its ``load_model``, which without one takes its own default.
    device : str
        Where the model runs: "cpu", "cuda", "cuda:1", ...
    exact : bool
        Only false: the module decides in which precision it computes. With true it is refused.

    Raises
    ------
    DataError
        If there is no such checkpoint.
    PluginError
        If there is no such module, or it has not the functions of the API.

    Notes
    -----
    The module is code that you have installed. Naming it imports it, and it opens its checkpoint as it likes: asdcore's
    promise that checkpoints run no code does not cover it. Install it as a package: then a frozen run can pin its
    version.

    ``encode`` raises PluginError if the module returns what the API does not allow, and DataError if its embeddings of
    a clip depend on what it heard before.

    References
    ----------
    Turian et al., "HEAR: Holistic Evaluation of Audio Representations", PMLR 176, 2022, arXiv 2203.03022, with the API
    on hearbenchmark.com.

    Examples
    --------
    Not run by the tests, which have no such module:

    >>> import asdcore, numpy as np
    >>> encoder = asdcore.load_encoder("hear", module="hearbaseline.wav2vec2")  # doctest: +SKIP
    >>> encoder.encode(np.zeros((1, 160000), dtype=np.float32), ["scene"])["scene"].patches.shape  # doctest: +SKIP
    (1, 1, 1, 1024)
    """

    layers = ("scene", "timestamp")

    def __init__(
        self, module: str, checkpoint: str | Path | None = None, device: str = "cpu", exact: bool = False
    ) -> None:
        if exact:
            refuse(
                f"the HEAR module {module!r}",
                "its own code decides in which precision each step is computed, and asdcore sees no more of it than "
                "what comes out",
            )
        if checkpoint is not None and not Path(checkpoint).exists():
            raise DataError(
                f"There is no checkpoint {checkpoint} for the HEAR module {module!r}. Give an existing path."
            )
        self.module, self.name = module, f"HEAR module {module}"
        self.model = _imported(module).load_model(*([] if checkpoint is None else [str(checkpoint)]))
        self.sample_rate = int(self.model.sample_rate)
        self._device = device
        self._repeats: set[int | str] = set()
        if isinstance(self.model, nn.Module):
            still(self.model).to(device)

    def _encode(self, audio: Floats, layers: Sequence[int | str]) -> dict[int | str, Tokens]:
        ask = {"scene": self._scene, "timestamp": self._timestamps}
        for layer in [layer for layer in layers if layer not in self._repeats]:
            embed = ask[str(layer)]
            check_repeats(lambda clip: [embed(clip[None])], audio[0], f"HEAR module {self.module!r}")  # noqa: B023
            self._repeats.add(layer)
        return {layer: Tokens(np.concatenate([ask[str(layer)](clip[None]) for clip in audio])) for layer in layers}

    def _scene(self, clip: Floats) -> Floats:
        """(1, n_samples) -> (1, 1, 1, dim)."""
        scene: Floats = self._asked("get_scene_embeddings", clip)
        self._require(scene.ndim == 2 and len(scene) == 1, "get_scene_embeddings", "embeddings", scene, "(1, dim)")
        return scene[:, None, None]

    def _timestamps(self, clip: Floats) -> Floats:
        """(1, n_samples) -> (1, time, 1, dim)."""
        embeddings: Floats
        embeddings, times = self._asked("get_timestamp_embeddings", clip)
        good = embeddings.ndim == 3 and len(embeddings) == 1
        self._require(good, "get_timestamp_embeddings", "embeddings", embeddings, "(1, time, dim)")
        good = times.shape == embeddings.shape[:2] and bool((np.diff(times) > 0).all())
        self._require(good, "get_timestamp_embeddings", "timestamps", times, f"rising, {embeddings.shape[:2]}")
        return embeddings[:, :, None]

    def _asked(self, function: str, clip: Floats) -> Any:
        """Call a function of the module on one clip and return its arrays."""
        with torch.no_grad():
            answer = getattr(_imported(self.module), function)(torch.tensor(clip, device=self._device), self.model)
        return tuple(_array(values) for values in answer) if isinstance(answer, tuple | list) else _array(answer)

    def _require(self, holds: bool, function: str, what: str, array: Floats, needed: str) -> None:
        if not holds or not array.size:
            raise PluginError(
                f"{function} of the HEAR module {self.module!r} returned {what} {array.shape} for one clip; "
                f"the API asks for {needed}. That is a fault of the module, or of the version installed."
            )


def _imported(name: str) -> ModuleType:
    try:
        module = importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise PluginError(
            f"There is no module {error.name!r}, which the HEAR encoder {name!r} needs. Install the package that holds "
            "it, for example with pip."
        ) from error
    if missing := [function for function in API if not callable(getattr(module, function, None))]:
        raise PluginError(
            f"Module {name!r} has no HEAR API: it lacks {', '.join(missing)}. Name the module that has them."
        )
    return module


def _array(value: Tensor | Floats) -> Floats:
    values = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else value
    # A copy: a module may hand out its own buffer.
    return np.array(values, dtype=np.float32)
