"""What scorers on the residuals of an autoencoder share: names of scores, and the refusal of a covariance."""

from __future__ import annotations

from asdcore import DataError

SCORES = ("mse", "mahalanobis", "mahalanobis_paper")

SMALLEST = 1e-12
"""The smallest variance, relative to the largest; a smaller one, as of a band that is always silent, counts as this."""


def no_variance(domain: str) -> DataError:
    """Return the error that the residuals of a domain vary in no direction."""
    return DataError(
        f"all {domain} train normals leave the same residuals, so no direction has a variance: they may be "
        "silent, or one clip repeated. Repair them, or take score 'mse'"
    )
