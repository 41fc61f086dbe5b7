"""Every bundled view, encoder, scorer, normalizer and guard passes every conformance check, however it is built."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import asdcore
from asdcore.contract.plugins import installed
from asdcore.testing import checks

DOMAINS = ("pooled", "domain_min")
NEW_PROCESS = "check_restores_in_a_new_process"
"""Made once for each component: other parameters find nothing more of what is left in classes, modules and files."""

HEARS_NOTHING = {"imported"}
"""Encoders whose features come from a file, by the digest of a recording: the checks of encoders have only sound."""

BUNDLED = {
    "view": (
        asdcore.load_view,
        [
            *((name, {}) for name in ("near", "far", "mean", "difference", "w1", "spectral_subtraction", "wiener")),
            ("stereo", {}),
            ("w1", {"n_fft": 512, "hop": 128}),
            ("spectral_subtraction", {"beta": 2.0, "floor": 0.0}),
            ("wiener", {"n_mels": 16, "alpha": 0.5, "percentile": 0.0, "n_fft": 512, "hop": 256}),
        ],
    ),
    "encoder": (
        asdcore.load_encoder,
        [
            ("logmel", {}),
            ("logmel", {"log": False, "power": 1.0}),
            ("logmel", {"n_mels": 32, "sample_rate": 8000}),
            ("melspec", {}),
            ("melspec", {"n_mels": 32, "sample_rate": 8000, "seconds": 2.5}),
            ("coherence", {}),
            ("coherence", {"n_bands": 4, "sample_rate": 8000, "n_fft": 256, "hop": 64, "seconds": 0.25}),
            ("stereo_logmel", {}),
            ("stereo_logmel", {"n_mels": 16, "sample_rate": 8000, "n_fft": 256, "hop": 64, "seconds": 0.1}),
            ("embedding_residual", {"of": "melspec"}),
            ("embedding_residual", {"of": {"name": "logmel", "n_mels": 32, "sample_rate": 8000}, "alpha": 1.0}),
            ("psd_shape", {}),
            ("psd_shape", {"sample_rate": 8000, "n_fft": 1024, "n_bands": 24, "low": 50.0}),
            ("modulation", {}),
            ("modulation", {"n_mels": 8, "n_fft": 512, "hop": 160, "high": 50.0, "seconds": 2.0}),
        ],
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
            ("ldn", {}),
            ("ldn", {"k": 4, "root": True}),
            ("ldn", {"variant": "difference", "k": 4, "r": 0.9, "metric": "euclidean"}),
            ("ldn", {"among": "domain", "k": {"source": 16, "target": 9}, "scale": "sum"}),
            ("varmin", {}),
            ("varmin", {"k": 1, "log": True}),
            ("varmin", {"among": "domain", "metric": "euclidean"}),
            ("aldn", {}),
            ("ced", {}),
            ("ced", {"among": "domain", "k": 8}),
            ("smote_knn", {}),
            ("smote_knn", {"k": 3, "ratio": 1.0, "metric": "euclidean"}),
            ("normal_relation", {}),
            ("normal_relation", {"context": 0, "bands": 2, "components": 1, "references": ["target", "source"]}),
            ("memmixup", {}),
            ("memmixup", {"k": 3, "k_source": 5, "metric": "cosine"}),
            ("kmeans", {}),
            ("kmeans", {"k": 4, "metric": "euclidean"}),
            ("beam", {}),
            ("beam", {"bands": 4, "reduce": "max", "metric": "euclidean"}),
            ("beam", {"bands": 4, "varmin": 4}),
            ("temporal", {}),
            ("temporal", {"window": 2, "hop": 1, "pool": "top", "share": 0.5, "metric": "euclidean"}),
            ("patchcore", {}),
            ("patchcore", {"fraction": 0.1, "b": 0, "references": ["pooled", "source", "target"]}),
            ("lof", {}),
            ("lof", {"k": 4, "metric": "euclidean"}),
            ("kde", {}),
            ("kde", {"metric": "cosine", "width": 2.0}),
            (
                "mahalanobis",
                {"references": ["pooled", "source", "target"], "covariance": "selective", "shrinkage": 0.1},
            ),
            ("mahalanobis", {"references": ["pooled", "source", "target"], "covariance": "tied"}),
            ("mahalanobis", {"covariance": "tied", "shrinkage": "oas"}),
            ("gmm", {}),
            ("gmm", {"components": 1, "references": ["pooled", "source", "target"]}),
            ("pca_residual", {}),
            ("pca_residual", {"components": 4, "references": ["pooled", "source", "target"]}),
            ("ocsvm", {}),
            ("ocsvm", {"nu": 0.5, "references": ["pooled", "source", "target"]}),
            ("isolation_forest", {"trees": 20, "references": ["pooled", "source", "target"]}),
            ("padim", {"channels": 5, "references": ["pooled", "source", "target"]}),
            ("padim", {"bands": 4, "top": 0.5}),
            ("autoencoder", {"epochs": 2}),
            ("autoencoder", {"epochs": 2, "score": "mahalanobis", "predicts": "middle", "frames": 3}),
            ("autoencoder", {"epochs": 2, "score": "mahalanobis_paper", "frames": 1}),
            ("linear_autoencoder", {"stacked": 3, "references": ["pooled", "source", "target"]}),
            ("linear_autoencoder", {"stacked": 3, "score": "mahalanobis", "references": ["pooled", "target"]}),
            ("linear_autoencoder", {"stacked": 1, "score": "mahalanobis_paper"}),
            ("deep_svdd", {"epochs": 2, "references": ["pooled", "source", "target"]}),
        ],
    ),
    "normalizer": (
        asdcore.load_normalizer,
        [
            ("median_iqr", {}),
            ("median_iqr", {"shrinkage": 0}),
            *(("median_iqr", {"scope": scope}) for scope in ("pooled", "source", "target", "domain_soft")),
            ("mean_std", {}),
            ("mean_std", {"scope": "domain_soft", "temperature": 0.1}),
            ("mad", {}),
            ("qn", {}),
            ("domain_z", {}),
            ("domain_z", {"shrinkage": 0}),
            ("median_ratio", {}),
            ("median_ratio", {"scope": "pooled"}),
            *(("ecdf", {"scope": s, "output": o}) for s in ("pooled", "domain_min") for o in ("probability", "normal")),
            ("ecdf", {"scope": "target", "output": "surprise", "shrinkage": 0}),
            *(("conformal", {"scope": s, "output": o}) for s in DOMAINS for o in ("probability", "surprise")),
            *(("gamma", {"scope": s, "output": o}) for s in DOMAINS for o in ("probability", "surprise")),
            *(("gpd", {"scope": s, "output": o}) for s in DOMAINS for o in ("probability", "normal", "surprise")),
            ("gpd", {"threshold": 0.5, "scope": "target"}),
        ],
    ),
    "guard": (
        asdcore.load_guard,
        [
            ("tail", {"support": "near_knn"}),
            ("tail", {"support": "eat_knn", "quantile": 0.5, "support_quantile": 0.99}),
            ("tail_calibration", {}),
            ("tail_calibration", {"quantile": 0.5}),
            ("channel_disagreement", {"branches": ["near_knn", "far_knn"]}),
            ("channel_disagreement", {"branches": ["a", "b", "c"], "quantile": 0.5, "disagreement_quantile": 0.3}),
            ("target_proximity", {"support": "eat_knn", "proximity": "near_knn"}),
            ("target_proximity", {"support": "a", "proximity": "b", "quantile": 0.5, "proximity_quantile": 0.99}),
        ],
    ),
}


def cases():
    for kind, (load, components) in BUNDLED.items():
        begun = set()
        for name, parameters in components:
            shown = ",".join(f"{key}={value}" for key, value in parameters.items())
            names = [check for check in checks(kind) if check != NEW_PROCESS or name not in begun]
            yield pytest.param(kind, functools.partial(load, name, **parameters), names, id=f"{kind}-{name}({shown})")
            begun.add(name)


FORKING = """
import json, os, sys
import scipy.stats, sklearn.cluster, sklearn.ensemble, sklearn.mixture, sklearn.neighbors, sklearn.svm, torch
from asdcore.authoring.conformance.restoring.new_process import main

