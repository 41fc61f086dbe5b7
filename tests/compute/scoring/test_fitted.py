"""A scorer's state is kept once, brought back instead of fitting again, and refused if it scores otherwise."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import pytest

from asdcore.components.build import build
from asdcore.compute.scoring.fitted import Model, bring_back, fit_and_keep, fit_once
from asdcore.compute.scoring.scoring import Cell, Work
from asdcore.errors import DataError, PluginError, StoreError
from asdcore.store.cache import Store
from asdcore.store.fitted_state import pack, read_state, write_state

TRAIN, TEST = tuple("abcdefgh"), tuple("xyz")


class Mean:
    """Distance to the mean of the train normals, and to that of the target domain."""

    fits = 0

    def fit(self, features, domain):
        type(self).fits += 1
        self.means = {"pooled": features.mean(axis=0, dtype=float)}
        self.means["target"] = features[domain == "target"].mean(axis=0, dtype=float)
        return self

    def score(self, features):
        return {name: np.linalg.norm(features - mean, axis=1) for name, mean in self.means.items()}


class Remembering(Mean):
    def state(self):
        return {"means": self.means}

    def restore(self, state):
        self.means = dict(state["means"])
        return self


class Rounding(Remembering):
    def state(self):
        return {"means": {name: mean.round(2) for name, mean in self.means.items()}}


class Losing(Remembering):
    def state(self):
        return {"means": {"pooled": self.means["pooled"]}}


class Refusing(Remembering):
    def restore(self, state):
        raise KeyError("centre")


class Forgetful(Remembering):
    def restore(self, state):
        super().restore(state)


class Nothing(Remembering):
    def state(self):
        return None


class Wordy(Remembering):
    def state(self):
        return {"means": self.means, "note": np.array(["a"])}


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    rng = np.random.default_rng(0)
    features = Store(tmp_path).features({"kind": "features"})
    features.write([*TRAIN, *TEST], list(rng.normal(size=(len(TRAIN) + len(TEST), 5)).astype(np.float32)))
    domain = ("source",) * 5 + ("target",) * 3
    return Cell((((features.folder, 1.0),),), TRAIN, domain, TEST)


@pytest.fixture
def model(tmp_path: Path) -> Model:
    return Model(tuple(range(len(TRAIN))), Store(tmp_path).fitted_path({"kind": "fitted"}))


def scores_of(work: Work, scorer: object, model: Model) -> dict[str, bytes]:
    scores = work.tested(scorer, model.fitted, model.fitted[:1])
    return {name: values.tobytes() for name, values in scores.items()}


def test_a_scorer_is_fitted_once_and_then_brought_back(cell, model):
    work, Remembering.fits = Work("remembering", Remembering, cell), 0
    first = fit_once(work, model)
    again = fit_once(work, model)
    assert Remembering.fits == 1
    assert scores_of(work, first, model) == scores_of(work, again, model)


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_scorer_of_distances_is_kept_without_its_bank(cell, model, metric):
    work = Work("knn", partial(build, "scorer", "knn", {"metric": metric}), cell)
    first = fit_and_keep(work, model)
    kept = read_state(model.path)
    assert kept.about["fitted_on"] == f"{metric} distances"
    if kept.about["restores"]:
        assert not any(np.ndim(value) == 2 for value in kept.state["state"].values())
    assert scores_of(work, first, model) == scores_of(work, bring_back(work, model).scorer, model)


def test_a_scorer_without_a_state_is_fitted_again_and_keeps_a_probe(cell, model):
    work, Mean.fits = Work("mean", Mean, cell), 0
    first = fit_once(work, model)
    back = bring_back(work, model)
    assert Mean.fits == 2
    assert {name: score.item() for name, score in back.then.items()} == read_state(model.path).state["probe"]
    assert back.then == back.now
    assert scores_of(work, first, model) == scores_of(work, back.scorer, model)


LYING = {
    Rounding: "scorer 'lying', brought back from its state, gives .* pooled score",
    Losing: "scorer 'lying', brought back from its state, gives .* target score None",
    Refusing: "scorer 'lying': it does not take back its state.*KeyError: 'centre'",
    Forgetful: "scorer 'lying': restore returned a NoneType; let it return self",
    Nothing: "scorer 'lying': its state is a NoneType; a table of keys is allowed",
}


@pytest.mark.parametrize("fit", [fit_once, fit_and_keep])
@pytest.mark.parametrize(("kind", "message"), LYING.items())
def test_a_state_that_does_not_restore_its_scorer_is_not_kept(cell, model, kind, message, fit):
    with pytest.raises(PluginError, match=message):
        fit(Work("lying", kind, cell), model)
    assert not model.path.exists()


def test_a_kept_state_that_lacks_something_is_noticed_by_the_probe(cell, model):
    work = Work("remembering", Remembering, cell)
    fit_once(work, model)
    kept = read_state(model.path)
    kept.state["state"] = {"means": {"pooled": kept.state["state"]["means"]["pooled"]}}
    write_state(model.path, kept.state, kept.about)
    with pytest.raises(PluginError, match="brought back from its state, gives .* target score None"):
        fit_once(work, model)


def test_a_state_of_a_kind_that_no_file_keeps_is_named_with_the_scorer(cell, model):
    with pytest.raises(PluginError, match="scorer 'wordy': its state has at 'state/note' an array of <U1"):
        fit_once(Work("wordy", Wordy, cell), model)
    assert not model.path.exists()


def test_a_scorer_whose_code_has_changed_keeps_nothing(cell, model):
    def changed() -> None:
        raise PluginError("its code changed")

    with pytest.raises(PluginError, match="its code changed"):
        fit_once(Work("remembering", Remembering, cell, changed), model)
    assert not model.path.exists()


def test_a_damaged_or_exchanged_file_is_refused_with_what_to_type(cell, model):
    work = Work("remembering", Remembering, cell)
    fit_once(work, model)
    kept = read_state(model.path)
    for content in (
        model.path.read_bytes()[:-1],
        pack(kept.state, {**kept.about, "name": "other"}),
        pack(kept.state, {**kept.about, "recipe": "0" * 64}),
        pack(kept.state, {**kept.about, "rows": 3}),
        *(
            pack(kept.state, {key: value for key, value in kept.about.items() if key != lost})
            for lost in ("restores", "fitted_on")
        ),
        pack({"state": kept.state["state"]}, kept.about),
    ):
        model.path.write_bytes(content)
        with pytest.raises(StoreError, match=rf"{model.path.name}.*Remove it with 'rm {model.path}' and run again"):
            fit_once(work, model)


def test_bundled_scorers_name_a_missing_part_of_their_state(cell, model):
    work = Work("mahalanobis", partial(build, "scorer", "mahalanobis", {}), cell)
    fit_and_keep(work, model)
    kept = read_state(model.path)
    if not kept.about["restores"]:
        pytest.skip("the bundled scorer has no state yet")
    for key in kept.state["state"]:
        less = {name: value for name, value in kept.state["state"].items() if name != key}
        write_state(model.path, {**kept.state, "state": less}, kept.about)
        with pytest.raises((PluginError, DataError), match=key):
            bring_back(work, model)
