"""The covariance of an autoencoder's residuals, from batches of them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from asdcore_plugins.scorers.bases.residuals import SMALLEST, no_variance


@dataclass
class ResidualCovariance:
    """The covariance of one domain's residuals, batch by batch.

    Parameters
    ----------
    width
        Values of a row.
    by_batch
        As in the official code: rows of one frame, each batch centred on its own mean.
    """

    width: int
    by_batch: bool
    vectors: int = 0
    freedom: int = 0
    power: float = 0.0
    total: Tensor | float = 0.0
    scatter: Tensor | float = 0.0

    def add(self, residuals: Tensor) -> None:
        """Add the residuals (n, D) of a batch."""
        if not len(residuals):
            return
        rows = residuals.reshape(-1, self.width)
        self.vectors, self.freedom = self.vectors + len(residuals), self.freedom + len(rows)
        self.power += float(residuals.square().sum())
        if self.by_batch:
            rows, self.freedom = rows - rows.mean(0), self.freedom - 1
        self.total, self.scatter = self.total + rows.sum(0), self.scatter + rows.T @ rows

    @property
    def enough(self) -> bool:
        """Whether the residuals suffice to span every dimension after their means are subtracted."""
        return self.vectors > 1 and self.freedom >= self.width + (not self.by_batch)

    def inverse(self, name: str) -> Tensor:
        """Return the inverse covariance (width, width); raise DataError if no direction has a variance."""
        scatter = torch.as_tensor(self.scatter)
        if not self.by_batch:
            scatter = scatter - torch.outer(torch.as_tensor(self.total), torch.as_tensor(self.total)) / self.vectors
        variances, directions = torch.linalg.eigh(scatter / (self.vectors - 1))
        # Equal residuals differ by rounding, which must not pass for a variance.
        if not variances[-1] > SMALLEST * self.power / self.vectors:
            raise no_variance(name)
        inverse: Tensor = (directions / variances.clamp(min=SMALLEST * variances[-1])) @ directions.T
        return inverse
