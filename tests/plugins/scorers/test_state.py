"""Every bundled scorer gives its state out and scores to the same bits with it: in a new process, through a file."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import warnings
from typing import Any

import numpy as np
import pytest

import asdcore
from asdcore import DataError
from asdcore.contract.plugins import installed
from asdcore.store.fitted_state import pack, read_state, write_state

EVERY = ["pooled", "source", "target"]
BUNDLED = sorted(name for name, plugin in installed().components("scorer").items() if plugin.distribution == "asdcore")
PARAMETERS: dict[str, list[dict[str, Any]]] = {
    "aldn": [{"k": 6}],
    "autoencoder": [
        *({"frames": 2, "epochs": 1, "score": score} for score in ("mse", "mahalanobis", "mahalanobis_paper")),
        {"frames": 3, "epochs": 1, "predicts": "middle"},
        {"frames": 2, "epochs": 1, "predicts": "last", "score": "mahalanobis_paper"},
    ],
    "beam": [{"bands": 4}, {"bands": 4, "varmin": 3, "metric": "euclidean"}],
    "ced": [{"k": 6, "among": "domain"}],
    "deep_svdd": [{"epochs": 2, "references": EVERY}],
    "gmm": [{"references": EVERY}],
    "isolation_forest": [{"trees": 10, "references": EVERY}],
    "kmeans": [{"k": 4}, {"k": 4, "metric": "euclidean", "references": ["target"]}],
    "knn": [{}, {"k": 3, "metric": "euclidean", "references": ["target", "pooled"]}],
    "ldn": [{"k": 4, "root": True}, {"variant": "difference", "metric": "euclidean", "references": ["source"]}],
    "linear_autoencoder": [
        {"components": 3, "stacked": 2, "references": EVERY, "score": score}
        for score in ("mse", "mahalanobis", "mahalanobis_paper")
    ],
    "lof": [{"k": 4}],
    "mahalanobis": [{"references": EVERY, "covariance": way} for way in ("reference", "selective", "tied")],
    "memmixup": [{}, {"k": 2, "k_source": 3, "metric": "cosine"}],
    "normal_relation": [{"context": 1, "references": EVERY}],
    "ocsvm": [{"nu": 0.3, "references": EVERY}],
    "padim": [{"channels": 4, "bands": 4, "top": 0.2, "references": EVERY}],
    "patchcore": [{"fraction": 0.2, "references": EVERY}, {"fraction": 0.1, "b": 0}],
    "pca_residual": [{"components": 4, "references": EVERY}],
    "smote_knn": [{"ratio": 1.0, "seed": 3}],
    "temporal": [{"window": 2, "hop": 1, "pool": "top", "share": 0.5}],
}
"""How each scorer is built; as it comes, if it is not here."""

RESTORE = """
import json, sys
from pathlib import Path
import numpy as np
import asdcore
from asdcore.store.fitted_state import pack, read_state

folder = Path(sys.argv[1])
for label, (name, parameters, kind) in json.loads((folder / "cases.json").read_text()).items():
    clips = dict(np.load(folder / f"{kind}.npz"))
    kept = read_state(folder / f"{label}.safetensors")
    scorer = asdcore.load_scorer(name, **parameters).restore(kept.state)
    assert pack(scorer.state(), kept.about) == (folder / f"{label}.safetensors").read_bytes(), label
    if "distances" in label:
        apart = asdcore.distances(clips["test"], clips["train"], scorer.metric)
        scores = {"many": scorer.score_distances(apart), "one": scorer.score_distances(apart[3:4])}
    else:
        scores = {"many": scorer.score(clips["test"]), "one": scorer.score(clips["test"][3:4])}
    rows = {f"{count} {name}": row for count, by_name in scores.items() for name, row in by_name.items()}
    np.savez(folder / f"{label}.scores.npz", **rows)
