"""The encoder ``onnx``: a model in an ONNX or TFLite file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asdcore import DataError, Tokens
from asdcore_plugins.nn.checkpoints.graph import FREE, graph_files, open_graph
from asdcore_plugins.nn.checkpoints.repeatable import check_repeats
from asdcore_plugins.nn.front_ends.sound import InMemory, Sound
from asdcore_plugins.nn.running.encoder import LayeredEncoder
from asdcore_plugins.nn.running.exact import refuse
from asdcore_plugins.nn.running.layers import checked_layers

Floats = NDArray[np.float32]

LAYOUTS = {1: "d", 2: "nd", 3: "ntd"}
"""What the axes of an output are by their number, if no layout is given."""


class GraphEncoder(LayeredEncoder):
    """Any audio model in an ONNX or TFLite file that takes a waveform, for example YAMNet.

    Architecture, front end, licence, grid and dimension are those of the file. It runs on the CPU, by onnxruntime or
    LiteRT (``pip install 'asdcore[onnx]'``). Patches of a layer are (n_clips, time, band, dim), the windows one after
    the other in time; an axis that the layout does not name has length 1.

    A model with a state of its own (a streaming TFLite model) keeps it from window to window and begins anew with every
    clip. A model is refused if its outputs still depend on what it heard before, or if it draws random numbers.

    Parameters
    ----------
    checkpoint : str or Path
        The file, the folder that holds it and nothing else, or the id of a registry entry. Weights that an ONNX model
        keeps in a file beside it (``torch.onnx.export`` writes ``NAME.onnx.data``) are part of the checkpoint.
    sample_rate : int
        Hz that the model expects.
    window : int, optional
        Samples that it hears at once. By default the length that its input has, or a whole clip if that is free.
    hop : int, optional
        Samples from one window to the next, by default ``window``. Zeros fill up the last window, so that every sample
        is heard; a clip shorter than a window is one window.
    outputs : list of int or str, optional
        The layers, the last one being the default: names of tensors, or positions among the graph's outputs. By default
        all outputs. In a TFLite file any tensor may be named, in an ONNX file an output.
    layout : str or list of str, optional
        What the axes of an output are, a letter each: n the clip (of length 1), t time, b band, d dim. One word for all
        outputs, or a list with one for each; by default d, nd or ntd, by the number of axes.
    exact : bool
        Only false: a graph computes in the types with which it was exported. With true it is refused.

    Raises
    ------
    DataError
        If the file is damaged, or its model hears anything but one waveform.
    ValueError
        If a parameter does not go with the model.

    Notes
    -----
    YAMNet hears 0.975 s at 16 kHz, its authors move on by 0.48 s, and ten seconds give 20 embeddings of 1024.

    References
    ----------
    YAMNet: github.com/tensorflow/models, research/audioset/yamnet (Apache-2.0).

    Examples
    --------
    Not run by the tests, which have no checkpoint:

    >>> import asdcore, numpy as np
    >>> name = "yamnet_frames/global_average_pooling2d/Mean"
    >>> yamnet = asdcore.load_encoder("onnx", checkpoint="yamnet", hop=7680, outputs=[name])  # doctest: +SKIP
    >>> yamnet.encode(np.zeros((1, 160000), dtype=np.float32))[name].patches.shape  # doctest: +SKIP
    (1, 20, 1, 1024)
    """

    name = "the model"

    @staticmethod
    def files(checkpoint: str | Path) -> list[Path]:
        """Return every file of a checkpoint: the model, and its weights beside it."""
        return graph_files(checkpoint)

    def __init__(
        self,
        checkpoint: str | Path,
        sample_rate: int = 16000,
        window: int | None = None,
        hop: int | None = None,
        outputs: Sequence[int | str] | None = None,
        layout: str | Sequence[str] | None = None,
        exact: bool = False,
    ) -> None:
        if exact:
            refuse(
                f"the graph {checkpoint}",
                "it computes in the types with which it was exported, float32 or smaller, and its runtime rounds "
                "differently on other processors",
            )
        named = [output for output in outputs or () if isinstance(output, str)]
        self._graph = open_graph(checkpoint, named)
        self.layers: Sequence[int | str] = tuple(self._graph.outputs if outputs is None else outputs)
        self._names = {layer: _tensor(layer, self._graph.outputs) for layer in self.layers}
        if not self.layers or len(self._names) < len(self.layers):
            raise ValueError(f"outputs is {list(self.layers)}; name at least one, and none twice")
        self._layouts = _layouts(layout, self.layers)
        self._window, self._hop = _windows(next(size for size in self._graph.shape if size != 1), window, hop)
        if sample_rate < 1:
            raise ValueError(f"sample_rate is {sample_rate}; it must be above 0")
        self.sample_rate = sample_rate
        self._file, self._repeats = Path(checkpoint), False
        self.encode_blocks = None if self._window is None else self._encode_blocks

    def _encode(self, audio: Floats, layers: Sequence[int | str]) -> dict[int | str, Tokens]:
        clips = [self._encode_clip(clip, layers) for clip in audio]
        return {layer: Tokens(np.stack([clip[layer] for clip in clips])) for layer in layers}

    def _encode_clip(self, clip: Floats, layers: Sequence[int | str]) -> dict[int | str, Floats]:
        """(n_samples,) -> {layer: (time, band, dim)}."""
        windows = list(self._heard(InMemory(clip), layers))
        return {layer: np.concatenate([window[layer] for window in windows]) for layer in layers}

    def _encode_blocks(self, sound: Sound, layers: Sequence[int | str]) -> Iterator[Mapping[int | str, Tokens]]:
        """Yield the tokens of one recording, window by window."""
        for window in self._heard(sound, checked_layers(layers, self.layers, self.name)):
            yield {layer: Tokens(grid[None]) for layer, grid in window.items()}

    def _heard(self, sound: Sound, layers: Sequence[int | str]) -> Iterator[dict[int | str, Floats]]:
        """Yield {layer: (time, band, dim)} of each window."""
        names = [self._names[layer] for layer in layers]
        if not self._repeats:
            first = sound.read(0, min(len(sound), self._window or len(sound)))
            check_repeats(lambda clip: self._heard_first(clip, names), first, f"The model {self._file}")
            self._repeats = True
        self._graph.reset()
        for window in self._cut(sound):
            outputs = self._graph.run(window, names)
            yield {layer: self._grid(output, layer) for layer, output in zip(layers, outputs, strict=True)}

    def _heard_first(self, clip: Floats, names: Sequence[str]) -> list[NDArray[Any]]:
        """(n_samples,) -> what the graph makes of its first window when it has heard nothing before."""
        self._graph.reset()
        return self._graph.run(next(self._cut(InMemory(clip))), names)

    def _cut(self, sound: Sound) -> Iterator[Floats]:
        """Yield windows in the shape of the graph's input, with zeros after the end."""
        length = self._window or len(sound)
        hop = self._hop or length
        for start in range(0, max(0, len(sound) - length) + hop, hop):
            window = np.ascontiguousarray(sound.read(start, start + length), dtype=np.float32)
            yield window.reshape([1 if size == 1 else length for size in self._graph.shape])

    def _grid(self, output: NDArray[Any], layer: int | str) -> Floats:
        """An output of one window -> (time, band, dim)."""
        layout = self._layouts[layer] or LAYOUTS.get(output.ndim, "")
        if len(layout) != output.ndim or ("n" in layout and output.shape[layout.index("n")] != 1):
            raise DataError(
                f"output {layer!r} has the shape {output.shape}, which does not go with the layout {layout!r}. Give "
                f"one of {output.ndim} letters: n the clip (of length 1), t time, b band, d dim."
            )
        axes = [layout.index(letter) for letter in "ntbd" if letter in layout]
        sizes = [output.shape[layout.index(letter)] if letter in layout else 1 for letter in "tbd"]
        return np.transpose(output, axes).reshape(sizes).astype(np.float32)


