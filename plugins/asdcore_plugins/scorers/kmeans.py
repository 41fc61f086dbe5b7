"""Distance to the centres of the source clips' clusters, and to the target clips themselves.

Many source clips are summed up by ``k`` centres (k-means), the few target clips are all kept: "source" is the distance
to the nearest centre, "target" that to the nearest target clip, "pooled" the smaller one. For the cosine metric
k-means clusters unit vectors, and centres are brought back to unit length. From Wilkinghoff, "Sub-Cluster AdaCos"
(IJCNN 2021), with k = 16.

Lloyd's iterations begin with the clip in the middle (the least sum of squared distances) and, one after the other, the
clip farthest from those begun with: no random numbers, no dependence on the order of clips. Centres are never made: how
far a clip is from one follows from its distances to the cluster's clips and theirs to one another.

Train normals are scored in folds. Time and memory: a distance matrix of n_train^2, n_source^2 an iteration, n_train a
clip.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from asdcore import DataError, hookimpl
from asdcore_plugins.stats.banks import BLOCK, REFERENCES, DistanceScorer, whole

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from asdcore_plugins.stats.banks import Rows

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

ITERATIONS = 300
MOST = 16_000
"""Source clips whose distances to one another, 2 GB, are still held."""


@dataclass(frozen=True)
class Cluster:
    """Clips ``members`` of the bank; ``spread``, their mean squared distance to their mean."""

    members: Indices
    spread: float

    def squares(self, squares: Floats) -> Floats:
        """Squared distances (n, n_train) of clips to the bank -> (n,) to the mean of the members."""
        import numpy as np

        # Taken, not sliced: every row has to lie in memory in one piece, or its sum would depend on the others.
        means = np.take(squares, self.members, axis=1).mean(axis=1)
        return np.asarray(np.maximum(means - self.spread, 0.0))

    def unit_squares(self, squares: Floats) -> Floats:
        """:meth:`squares`, for unit vectors and their mean brought back to unit length."""
        import numpy as np

        # The squared length of the mean of unit vectors is what their spread leaves of 1.
        length = np.sqrt(max(1.0 - self.spread, 0.0))
        if length == 0:
            return np.full(len(squares), 2.0)
        return np.asarray(np.maximum(self.squares(squares) - (1.0 - length) ** 2, 0.0) / length)


class KMeans(DistanceScorer):
    """Distance to the nearest of the source centres and target clips, in its unit.

    k : centres; of fewer source clips, or fewer different ones, as many as there are.
    """

    def __init__(self, k: int = 16, metric: str = "cosine", references: Sequence[str] = REFERENCES) -> None:
        self._k = whole("k", k)
        super().__init__("kmeans", metric, references)

    def score_distances(self, distances: Floats) -> Mapping[str, Floats]:
        """(n_clips, n_train) distances to the train normals -> {reference: (n_clips,)}."""
        import numpy as np

        self._check_fitted()
        squares = self._squares(distances)
        centres = [one.unit_squares if self.metric == "cosine" else one.squares for one in self._clusters]
        source = [centre(squares) for centre in centres]
        target = list(squares[:, self._target].T)
        nearest = {"pooled": source + target, "source": source, "target": target}
        least = {name: np.min(nearest[name], axis=0) for name in self._members}
        return {name: one / 4.0 if self.metric == "cosine" else np.sqrt(one) for name, one in least.items()}

    def macs(self, n_train: int, dim: int) -> int:
        """Multiply-accumulates to score one clip: its distances to the bank, and their means."""
        return n_train * (dim + 1)

    def _learn(self, rows: Rows, domain: NDArray[np.str_]) -> None:
        import numpy as np

        source = np.flatnonzero(domain != "target")
        if len(source) > MOST:
            needed = 8e-9 * len(source) ** 2
            raise DataError(
                f"kmeans needs {needed:.0f} GB for the distances of {len(source)} source clips; up to {MOST} are held. "
                "Use knn, which holds none."
            )
        self._target = domain == "target"
        blocks = [rows(slice(i, i + BLOCK)) for i in range(0, len(domain), BLOCK)]
        within = self._squares(np.concatenate(blocks)[np.ix_(source, source)])
        groups = clusters(within, self._k)
        self._clusters = [Cluster(source[one], within[np.ix_(one, one)].mean() / 2.0) for one in groups]

    def _squares(self, distances: Floats) -> Floats:
        import numpy as np

        return np.asarray(4.0 * distances if self.metric == "cosine" else np.square(distances))


def clusters(squares: Floats, k: int) -> list[Indices]:
    """Squared distances (n, n) -> the members of at most k clusters, by Lloyd's algorithm."""
    import numpy as np

    if not len(squares):
        return []
    seeds = [int(squares.sum(axis=1).argmin())]
    while len(seeds) < k and (gap := squares[seeds].min(axis=0)).max() > 0:
        seeds.append(int(gap.argmax()))
    label = squares[seeds].argmin(axis=0)
    for _ in range(ITERATIONS):
        groups = [np.flatnonzero(label == one) for one in np.unique(label)]
        spread = [squares[np.ix_(one, one)].mean() / 2.0 for one in groups]
        to_means = [Cluster(*one).squares(squares) for one in zip(groups, spread, strict=True)]
        before, label = np.unique(label, return_inverse=True)[1], np.argmin(to_means, axis=0)
        if np.array_equal(before, label):
            break
    return groups


@hookimpl
def register_scorers(register: Callable[[str, Callable[..., object]], None]) -> None:
    """Offer ``kmeans``."""
    register("kmeans", KMeans)