"""


def clips(kind: str) -> dict[str, Any]:
    """Train normals, their domains, and test clips."""
    rng = np.random.default_rng(7)
    domain = rng.permutation(np.array(["source"] * 30 + ["target"] * 10))
    train, test = rng.normal(size=(40, 96)) + 0.5 * (domain == "target")[:, None], rng.normal(size=(8, 96))
    if kind == "frames":
        train, test = (
            rows.reshape(-1, 1, 4, 24) + 0.5 * rng.normal(size=(len(rows), 7, 4, 24)) for rows in (train, test)
        )
    return {"train": train.astype(np.float32), "domain": domain, "test": test.astype(np.float32)}


def cases() -> dict[str, tuple[str, dict[str, Any], str]]:
    return {
        f"{name}-{place}-{kind}": (name, parameters, kind)
        for name in BUNDLED
        for place, parameters in enumerate(PARAMETERS.get(name, [{}]))
        for kind in ("pooled", "frames")
    }


CLIPS = {kind: clips(kind) for kind in ("pooled", "frames")}
CASES = cases()


def fitted(label: str) -> Any:
    """Return the fitted scorer, or None if it does not read such features."""
    name, parameters, kind = CASES[label]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return asdcore.load_scorer(name, **parameters).fit(CLIPS[kind]["train"], CLIPS[kind]["domain"])
        except DataError:
            return None


def built(label: str) -> Any:
    name, parameters, _ = CASES[label.removesuffix("-distances")]
    return asdcore.load_scorer(name, **parameters)


@pytest.fixture(scope="module")
def scorers(tmp_path_factory):
    """Return the fitted scorers, those on distances too, and a folder of their states and what these score."""
    folder = tmp_path_factory.mktemp("states")
    scorers = {label: scorer for label in CASES if (scorer := fitted(label)) is not None}
    for label in [label for label, scorer in scorers.items() if hasattr(scorer, "fit_distances")]:
        train, scorer = CLIPS[CASES[label][2]], built(label)
        apart = asdcore.distances(train["train"], train["train"], scorer.metric)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scorers[f"{label}-distances"] = scorer.fit_distances(apart, train["domain"])
    for kind, rows in CLIPS.items():
        np.savez(folder / f"{kind}.npz", **rows)
    for label, scorer in scorers.items():
        write_state(folder / f"{label}.safetensors", scorer.state(), {"scorer": label})
    asked = {label: CASES[label.removesuffix("-distances")] for label in scorers}
    (folder / "cases.json").write_text(json.dumps(asked))
    subprocess.run([sys.executable, "-c", RESTORE, str(folder)], check=True)
    return scorers, folder


def test_every_bundled_scorer_gives_its_state_out_and_takes_it_back():
    without = [
        name for name in BUNDLED for part in ("state", "restore") if not hasattr(asdcore.load_scorer(name), part)
    ]
    assert not without, f"these have no fitted state: {without}"


def test_every_bundled_scorer_is_among_the_cases(scorers):
    assert {CASES[label.removesuffix("-distances")][0] for label in scorers[0]} == set(BUNDLED)


@pytest.mark.parametrize("name", ["ldn", "lof", "kde", "memmixup"])
def test_the_state_does_not_tell_whether_a_bank_was_measured_or_searched(name, monkeypatch):
    rows = CLIPS["pooled"]
    measured = asdcore.load_scorer(name).fit(rows["train"], rows["domain"])
    monkeypatch.setattr("asdcore_plugins.scorers.bases.distance.DISTANCE_BYTES", 0)
    searched = asdcore.load_scorer(name).fit(rows["train"], rows["domain"])
    assert pack(searched.state(), {}) == pack(measured.state(), {})


@pytest.mark.parametrize("name", BUNDLED)
class TestState:
    """Of one scorer, in all its cases."""

    @pytest.fixture
    def states(self, name, scorers):
        """(label, fitted scorer, its file) of each case."""
        fitted, folder = scorers
        return [
            (label, scorer, folder / f"{label}.safetensors")
            for label, scorer in fitted.items()
            if label.startswith(f"{name}-")
        ]

    def test_a_new_process_scores_to_the_same_bits(self, states):
        for label, scorer, file in states:
            test = CLIPS[label.split("-")[2]]["test"]
            if label.endswith("distances"):
                train = CLIPS[label.split("-")[2]]["train"]
                test, score = asdcore.distances(test, train, scorer.metric), scorer.score_distances
            else:
                score = scorer.score
            wanted = {f"many {name}": row for name, row in score(test).items()}
            wanted |= {f"one {name}": row for name, row in score(test[3:4]).items()}
            there = dict(np.load(file.with_suffix(".scores.npz")))
            assert list(there) == list(wanted), label
            for name, row in wanted.items():
                assert there[name].tobytes() == row.tobytes(), (label, name)

    def test_restored_it_gives_the_same_state(self, states):
        for label, scorer, file in states:
            assert pack(built(label).restore(scorer.state()).state(), {}) == pack(scorer.state(), {})
            assert pack(built(label).restore(read_state(file).state).state(), {}) == pack(scorer.state(), {})

    def test_an_array_may_lie_anywhere_in_memory(self, states):
        for label, scorer, _ in states:
            if not label.endswith("distances"):
                test = CLIPS[label.split("-")[2]]["test"]
                moved = built(label).restore(changed(scorer.state(), elsewhere))
                for name, row in scorer.score(test).items():
                    assert moved.score(test)[name].tobytes() == row.tobytes(), (label, name)

    def test_whoever_changes_a_state_changes_no_scorer(self, states):
        for label, scorer, _ in states:
            before = pack(scorer.state(), {})
            state = changed(scorer.state(), np.copy)
            restored = built(label).restore(state)
            for key, array in arrays(state):
                array[...] = 1
                with pytest.raises(ValueError, match="read-only"):
                    dict(arrays(scorer.state()))[key][...] = 1
            assert pack(restored.state(), {}) == before

    def test_another_fit_changes_no_state(self, states):
        for label, scorer, file in states:
            if not label.endswith("distances"):
                restored, kind = built(label).restore(read_state(file).state), label.split("-")[2]
                state = restored.state()
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    restored.fit(CLIPS[kind]["train"][5:] + 1.0, CLIPS[kind]["domain"][5:])
                assert pack(state, {}) == pack(scorer.state(), {})
                assert pack(restored.state(), {}) != pack(state, {})

    def test_train_normals_left_out_need_a_fit(self, states):
        for label, scorer, _ in states:
            if hasattr(scorer, "score_left_out"):
                restored = built(label).restore(scorer.state())
                with pytest.raises(
                    DataError, match=r"was restored from its state, which .* fit it to score train normals"
                ):
                    restored.score_left_out()

    def test_the_state_takes_no_more_than_what_scores(self, states):
        for label, scorer, file in states:
            train, name = CLIPS[label.split("-")[2]]["train"], label.split("-")[0]
            assert file.stat().st_size <= MODELS.get(name, MULTIPLE * train.nbytes)
            shapes = [array.shape for _, array in arrays(scorer.state())]
            assert (len(train), len(train)) not in shapes

    def test_before_a_fit_there_is_no_state(self, states):
        for label, _, _ in states:
            with pytest.raises(DataError, match="no train normals yet"):
                built(label).state()

    def test_another_state_is_refused_and_leaves_it_without_a_fit(self, states):
        for label, scorer, _ in states:
            refusal = rf"^this is not the state of a {scorer.name} with these parameters"
            for bad in spoiled(scorer.state()):
                with pytest.raises(DataError, match=refusal):
                    built(label).restore(bad)
            restored = built(label).restore(scorer.state())
            with pytest.raises(DataError, match=refusal):
                restored.restore({})
            with pytest.raises(DataError, match="no train normals yet"):
                restored.state()

    def test_an_array_of_another_length_is_refused_or_scored(self, states):
        """A length that nothing else depends on, as the number of components, may be any."""
        for label, scorer, _ in states:
            test, damaged = CLIPS[label.split("-")[2]]["test"], list(other_lengths(scorer.state()))
            assert damaged
            for bad in damaged:
                with contextlib.suppress(DataError):
                    restored = built(label).restore(bad)
                    if not label.endswith("distances"):
                        rows = restored.score(test)
                        assert rows
                        assert all(row.shape == (len(test),) for row in rows.values())


MULTIPLE = 5
"""Times the bytes of the train features that a state may take. Bases of one Gaussian for all and one for each domain
hold each train normal twice, in double precision."""

MODELS = {"autoencoder": 1_200_000, "deep_svdd": 3_000_000, "isolation_forest": 100_000}
"""Bytes that the state of a network or of trees may take: its size does not follow from that of the train features."""


def arrays(state, path=""):
    for key, value in state.items():
        if isinstance(value, dict):
            yield from arrays(value, f"{path}{key}/")
        elif isinstance(value, np.ndarray):
            yield f"{path}{key}", value


def changed(state, change):
    """Return the state with each array changed."""
    return {
        key: changed(value, change)
        if isinstance(value, dict)
        else change(value)
        if isinstance(value, np.ndarray)
        else value
        for key, value in state.items()
    }


def elsewhere(array):
    """Return an array that begins at no round address, as in the middle of a file."""
    room = np.empty(array.nbytes + 256, np.uint8)
    start = -room.ctypes.data % 128 + 128 + array.itemsize
    moved = room[start : start + array.nbytes].view(array.dtype).reshape(array.shape)
    moved[...] = array
    moved.flags.writeable = False
    return moved


def leaves(state, path=()):
    for key, value in state.items():
        if isinstance(value, dict):
            yield from leaves(value, (*path, key))
        else:
            yield (*path, key), value


def with_value(state, path, *value):
    """Return the state with another value at a path, or without it."""
    first, *rest = path
    if rest:
        return {**state, first: with_value(state[first], rest, *value)}
    return {**state, first: value[0]} if value else {key: kept for key, kept in state.items() if key != first}


def spoiled(state):
    """States that lack a value, have one more, or one of another kind."""
    yield {**state, "another": 1}
    yield {}
    for path, value in leaves(state):
        if path[-1] not in EVERY:  # a reference with too few train normals is not there
            yield with_value(state, path)
        yield with_value(state, path, "text")
        if isinstance(value, np.ndarray):
            yield with_value(state, path, value[None])
            yield with_value(state, path, value.astype(np.complex64))
        if isinstance(value, int) and not isinstance(value, bool):
            yield with_value(state, path, -value - 1)
        if isinstance(value, list):
            yield with_value(state, path, [*value, *value, *value, *value])


def other_lengths(state):
    """States in which one array has its last row, column, ... twice, or lacks it."""
    for path, value in leaves(state):
        if isinstance(value, np.ndarray):
            for axis in range(value.ndim):
                last = value.take([-1], axis=axis)
                yield with_value(state, path, np.concatenate([value, last], axis=axis))
                yield with_value(state, path, value.take(range(value.shape[axis] - 1), axis=axis))
