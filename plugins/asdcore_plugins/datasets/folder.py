"""Reads folders of one's own recordings; :mod:`asdcore_plugins.datasets.bases.folders` says what folders mean."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from asdcore_plugins.datasets.bases.folders import folder_clips, folder_truth, unheard


class FolderReader:
    """Folders of one's own recordings, whatever their files are called.

    Examples
    --------
    >>> import asdcore, numpy as np, soundfile, tempfile
    >>> from pathlib import Path
    >>> reader = asdcore.load_dataset("folder")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     root = Path(folder) / "plant"
    ...     for place in ("pump/train", "pump/test/normal", "pump/test/bearing"):
    ...         (root / place).mkdir(parents=True)
    ...         soundfile.write(root / place / "monday 7h.wav", np.full(800, 0.1), 16000)
    ...     index, truth = reader.clips(root), reader.ground_truth(root)
    >>> index.select("machine", "split", "domain").unique().sort("split").rows()
    [('pump', 'test', None), ('pump', 'train', 'source')]
    >>> truth.select("clip", "label").rows()
    [('pump/test/bearing/monday 7h.wav', 1), ('pump/test/normal/monday 7h.wav', 0)]
    """

    year = None
    """No challenge's rules apply."""

    def recognizes(self, root: Path) -> int:
        """Say how surely these are folders of one's own: 1, for names may be any, unless another reader knows them."""
        return 1

    def clips(self, root: Path) -> pl.DataFrame:
        """Return the clip index.

        Parameters
        ----------
        root : Path
            The folder of the machines, or of one machine.

        Returns
        -------
        polars.DataFrame
            A row for each clip, as :func:`asdcore.index_clips` makes it. Every section is "00".

        Raises
        ------
        DatasetError
            With everything that is wrong, at once; with two layouts to choose from if nothing was understood.
        """
        return folder_clips(root)

    def ground_truth(self, root: Path) -> pl.DataFrame | None:
        """Return the labels that the folders of test clips say.

        Parameters
        ----------
        root : Path
            As in :meth:`clips`.

        Returns
        -------
        polars.DataFrame or None
            clip, label (0 normal, 1 faulty) and domain (null if no folder says it) of the machines whose every test
            clip lies in a folder of normal clips or of a fault; None if there is no such machine.
        """
        return folder_truth(root)

    def supplemental(self, root: Path) -> list[str]:
        """Return the recordings below ``root`` whose format is not read, such as MP3: relative paths, sorted."""
        return unheard(root)
