"""Student's t distribution, for any degrees of freedom.

The quantiles that an interval of 95 % needs stand in a table, as in a book: SciPy computes the others, and takes longer
to come than all intervals of an evaluation.

References
----------
Student, "The probable error of a mean", Biometrika 6, 1908.
"""

from __future__ import annotations

from statistics import NormalDist

AS_NORMAL = 1e6
"""Degrees of freedom from which Student's t is the normal distribution."""

TABLED = 0.975
"""The share that lies below the upper end of an interval of 95 %."""
# fmt: off
TABLE = (
    12.706204736174694, 4.302652729749462, 3.1824463052837078, 2.7764451051977934, 2.5705818356363146,
    2.4469118511449786, 2.364624251592784, 2.306004135204166, 2.262157162798205, 2.228138851986274,
    2.200985160091639, 2.1788128296672284, 2.1603686564627913, 2.144786687917804, 2.131449545559776,
    2.1199052992212546, 2.1098155778333156, 2.1009220402410382, 2.0930240544083087, 2.085963447265864,
    2.0796138447276795, 2.0738730679040254, 2.0686576104190486, 2.0638985616280245, 2.0595385527532972,
    2.0555294386428735, 2.0518305164802846, 2.0484071417952454, 2.045229642132703, 2.0422724563012378,
)
# fmt: on
"""The quantiles of this share for 1, 2, 3 and more degrees of freedom, by ``scipy.special.stdtrit`` of SciPy 1.17."""


def student_quantile(share: float, degrees: float) -> float:
    """Return the value that a share of the distribution lies below.

    Parameters
    ----------
    share : float
        In (0, 1).
    degrees : float
        Degrees of freedom, above 0; from 1e6 on, infinity included, the distribution is the normal one.

    Returns
    -------
    float

    Examples
    --------
    >>> round(student_quantile(0.975, 15), 3), round(student_quantile(0.975, float("inf")), 3)
    (2.131, 1.96)
    """
    if degrees >= AS_NORMAL:
        return NormalDist().inv_cdf(share)
    if share == TABLED and degrees in range(1, len(TABLE) + 1):
        return TABLE[int(degrees) - 1]
    from scipy.special import stdtrit

    return float(stdtrit(degrees, share))


def student_two_sided(t: float, degrees: float) -> float:
    """Return the probability of a value at least as far from 0 as ``t``.

    degrees : as of :func:`student_quantile`.

    Examples
    --------
    >>> round(student_two_sided(2.131, 15), 3), student_two_sided(0.0, 15)
    (0.05, 1.0)
    """
    if degrees >= AS_NORMAL:
        return 2 * NormalDist().cdf(-abs(t))
    from scipy.special import stdtr

    return 2 * float(stdtr(degrees, -abs(t)))