for line in sys.stdin:
    folder, place, variables = json.loads(line)
    if not (child := os.fork()):
        os.environ.clear()
        os.environ.update(variables)
        sys.path[:0] = variables["PYTHONPATH"].split(os.pathsep)
        sys.argv = ["", folder]
        os.chdir(place)
        main()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module", autouse=True)
def forked():
    """Let new processes be forks of one that has imported the libraries, and has seen nothing fitted."""
    command = [sys.executable, "-c", FORKING]
    with (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process,
        pytest.MonkeyPatch.context() as patch,
    ):

        def run(command, *, cwd, env, **_):
            print(json.dumps([command[-1], str(cwd), env]), file=process.stdin, flush=True)
            return subprocess.CompletedProcess(command, int(process.stdout.readline()), "", "")

        patch.setattr(
            "asdcore.authoring.conformance.restoring.new_process.subprocess",
            SimpleNamespace(**{**vars(subprocess), "run": run}),
        )
        yield


@pytest.mark.parametrize(("kind", "make", "names"), list(cases()))
def test_conforms(kind, make, names):
    """All checks in one test: pytest takes longer to begin and end a test than most checks take."""
    failures = []
    for name in names:
        try:
            checks(kind)[name](make)
        except Exception as failure:
            failure.add_note(f"by {name}")
            failures.append(failure)
    if failures:
        raise ExceptionGroup(f"{len(failures)} of {len(names)} checks fail", failures)


@pytest.mark.parametrize("kind", list(BUNDLED))
def test_no_bundled_component_is_forgotten(kind):
    known = installed()
    bundled = {name: one for name, one in known.components(kind).items() if one.distribution == "asdcore"}
    # What needs a checkpoint is checked beside its other tests, where a tiny one is made.
    here = {name for name, _ in BUNDLED[kind][1]}
    elsewhere = {name: one for name, one in bundled.items() if known.needed(one) and name not in here}
    assert bundled.keys() - elsewhere.keys() == here
    for name in elsewhere.keys() - HEARS_NOTHING:
        tests = Path(__file__).parent / f"{kind}s" / f"test_{elsewhere[name].source.stem}.py"
        assert "asdcore.testing" in tests.read_text(), f"{tests} does not check {name} for conformance"


@pytest.mark.parametrize("kind", ["scorer", "normalizer", "guard"])
def test_every_bundled_component_that_is_fitted_has_a_state(kind):
    load, components = BUNDLED[kind]
    built = {name: load(name, **parameters) for name, parameters in components}
    assert [name for name, component in built.items() if not hasattr(component, "state")] == []
    assert [name for name, component in built.items() if not hasattr(component, "restore")] == []
