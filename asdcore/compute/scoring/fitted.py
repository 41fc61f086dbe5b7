"""Keeps a fitted scorer in the store, and brings it back instead of fitting it again.

A file holds the scorer's state, and the features and scores of one train normal, its probe: what is brought back must
score the probe as what was kept did. A scorer without ``state`` is fitted again on the same train features; then the
file holds the probe's scores alone. The path follows from the recipe: features, train normals, scorer, code, libraries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asdcore.compute.recipes import framework_digest
from asdcore.compute.scoring.restoring import restored
from asdcore.compute.scoring.scoring import Rows, Scores, Work, score_alone
from asdcore.errors import PluginError, StoreError, located
from asdcore.store.disk.atomic import write_bytes
from asdcore.store.fitted_state import Kept, pack, read_state, unpack

FITTED_CODE = framework_digest(
    "compute/component_checks/checked_outputs.py",
    "compute/scoring/fitted.py",
    "compute/scoring/restoring.py",
    "compute/scoring/scoring.py",
    "data/features/distances.py",
    "store/fitted_state.py",
)
"""The digest of the code that fits scorers and keeps them, as this process has loaded it."""

AGREES = 2.0**-24
"""Relative difference of a probe's scores within which two processors' kernels may round."""


@dataclass(frozen=True)
class Model:
    """One fitted scorer: the train normals (rows of its cell) that it is fitted on, and the file that keeps it."""

    rows: tuple[int, ...]
    path: Path

    @property
    def fitted(self) -> Rows:
        """The rows as an array."""
        return np.array(self.rows, dtype=np.intp)

    @property
    def rows_in_short(self) -> int | list[int]:
        """The rows as a file keeps them: how many there are, if they are the first ones."""
        return list(self.rows) if self.rows != tuple(range(len(self.rows))) else len(self.rows)

    @property
    def probe(self) -> int:
        """The row of the train normal whose scores are kept with the state."""
        return self.rows[0]


@dataclass(frozen=True)
class Restored:
    """A scorer that scores as the one that was kept, and the scores of its probe, then and now."""

    scorer: Any
    then: Scores
    now: Scores


def fit_and_keep(work: Work, model: Model) -> Any:
    """Fit a scorer, and keep its state unless it is kept already."""
    scorer = work.fit(model.fitted)
    if not model.path.exists():
        keep(work, scorer, model)
    return scorer


def fit_once(work: Work, model: Model) -> Any:
    """Return a scorer: brought back if its state is kept, else fitted and kept. It need not be able to leave out."""
    if not model.path.exists():
        return fit_and_keep(work, model)
    back = bring_back(work, model)
    check_alike(work.name, back)
    return back.scorer


def keep(work: Work, scorer: Any, model: Model) -> None:
    """Write a fitted scorer's state, if it has one, and the scores of its probe.

    Raises PluginError, and keeps nothing, if a scorer that is brought back from the state scores the probe otherwise.
    """
    has_state = remembers(scorer)
    state = scorer.state() if has_state else {}
    if not isinstance(state, Mapping):
        raise PluginError(f"scorer {work.name!r}: its state is a {type(state).__name__}; a table of keys is allowed.")
    probe = work.normal(scorer, model.fitted, model.probe)
    about = {
        "kind": "scorer",
        "name": work.name,
        "recipe": model.path.stem,
        "fitted_on": "features" if work.metric is None else f"{work.metric} distances",
        "rows": model.rows_in_short,
        "restores": has_state,
    }
    work.check_code()
    kept: dict[str, Any] = {"state": state, "probe": {name: _one(score) for name, score in probe.items()}}
    if (features := work.features_of(model.probe)) is not None and has_state:
        kept["probe_features"] = features
    try:
        content = pack(kept, about)
    except PluginError as error:
        raise PluginError(f"scorer {work.name!r}: {error}") from None
    if has_state:
        where = "memory, before anything was written"
        check_alike(work.name, revive(work, model.fitted, unpack(content, where), where), agrees=0.0)
    write_bytes(model.path, content)


def bring_back(work: Work, model: Model) -> Restored:
    """Return a scorer from its file, or fitted again if it has no state, with the scores of its probe.

    Raises StoreError if the file is damaged or of another scorer, PluginError if the scorer refuses its state.
    """
    return revive(work, model.fitted, read_kept(work.name, model), str(model.path))


def revive(work: Work, fitted: Rows, kept: Kept, where: str) -> Restored:
    """Return a scorer from what was kept of it; ``where`` is where that was read, for messages."""
    has_state = kept.about["restores"]
    if has_state:
        with located(f"scorer {work.name!r}"):
            scorer = restored(work.build(), kept.state["state"], work.name, f" in {where}")
    else:
        scorer = work.fit(fitted)
    if "probe_features" in kept.state:
        now = score_alone(scorer, kept.state["probe_features"].copy(), work.name)
    else:
        now = work.normal(scorer, fitted, int(fitted[0]))
    return Restored(scorer, {name: np.array([score]) for name, score in kept.state["probe"].items()}, now)


def read_kept(name: str, model: Model) -> Kept:
    """Read the file of a fitted scorer; raises StoreError if it does not hold what its name says."""
    repair = f"Remove it with 'rm {model.path}' and run again: it is then fitted anew."
    kept = read_state(model.path, repair)
    about = kept.about
    if (about.get("recipe"), about.get("name")) != (model.path.stem, name):
        raise StoreError(f"{model.path} holds the state of another scorer, {about.get('name')!r}. {repair}")
    has_all = about.get("rows") == model.rows_in_short and type(about.get("restores")) is bool and "fitted_on" in about
    if not has_all or not all(isinstance(kept.state.get(part), dict) for part in ("state", "probe")):
        raise StoreError(f"{model.path} lacks a part of what is kept of a scorer. {repair}")
    return kept


def check_alike(name: str, back: Restored, agrees: float = AGREES) -> None:
    """Raise PluginError if a scorer that was brought back scores its probe differently.

    agrees : the relative difference allowed; by default what another processor's kernels may round.
    """
    for reference in sorted({*back.then, *back.now}):
        then, now = (_one(scores[reference]) if reference in scores else None for scores in (back.then, back.now))
        if then is None or now is None or not math.isclose(then, now, rel_tol=agrees, abs_tol=0.0):
            raise PluginError(
                f"scorer {name!r}, brought back from its state, gives a train normal the {reference} score {now!r}; "
                f"fitted, it gave {then!r}. Its state lacks something, or rounds it. 'asdcore check-plugin {name}' "
                "shows it (restores_exactly)."
            )


def remembers(scorer: object) -> bool:
    """Whether a scorer, normalizer or guard has ``state`` and ``restore``."""
    return all(callable(getattr(scorer, name, None)) for name in ("state", "restore"))


def _one(score: Any) -> float:
    return float(np.asarray(score).item())
