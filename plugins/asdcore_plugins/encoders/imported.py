"""The encoder ``imported``: features of recordings that were computed elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from asdcore import DataError, PluginError, Tokens
from asdcore_plugins.nn.running.layers import checked_layers

Floats = NDArray[np.float32]

LAYER = "imported"


class Imported:
    """Features that ``asdcore features import`` has read, by the SHA-256 of each recording's file.

    No sound is heard: the view of the branch makes no difference, and a clip without imported features is refused. A
    vector is one token, so that the pooling "mean" gives it back bit for bit; frames are tokens, one after the other
    in time. They are read from the file as they are asked for.

    Parameters
    ----------
    checkpoint : str or Path
        The name that ``asdcore features import`` gave, or the file that it wrote.

    Raises
    ------
    DataError
        If the file is not one that ``asdcore features import`` wrote.

    Notes
    -----
    What the features were made of, asdcore cannot know: whoever imports them vouches that no test label was used.

    References
    ----------
    The exchange format {file: embedding} of RMIS, github.com/jianganbai/RMIS, arXiv 2507.16696. Format of the file:
    github.com/huggingface/safetensors.

    Examples
    --------
    Not run by the tests, which have no such file:

    >>> import asdcore
    >>> encoder = asdcore.load_encoder("imported", checkpoint="fisher-tiny-1.0")  # doctest: +SKIP
    >>> digest = next(iter(encoder.recordings))  # doctest: +SKIP
    >>> tokens = encoder.encode_prepared([encoder.prepare_recording(digest)], ["imported"])  # doctest: +SKIP
    >>> tokens[0]["imported"].patches.shape  # (1, time, band, dim)  # doctest: +SKIP
    (1, 1, 1, 192)
    """

    layers: Sequence[int | str] = (LAYER,)
    not_parameters: ClassVar = {"exact": "The features are kept as they came, in float32. Leave exact out."}
    sample_rate = 16000
    """Of no meaning: nothing is resampled to it."""

    def __init__(self, checkpoint: str | Path) -> None:
        self._path = Path(checkpoint)
        try:
            self._file: Any
            self._file = safe_open(self._path, "np")
            self.recordings: frozenset[str] = frozenset(self._file.keys())
        except (OSError, SafetensorError) as error:
            raise DataError(
                f"{checkpoint} holds no imported features ({error}). 'asdcore features import TABLE --name NAME' makes "
                "such a file, and tells the name to give as checkpoint."
            ) from None
        if not self.recordings:
            raise DataError(f"{checkpoint} holds no imported features: it is empty. Import a table with a row a clip.")

    def __reduce__(self) -> tuple[type[Imported], tuple[Path]]:
        return Imported, (self._path,)

    def encode(self, audio: Floats, layers: Sequence[int | str] | None = None) -> dict[int | str, Tokens]:
        """Refuse sound.

        Raises
        ------
        PluginError
            Always: features come by the digest of a recording, not by its sound.
        """
        raise PluginError(
            "imported features are of recordings, not of sound: a clip is known by the SHA-256 of its file. Run a "
            "portfolio on those recordings, or take the encoder that made the features."
        )

    def prepare_recording(self, sha256: str) -> Floats:
        """Return the features of a recording.

        Parameters
        ----------
        sha256 : str
            Digest of the recording's file.

        Returns
        -------
        (time, band, dim) float32 array

        Raises
        ------
        DataError
            If they were not imported.
        """
        if sha256 not in self.recordings:
            raise DataError(
                f"no features of the recording with the SHA-256 {sha256} were imported into {self._path.parent.name}. "
                "Import a table that has it, under another version: 'asdcore features import TABLE'."
            )
        values: Floats = np.asarray(self._file.get_tensor(sha256))
        if values.dtype != np.float32 or not 1 <= values.ndim <= 3 or not values.size:
            raise DataError(
                f"{self._path} holds {values.dtype} {values.shape} for a recording; (dim,), (time, dim) or "
                "(time, band, dim) float32 is what 'asdcore features import' writes."
            )
        return values.reshape(1 if values.ndim == 1 else len(values), -1 if values.ndim == 3 else 1, values.shape[-1])

    def encode_prepared(self, prepared: Sequence[Floats], layers: Sequence[int | str]) -> list[dict[int | str, Tokens]]:
        """Return the features of recordings as tokens.

        Parameters
        ----------
        prepared : sequence of (time, band, dim) arrays
            As :meth:`prepare_recording` returned them.
        layers : sequence of str
            ``["imported"]``: there is no other.

        Returns
        -------
        list of {layer: Tokens}
        """
        wanted = checked_layers(layers, self.layers, "imported features")
        return [{layer: Tokens(values[None]) for layer in wanted} for values in prepared]