def _tensor(layer: int | str, outputs: Sequence[str]) -> str:
    """Return the name of the tensor that a layer is: its own, or that of the graph's output at this place."""
    if isinstance(layer, str):
        return layer
    if not 0 <= layer < len(outputs):
        raise ValueError(f"outputs asks for place {layer}; the model has {len(outputs)} outputs: {', '.join(outputs)}")
    return outputs[layer]


def _layouts(layout: str | Sequence[str] | None, layers: Sequence[int | str]) -> dict[int | str, str | None]:
    """Return the layout of every layer; raises ValueError for one that names no axes."""
    words = [layout] * len(layers) if layout is None or isinstance(layout, str) else list(layout)
    if len(words) != len(layers):
        raise ValueError(f"layout has {len(words)} words for {len(layers)} outputs: {', '.join(map(str, layers))}")
    for word in words:
        if word is not None and (not word or set(word) - set("ntbd") or len(set(word)) < len(word)):
            raise ValueError(f"layout is {word!r}; it is made of the letters n, t, b and d, each at most once")
    return dict(zip(layers, words, strict=True))


def _windows(fixed: int, window: int | None, hop: int | None) -> tuple[int | None, int | None]:
    """Return window and hop in samples, None standing for the whole clip; raises ValueError."""
    if fixed != FREE and window not in (None, fixed):
        raise ValueError(f"window is {window}; the model hears {fixed} samples at once, so leave window out")
    length = window if fixed == FREE else fixed
    if (length is not None and length < 1) or (hop is not None and (length is None or not 1 <= hop <= length)):
        raise ValueError(
            f"window is {length}, hop {hop}: both must be above 0, and hop, which needs a window, at most it"
        )
    return length, hop or length
