"""Ranges of dependence: computed once for each machine, section and feature set, and kept in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.compute.recipes import framework_digest, library_versions
from asdcore.compute.scoring.scoring import Recipe, load_features
from asdcore.held_out.dependence import Reach, reaches
from asdcore.held_out.plan import HeldOut
from asdcore.held_out.recording_order import Places
from asdcore.store.cache import Store
from asdcore.store.tables import RANGES


@dataclass(frozen=True)
class Kept:
    """The train normals of one machine and section by one feature set, and where their ranges are kept.

    train : audio digests, clip after clip. path : of the ranges; None if they need no features.
    """

    features: Recipe
    train: tuple[str, ...]
    places: Places
    store: Path
    path: Path | None

    def reaches(self, features: NDArray[np.float32] | None = None) -> dict[str, Reach]:
        """Return how far each domain's clips depend on their neighbours; {} if ranges need no features.

        features : (n_train, ...), if they are loaded already.
        """
        if self.path is None:
            return {}
        store = Store(self.store)
        if not self.path.exists():
            rows = load_features(self.features, self.train) if features is None else features
            domain = np.array(self.places.domain, dtype=np.str_)
            measured = reaches(rows, domain, np.array(self.places.order, dtype=np.intp))
            table = [{"domain": name, **vars(reach)} for name, reach in measured.items()]
            store.write_ranges(self.path, pl.DataFrame(table, schema=RANGES.columns))
        return {row.pop("domain"): Reach(**row) for row in store.read_ranges(self.path).to_dicts()}

    def held_out(self, features: NDArray[np.float32] | None = None) -> HeldOut:
        """Return what every train normal is scored without. features : (n_train, ...), if they are loaded already."""
        return self.held_out_by(self.reaches(features))

    def held_out_by(self, reaches: Mapping[str, Reach]) -> HeldOut:
        """Return what every train normal is scored without, by ranges that are read already."""
        return HeldOut(self.places, {domain: reach.range for domain, reach in reaches.items()})


def kept(features: Recipe, train: tuple[str, ...], given: Places, store: Store) -> Kept:
    """Return where the ranges of some train normals are kept, whether they are computed yet or not."""
    recipe: dict[str, Any] = {
        "kind": "ranges",
        "features": [[[folder.name, weight] for folder, weight in terms] for terms in features],
        "train": [list(train), list(given.domain), list(given.order or ())],
        "framework": framework_digest("compute/scoring/scoring.py", "held_out/dependence.py"),
        "libraries": library_versions(),
    }
    return Kept(features, train, given, store.root, store.ranges_path(recipe) if given.measured else None)
