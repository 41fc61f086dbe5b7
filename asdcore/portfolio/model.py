"""The portfolio as a frozen, typed object, checked in full when it is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from asdcore.components.build import build
from asdcore.components.checkpoints import check_checkpoint
from asdcore.contract.plugins import Plugins, installed
from asdcore.data.sample_rates import check_heard
from asdcore.errors import PortfolioError, did_you_mean, located
from asdcore.fusion import branches_named, check_fusion
from asdcore.fusion.transforms import check_transform
from asdcore.portfolio.known_faults import KnownFaults
from asdcore.portfolio.names import Label, Name
from asdcore.portfolio.recordable import check_recordable
from asdcore.portfolio.schema import Branch, Choice, Decision, OutOfFold, System
from asdcore.portfolio.seeds import Seed, Seeds, at_seed, split_seed, without_none
from asdcore.portfolio.strict import Strict
from asdcore.portfolio.windows import Windows, windows_of
from asdcore.store.digests.digest import recipe_digest

MOST_TRIALS = 10_000


def _by(value: Any) -> Any:
    """Let ``out_of_fold = "clip"`` stand for ``out_of_fold = { by = "clip" }``."""
    return {"by": value} if isinstance(value, str) else value


def _check_names(branches: dict[str, Branch]) -> None:
    """Raise ValueError if a branch has the name of another one at some seed, and is not that."""
    for name, branch in branches.items():
        if (parts := split_seed(name)) is None:
            continue
        base, seed = parts
        if base in branches and branch != branches[base].model_copy(update={"seed": seed}):
            raise ValueError(
                f"branches.{name}: a name that ends in '@' and a number is that of branch {base!r} at this seed, but "
                "the two differ in more. Choose another name."
            )
        if base not in branches:
            raise ValueError(
                f"branches.{name}: a name that ends in '@' and a number is that of a branch at this seed, but there is "
                f"no branch {base!r}. Choose another name."
            )


class Portfolio(Strict):
    """Branches, the systems that fuse them, and the decision rule: everything that determines a result.

    A portfolio is frozen. :func:`asdcore.load_portfolio` reads one from a file and also checks its components.

    Parameters
    ----------
    name : str
        Letters, digits, dots, dashes and underscores.
    task : str, optional
        The dataset reader, such as "dcase2026".
    seed : int, default 0
        Seed of everything that is random and names no seed of its own.
    seeds : sequence of int, optional
        The seeds of trials, instead of ``seed``: :func:`asdcore.run` then makes one run for each.
    folds : int, default 5
        Folds of train normals for scorers that cannot leave clips out in closed form, at least 2.
    out_of_fold : OutOfFold or str
        What a train normal is scored without, besides itself; "auto" by default.
    windows : Windows, optional
        Windows that every recording is cut into; without it, a clip is what the dataset reader lists.
    branches : dict of str to Branch
        View + encoder + layer + pooling + scorer + normalizer, by name. At least one.
    systems : dict of str to System
        Fused scores, by name. At least one.
    decision : Decision
        How a score becomes 0 or 1.
    known_faults : KnownFaults, optional
        The labelled faults that chose the weights. It changes no score; an evaluation leaves these clips out.

    Raises
    ------
    pydantic.ValidationError
        If a value or a key is wrong.

    Examples
    --------
    >>> portfolio = asdcore.Portfolio(
    ...     name="mine",
    ...     branches={"a": {"encoder": "logmel", "scorer": "knn"}},
    ...     systems={"only": {"weights": {"a": 1.0}}},
    ... )
    >>> portfolio.branches["a"].normalizer.name, portfolio.decision.quantile
    ('median_iqr', 0.95)
    >>> run = asdcore.run(portfolio, "data", "runs/mine", task="dcase2026")
    >>> run.systems["system"].unique().to_list()
    ['only']

    """

    name: Name = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    task: str | None = None
    seed: Seed = 0
    seeds: Seeds | None = None
    folds: int = Field(default=5, ge=2, strict=True)
    out_of_fold: Annotated[OutOfFold, BeforeValidator(_by)] = OutOfFold()
    windows: Windows | None = None
    branches: dict[Label, Branch] = Field(min_length=1)
    systems: dict[Label, System] = Field(min_length=1)
    decision: Decision = Decision()
    known_faults: KnownFaults | None = None

    @field_validator("systems")
    @classmethod
    def _mirrors(cls, value: dict[str, System]) -> dict[str, System]:
        """Give every mirror the parts of the system that it mirrors."""
        systems = {}
        for name, system in value.items():
            mirrored = system.out_of_fold_mirror_of
            if mirrored is not None:
                real = [other for other, given in value.items() if given.out_of_fold_mirror_of is None]
                if mirrored not in real:
                    why = (
                        "is a mirror itself" if mirrored in value else f"does not exist. {did_you_mean(mirrored, real)}"
                    )
                    raise ValueError(f"{name} mirrors the system {mirrored!r}, which {why}")
                system = value[mirrored].model_copy(update={"out_of_fold_mirror_of": mirrored})
            systems[name] = system
        return systems

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "seeds", "windows", "known_faults")

    @model_validator(mode="after")
    def _known_branches(self) -> Portfolio:
        for name, system in self.systems.items():
            named = [(f"systems.{name}.weights names", branch) for branch in system.weights]
            of_fusion = sorted(branches_named(system.fusion.parameters))
            named += [(f"systems.{name}.fusion names", branch) for branch in of_fusion]
            for guard in system.guards:
                beginning = f"systems.{name}.guards: {guard.name!r} is supported by"
                named += [(beginning, branch) for branch in sorted(guard.branches)]
            for beginning, branch in named:
                if branch not in self.branches:
                    hint = did_you_mean(branch, self.branches)
                    raise ValueError(f"{beginning} the branch {branch!r}, which does not exist. {hint}")
        return self

    @model_validator(mode="before")
    @classmethod
    def _can_be_written_down(cls, values: Any) -> Any:
        """Refuse values that no record of a run can hold, before anything is computed with them."""
        check_recordable(values)
        return values

    @model_validator(mode="after")
    def _seeds_once(self) -> Portfolio:
        if self.seeds is not None and "seed" in self.model_fields_set:
            raise ValueError("'seed' and 'seeds' are both given. Keep 'seeds' for trials, 'seed' for a single run.")
        return self

    @model_validator(mode="after")
    def _ensembles(self) -> Portfolio:
        """Add the branches of every ensemble at each of its seeds."""
        branches, systems = dict(self.branches), {}
        for name, system in self.systems.items():
            if system.seeds == "all":
                if self.seeds is None:
                    raise ValueError(
                        f'systems.{name}: seeds = "all" means the seeds of the portfolio\'s trials, and it names none. '
                        "Write seeds = [0, 1, 2, 3] at its top, or list the seeds here."
                    )
                system = system.model_copy(update={"seeds": self.seeds})
            systems[name] = system
            for branch, seed in system.members:
                branches.setdefault(at_seed(branch, seed), self.branches[branch].model_copy(update={"seed": seed}))
        _check_names(branches)
        vars(self).update(branches=branches, systems=systems)
        return self

    def seeds_of_trials(self, trials: int | None = None) -> tuple[int, ...] | None:
        """Return the seeds of trials: those of the portfolio, or as many from ``seed`` on; None for a single run.

        Raises PortfolioError if the portfolio names other trials.
        """
        if trials is None or (self.seeds is not None and trials == len(self.seeds)):
            return self.seeds
        if self.seeds is not None:
            raise PortfolioError(
                f"The portfolio names {len(self.seeds)} seeds ({', '.join(map(str, self.seeds))}), but {trials} trials "
                "are asked for. Leave --trials out, or take 'seeds' out of the portfolio."
            )
        if trials < 1:
            raise PortfolioError(f"trials is {trials}; at least 1 is needed, and 2 to see how far chance reaches.")
        if trials > MOST_TRIALS:
            raise PortfolioError(f"trials is {trials}; at most {MOST_TRIALS:,} are allowed.")
        return tuple(range(self.seed, self.seed + trials))

    def trial(self, seed: int) -> Portfolio:
        """Return the portfolio of one trial: this one with a single seed."""
        return self.model_copy(update={"seed": seed, "seeds": None})

    def in_windows(self, seconds: float, hop: float | None = None) -> Portfolio:
        """Return the portfolio with recordings cut into other windows.

        Parameters
        ----------
        seconds : float
            Length of a window.
        hop : float, optional
            Seconds from the begin of one window to that of the next. Default: the length.

        Returns
        -------
        Portfolio

        Raises
        ------
        PortfolioError
            If a value is out of range.

        Examples
        --------
        >>> asdcore.load_portfolio("default").in_windows(10, hop=5).windows
        Windows(seconds=10.0, hop=5.0)
        """
        return self.model_copy(update={"windows": windows_of(seconds, hop)})

    def seed_of(self, branch: str) -> int:
        """Return the seed of a branch: its own, or the portfolio's."""
        own = self.branches[branch].seed
        return self.seed if own is None else own

    @property
    def digest(self) -> str:
        """SHA-256 of the whole portfolio, defaults included."""
        return recipe_digest(self.model_dump(mode="json"))

    @property
    def mirrored(self) -> set[str]:
        """The branches of systems that are mirrors: each fold's model of them scores the test clips too."""
        mirrors = [system for system in self.systems.values() if system.out_of_fold_mirror_of is not None]
        return set().union(*(system.branches for system in mirrors))

    def components(self) -> list[tuple[str, str]]:
        """Return (kind, name) of every component that a branch or a system is made of, sorted."""
        named = {("guard", guard.name) for system in self.systems.values() for guard in system.guards}
        for branch in self.branches.values():
            named |= {(kind, getattr(branch, kind).name) for kind in ("encoder", "scorer", "normalizer")}
            named |= {("view", view.name) for view in branch.views}
        return sorted(named)

    def choices(self) -> Iterator[Choice]:
        """Yield every component of every branch and system, with its parameters."""
        for name, branch in self.branches.items():
            for kind in ("view", "encoder", "scorer", "normalizer"):
                yield Choice(kind, f"branches.{name}.{kind}", getattr(branch, kind), (name,))
            if branch.residual is not None:
                yield Choice("view", f"branches.{name}.residual.view", branch.residual.view, (name,))
        for name, system in self.systems.items():
            for i, guard in enumerate(system.guards):
                yield Choice("guard", f"systems.{name}.guards.{i}", guard, tuple(self.branches))

    def check_components(self, plugins: Plugins | None = None) -> None:
        """Build what is cheap and check the parameters of the rest, so that nothing fails after work has begun."""
        plugins = plugins or installed()
        if self.task is not None:
            with located("task"):
                plugins.component("dataset", self.task)
        for name, branch in self.branches.items():
            with located(f"branches.{name}"):
                for view in branch.views:
                    build("view", view.name, view.parameters, plugins)
                encoder = plugins.component("encoder", branch.encoder.name)
                plugins.check_parameters(encoder, branch.encoder.parameters)
                check_checkpoint(branch.encoder.parameters)
                check_heard(branch.encoder.name, branch.encoder.parameters)
                build("scorer", branch.scorer.name, branch.scorer.parameters, plugins)
                build("normalizer", branch.normalizer.name, branch.normalizer.parameters, plugins)
        for name, system in self.systems.items():
            with located(f"systems.{name}"):
                check_transform(system.transform.name, system.transform.parameters)
                check_fusion(system.fusion.name, system.fusion.parameters, system.weights)
                for guard in system.guards:
                    build("guard", guard.name, guard.parameters, plugins)
