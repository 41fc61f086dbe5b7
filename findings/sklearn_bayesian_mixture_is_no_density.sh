#!/usr/bin/env bash
# BayesianGaussianMixture.score_samples is the logarithm of no density: of 20 rows in 16 dimensions its integral is 0.07.
#
# Versions: scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6 (Python 3.11).
# Expected: "Compute the log-likelihood of each sample", in the words of GaussianMixture, whose method it is: the integral of
#           its exp is 1, and two models, or two machines, are compared by it.
# Seen:     It is a number of the variational fit: the expectation of each component's logarithm over what is not known of
#           its mean and precision, which lies below that of its Gaussian. The fewer rows a component has, the lower: with 20
#           in 16 dimensions by 2.7 nats. So a machine with fewer recordings has more anomalous scores on sound that fits as
#           well, and a rare component counts for less than weights_, means_ and covariances_ say. scipy.stats'
#           multivariate_normal of these three is the density.
# Output (one component; integral of exp(score_samples)):
#   dimensions   20 rows    50 rows   200 rows  1000 rows
#            1     0.909      0.961      0.990      0.998
#            4     0.694      0.857      0.961      0.992
#           16     0.067      0.271      0.692      0.927
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check scikit-learn==1.9.1 scipy==1.17.1 numpy==2.4.6 || exit 2
venv/bin/python -W error - <<'PY'
import numpy as np
from scipy.stats import multivariate_normal
from sklearn.mixture import BayesianGaussianMixture, GaussianMixture


def integral(model):
    """Integral of exp(score) for one component, which differs from its own Gaussian by a constant."""
    gaussian = multivariate_normal(model.means_[0], model.covariances_[0])
    drawn = gaussian.rvs(1000, random_state=0).reshape(1000, -1)
    ratios = model.score_samples(drawn) - gaussian.logpdf(drawn)
    assert np.ptp(ratios) < 1e-6
    return float(np.exp(ratios.mean()))


COUNTS = (20, 50, 200, 1000)
print("dimensions" + "".join(f"{count:6} rows" for count in COUNTS))
seen = {}
for dimensions in (1, 4, 16):
    for count in COUNTS:
        rows = np.random.default_rng(0).normal(size=(count, dimensions))
        seen[dimensions, count] = integral(BayesianGaussianMixture(max_iter=1000).fit(rows))
        assert abs(integral(GaussianMixture().fit(rows)) - 1) < 1e-6
    print(f"{dimensions:10}" + "".join(f"{seen[dimensions, count]:11.3f}" for count in COUNTS))
assert seen[16, 20] < 0.1 and seen[4, 20] < 0.8 and 0.8 < seen[1, 20] < 0.95 and 0.9 < seen[16, 1000] < 0.97
PY
