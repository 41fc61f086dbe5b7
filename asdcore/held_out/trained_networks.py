"""Says which trained network hears which clips: one for all machines or one for each, and in a crossfit one a fold.

``trained`` in ``run.json`` has a row for each of them:

    places    where its encoder and view stand in the portfolio, such as "branches.first.view"
    machine   whose clips it was trained on; "" for those of all machines
    fold      the fold of the crossfit that it has not seen; -1 for none
    clips     how many train normals it has seen, and ``cells``, their machines and sections
    state     its file in the store, and ``sha256``, the digest of what it has learnt
    notes     what the training noted
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from asdcore.errors import DataError
from asdcore.held_out.crossfit import crossfit_folds
from asdcore.held_out.plan import Rows
from asdcore.portfolio import Branch, Portfolio, TrainedState, parse_portfolio
from asdcore.store.tables import FULL


class Network(NamedTuple):
    """A branch with one of its trained networks: the machine whose clips it hears ("": all), and its fold."""

    branch: Branch
    machine: str
    fold: int


class Crossfold(NamedTuple):
    """One fold of a crossfit: the branch with its network, the rows it has not seen, and the rows it has."""

    branch: Branch
    unseen: Rows
    seen: Rows


@dataclass(frozen=True)
class Networks:
    """The trained networks of a portfolio; none of a portfolio that trains nothing."""

    rows: tuple[Mapping[str, Any], ...] = ()
    store: Path = Path()
    plan: Portfolio | None = None

    @classmethod
    def recorded(cls, about: Mapping[str, Any], store: Path) -> Networks:
        """Return the networks that a run's record names, with their states in a store."""
        plan = parse_portfolio(about["portfolio"])
        return cls.of(plan, about.get("trained", []), store)

    @classmethod
    def of(cls, plan: Portfolio, rows: Iterable[Mapping[str, Any]], store: Path) -> Networks:
        """Return the networks of the rows of ``trained`` in ``run.json``."""
        return cls(tuple(rows), store, plan)

    def has(self, name: str) -> bool:
        """Whether the encoder of a branch is trained."""
        return any(f"branches.{name}.view" in row["places"] for row in self.rows)

    def branch(self, name: str, branch: Branch, machine: str, fold: int = FULL) -> Branch:
        """Return a branch with the network that hears a machine's clips; the branch itself if it is not trained.

        Raises DataError if no network was trained for the machine.
        """
        if not self.has(name):
            return branch
        states = []
        for place in places_of(name, branch):
            fitting = [
                row
                for row in self.rows
                if place in row["places"] and row["fold"] == fold and row["machine"] in ("", machine)
            ]
            if not fitting:
                raise DataError(
                    f"branch {name!r}: its encoder was trained for each machine, and never for {machine}. Run the "
                    f"portfolio on data with train clips of {machine}."
                )
            states.append(TrainedState(self.store / str(fitting[0]["state"]), str(fitting[0]["sha256"])))
        return branch.with_trained(states)

    def has_seen(self, name: str, machine: str, section: str) -> bool:
        """Whether the network that hears the test clips of a machine was trained on the train clips of a section."""
        own = [row for row in self.rows if f"branches.{name}.view" in row["places"] and row["fold"] == FULL]
        return any([machine, section] == list(cell) for row in own for cell in row["cells"])

    def notes(self) -> list[str]:
        """Return what trainings noted, once each, with what was trained."""
        noted = [
            f"training {row['encoder']!r} on {row['machine'] or 'all machines'}: {note}"
            for row in self.rows
            for note in row["notes"]
        ]
        return list(dict.fromkeys(noted))

    def of_branch(self, name: str, branch: Branch) -> list[Network]:
        """Return a branch once for each of its networks; once, for all machines, if it is not trained."""
        place = f"branches.{name}.view"
        if not self.has(name):
            return [Network(branch, "", FULL)]
        kinds = sorted({(row["machine"], row["fold"]) for row in self.rows if place in row["places"]})
        return [Network(self.branch(name, branch, machine, fold), machine, fold) for machine, fold in kinds]

    def variants(self, name: str, branch: Branch) -> list[Branch]:
        """Return a branch with each of its networks."""
        return [network.branch for network in self.of_branch(name, branch)]

    def crossfit(self, name: str, branch: Branch, train: pl.DataFrame) -> list[Crossfold]:
        """Return the folds of a branch's crossfit in one machine and section; none if it has no crossfit.

        train : its train clips, rows of the clip index, by name.
        """
        if branch.encoder.crossfit is None or self.plan is None or not self.has(name):
            return []
        folds = crossfit_folds(train, self.plan.out_of_fold, branch.encoder.crossfit, self.plan.seed_of(name))
        machine = str(train["machine"][0])
        return [
            Crossfold(self.branch(name, branch, machine, fold), unseen, seen)
            for fold, (unseen, seen) in enumerate(folds)
        ]

    def files(self) -> list[Path]:
        """Return the files of all states."""
        return sorted({self.store / str(row["state"]) for row in self.rows})

    def check(self) -> None:
        """Raise StoreError unless every state is here and whole."""
        for row in self.rows:
            TrainedState(self.store / str(row["state"]), str(row["sha256"])).read()


NONE = Networks()
"""Of a portfolio that trains nothing."""


def branch_at(place: str) -> str:
    """Return the branch of a place that :func:`places_of` named."""
    return place.removeprefix("branches.").removesuffix(".view").removesuffix(".residual")


def places_of(name: str, branch: Branch) -> list[str]:
    """Return where the views of a branch stand in the portfolio, in order."""
    places = [f"branches.{name}.view"]
    return places if branch.residual is None else [*places, f"branches.{name}.residual.view"]
