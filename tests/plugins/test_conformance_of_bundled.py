"""Every bundled view, encoder, scorer, normalizer and guard passes every conformance check, however it is built."""

from __future__ import annotations

import functools
from pathlib import Path

import pytest

import asdcore
from asdcore.contract.plugins import installed
from asdcore.testing import checks

BUNDLED = {
    "view": (
        asdcore.load_view,
        [("near", {}), ("far", {}), ("mean", {}), ("w1", {}), ("w1", {"n_fft": 512, "hop": 128})],
    ),
    "encoder": (
        asdcore.load_encoder,
        [("logmel", {}), ("logmel", {"log": False, "power": 1.0}), ("logmel", {"n_mels": 32, "sample_rate": 8000})],
    ),
    "scorer": (
        asdcore.load_scorer,
        [
            ("knn", {}),
            ("knn", {"metric": "euclidean"}),
            ("knn", {"k": 3}),
            ("knn", {"k": 3, "metric": "euclidean", "references": ["target"]}),
            ("mahalanobis", {}),
            ("mahalanobis", {"references": ["pooled", "source", "target"]}),
        ],
    ),
    "normalizer": (
        asdcore.load_normalizer,
        [
            ("median_iqr", {}),
            ("median_iqr", {"shrinkage": 0}),
            ("median_iqr", {"scope": "pooled"}),
            *(("ecdf", {"scope": s, "output": o}) for s in ("pooled", "domain_min") for o in ("probability", "normal")),
        ],
    ),
    "guard": (
        asdcore.load_guard,
        [
            ("tail", {"support": "near_knn"}),
            ("tail", {"support": "eat_knn", "quantile": 0.5, "support_quantile": 0.99}),
        ],
    ),
}


def cases():
    for kind, (load, components) in BUNDLED.items():
        for name, parameters in components:
            shown = ",".join(f"{key}={value}" for key, value in parameters.items())
            for check_name, check in checks(kind).items():
                run = functools.partial(check, functools.partial(load, name, **parameters))
                yield pytest.param(run, id=f"{kind}-{name}({shown})-{check_name}")


@pytest.mark.parametrize("check", list(cases()))
def test_conforms(check):
    check()


@pytest.mark.parametrize("kind", list(BUNDLED))
def test_no_bundled_component_is_forgotten(kind):
    known = installed()
    bundled = {name: one for name, one in known.components(kind).items() if one.distribution == "asdcore"}
    # What needs a checkpoint is checked beside its other tests, where a tiny one is made.
    here = {name for name, _ in BUNDLED[kind][1]}
    elsewhere = {name: one for name, one in bundled.items() if known.needed(one) and name not in here}
    assert bundled.keys() - elsewhere.keys() == here
    for name, one in elsewhere.items():
        tests = Path(__file__).parent / f"{kind}s" / f"test_{one.source.stem}.py"
        assert "asdcore.testing" in tests.read_text(), f"{tests} does not check {name} for conformance"
