#!/usr/bin/env bash
# SMOTE of features stored as bytes makes samples far outside of the class: it steps away from the neighbour.
#
# Versions: imbalanced-learn 0.14.2, scikit-learn 1.9.1, scipy 1.17.1, numpy 2.4.6 (Python 3.11).
# Expected: A new sample of SMOTE lies between a sample and one of its nearest neighbours, so no feature leaves the range
#           of its class. Spectrograms and quantized embeddings are often kept as uint8 or int8, and the type is
#           preserved.
# Seen:     The difference to the neighbour is taken in that type. Of uint8 every negative difference becomes 256 more, so
#           half of the steps go up where they should go down, and over 255 around to 0. int8 is wrong where two
#           neighbours differ by more than 127, int16 where they differ by more than 32767. No warning, as numpy gives
#           none for arrays. Of integers that are wide enough the new values are cut off toward zero, which moves their
#           mean by half a step. fit_resample(X.astype(float), y) avoids both.
# Output (class of 20 between 90 and 110; 180 new samples):
#             new values outside of the range of the class   their range    mean less that of floats
#   float64                                            0 %     90 to 110                       0.00
#   int32                                              0 %     90 to 109                      -0.46
#   int8                                               0 %     90 to 109                      -0.46
#   uint8                                             49 %      0 to 255                      14.44
# Exit:     0 seen again, 1 it has changed, 2 the packages could not be installed.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
python3 -m venv venv
venv/bin/pip install -q --no-compile --disable-pip-version-check imbalanced-learn==0.14.2 scikit-learn==1.9.1 scipy==1.17.1 \
    numpy==2.4.6 || exit 2
venv/bin/python - <<'PY'
import numpy as np
from imblearn.over_sampling import SMOTE

rng = np.random.default_rng(0)
is_rare = np.repeat([0, 1], [200, 20])
values = np.concatenate([rng.integers(0, 50, (200, 8)), rng.integers(90, 111, (20, 8))])


def new_samples(features):
    resampled, _ = SMOTE(k_neighbors=3, random_state=0).fit_resample(features, is_rare)
    assert resampled.dtype == features.dtype and len(resampled) == 400
    return resampled[220:].astype(np.float64)


exact = new_samples(values.astype(np.float64))
least, most = values[200:].min(axis=0), values[200:].max(axis=0)
print("          new values outside of the range of the class   their range    mean less that of floats")
for kind in ("float64", "int32", "int8", "uint8"):
    new = new_samples(values.astype(kind))
    outside = ((new < least) | (new > most)).mean()
    shift = new.mean() - exact.mean()
    print(f"{kind:10}{100 * outside:42.0f} %{new.min():7.0f} to {new.max():.0f}{shift:27.2f}")
    if kind == "uint8":
        assert outside > 0.2 and new.max() > 200
    else:
        assert outside == 0
        assert (shift == 0) if kind == "float64" else (-0.6 < shift < -0.3)
apart = np.repeat([[-100], [100]], [10, 10], axis=0) + rng.integers(0, 3, (20, 1))
far = np.concatenate([rng.integers(-5, 5, (200, 1)), apart[9:11], apart[9:11]]).astype(np.int8)
new = SMOTE(k_neighbors=3, random_state=0).fit_resample(far, np.repeat([0, 1], [200, 4]))[0][204:]
assert (np.abs(new.astype(int)) > 103).any()
PY
