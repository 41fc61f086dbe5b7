"""The portfolio file: everything that determines a result, and nothing else.

    portfolio -> branches (view + encoder + layer + pooling + scorer + normalizer)
              -> systems  (weights of branches, a transform, guards)
              -> decision (how a score becomes 0 or 1)

A portfolio is TOML, checked in full when it is loaded: every message names the key, what it got and what it accepts.
Every default stands here. Where a component is needed, its bare name is enough: ``view = "near"`` is
``view = { name = "near" }``.
"""

from __future__ import annotations

import json
import math
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator, model_validator

from asdcore.components import build, check_checkpoint
from asdcore.contract.plugins import Plugins, installed
from asdcore.data.pooling import complete
from asdcore.errors import PortfolioError, did_you_mean, located
from asdcore.fusion import branches_named, check_fusion
from asdcore.store.digest import recipe_digest
from asdcore.transforms import check_transform

DEFAULT_TASK = "dcase"
DEFAULT_VIEW = "near"
DEFAULT_POOLING = "mean"
DEFAULT_NORMALIZER = "median_iqr"
DEFAULT_TRANSFORM = "identity"
DEFAULT_FUSION = "sum"
DEFAULT_STRENGTH = 0.25
DEFAULT_QUANTILE = 0.95


Label = Annotated[str, Field(pattern=r"^\.*[^\s/.][^\s/]*$")]
"""What a branch or a system may be called: it becomes a name in tables and files."""


class Strict(BaseModel):
    """Frozen, and any key it does not know is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Named(BaseModel):
    """A component's name; all other keys are its parameters."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @model_validator(mode="after")
    def _plain_parameters(self) -> Named:
        for key, value in self.parameters.items():
            if not _is_plain(value):
                raise ValueError(
                    f"the parameter {key!r} is {value!r}; text, finite numbers, booleans and lists are allowed"
                )
        return self

    @property
    def parameters(self) -> dict[str, Any]:
        """The keys that the component itself is built from."""
        return dict(self.__pydantic_extra__ or {})


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


Component = Annotated[Named, BeforeValidator(_named)]


class EncoderChoice(Named):
    """An encoder, one of its layers (None: its last) and how its tokens are pooled."""

    layer: int | str | None = None
    pooling: Component = Named(name=DEFAULT_POOLING)

    @field_validator("pooling")
    @classmethod
    def _known_pooling(cls, value: Named) -> Named:
        try:
            complete(value.name, value.parameters)
        except PortfolioError as error:
            raise ValueError(str(error)) from error
        return value


class GuardChoice(Named):
    """A guard and how strongly its penalty counts: lambda of S = sum w phi(z) - lambda R."""

    strength: float = Field(default=DEFAULT_STRENGTH, ge=0, le=1, strict=True)

    @property
    def branches(self) -> set[str]:
        """The branches named by the parameters ``support``, ``proximity`` and ``branches``."""
        listed = self.parameters.get("branches")
        named = [*(listed if isinstance(listed, list) else []), *map(self.parameters.get, ("support", "proximity"))]
        return {one for one in named if isinstance(one, str)}


def _is_plain(value: Any) -> bool:
    """Whether a value can stand in a recipe: dates, NaN and infinities cannot."""
    if isinstance(value, list | dict):
        return all(map(_is_plain, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


class Branch(Strict):
    """One way to score a clip: view + encoder + layer + pooling + scorer, calibrated by a normalizer."""

    view: Component = Named(name=DEFAULT_VIEW)
    encoder: Annotated[EncoderChoice, BeforeValidator(_named)]
    scorer: Component
    normalizer: Component = Named(name=DEFAULT_NORMALIZER)


class System(Strict):
    """A fused score: S = sum_b w_b phi(z_b), or another fusion of the phi(z_b), less the penalties of its guards."""

    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]] = Field(min_length=1)
    transform: Component = Named(name=DEFAULT_TRANSFORM)
    fusion: Component = Named(name=DEFAULT_FUSION)
    guards: tuple[Annotated[GuardChoice, BeforeValidator(_named)], ...] = ()

    @field_validator("weights")
    @classmethod
    def _some_weight(cls, value: dict[str, float]) -> dict[str, float]:
        if not any(value.values()):
            raise ValueError("all weights are 0, so every clip would score the same")
        return value

    @property
    def fused(self) -> set[str]:
        """The branches whose scores are fused: those with a weight, and those that the fusion itself names."""
        return {name for name, weight in self.weights.items() if weight} | branches_named(self.fusion.parameters)

    @property
    def branches(self) -> set[str]:
        """The branches that the system needs: those it fuses, and those that its guards look at."""
        return self.fused.union(*(guard.branches for guard in self.guards))


class Decision(Strict):
    """How a score becomes a decision: above this quantile of the train-normal out-of-fold scores it is anomalous."""

    rule: Literal["ecdf"] = "ecdf"
    quantile: float = Field(default=DEFAULT_QUANTILE, gt=0, lt=1, strict=True)


class Portfolio(Strict):
    """Branches, the systems that fuse them, and the decision rule."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    task: str | None = None
    seed: int = Field(default=0, ge=0, strict=True)
    folds: int = Field(default=5, ge=2, strict=True)
    branches: dict[Label, Branch] = Field(min_length=1)
    systems: dict[Label, System] = Field(min_length=1)
    decision: Decision = Decision()

    @model_validator(mode="after")
    def _known_branches(self) -> Portfolio:
        for name, system in self.systems.items():
            named = [(f"systems.{name}.weights names", one) for one in system.weights]
            named += [(f"systems.{name}.fusion names", one) for one in sorted(branches_named(system.fusion.parameters))]
            for guard in system.guards:
                said = f"systems.{name}.guards: {guard.name!r} is supported by"
                named += [(said, one) for one in sorted(guard.branches)]
            for said, branch in named:
                if branch not in self.branches:
                    hint = did_you_mean(branch, self.branches)
                    raise ValueError(f"{said} the branch {branch!r}, which does not exist. {hint}")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of everything the portfolio says, defaults included."""
        return recipe_digest(self.model_dump(mode="json"))

    def components(self) -> list[tuple[str, str]]:
        """Return (kind, name) of every component that a branch or a system is made of, sorted."""
        found = set()
        for branch in self.branches.values():
            for kind in ("view", "encoder", "scorer", "normalizer"):
                found.add((kind, getattr(branch, kind).name))
        return sorted(found | {("guard", guard.name) for one in self.systems.values() for guard in one.guards})

    def check_components(self, plugins: Plugins | None = None) -> None:
        """Build what is cheap and check the parameters of the rest, so that nothing fails after work has begun."""
        known = plugins or installed()
        if self.task is not None:
            with located("task"):
                known.component("dataset", self.task)
        for name, branch in self.branches.items():
            with located(f"branches.{name}"):
                build("view", branch.view.name, branch.view.parameters, known)
                encoder = known.component("encoder", branch.encoder.name)
                known.check_parameters(encoder, branch.encoder.parameters)
                check_checkpoint(branch.encoder.parameters)
                build("scorer", branch.scorer.name, branch.scorer.parameters, known)
                build("normalizer", branch.normalizer.name, branch.normalizer.parameters, known)
        for name, system in self.systems.items():
            with located(f"systems.{name}"):
                check_transform(system.transform.name, system.transform.parameters)
                check_fusion(system.fusion.name, system.fusion.parameters, system.weights)
                for guard in system.guards:
                    build("guard", guard.name, guard.parameters, known)


def load_portfolio(source: str | Path) -> Portfolio:
    """Read and check a portfolio: a path (TOML, or a run's ``portfolio.json``), or the name of a shipped one."""
    path = find_portfolio(source)
    try:
        text = path.read_text(encoding="utf-8")
        values = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except ValueError as error:
        raise PortfolioError(f"{path} is not {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from error
    except OSError as error:
        raise PortfolioError(f"{path} cannot be read: {error.strerror}.") from error
    with located(str(path)):
        portfolio = parse_portfolio(values)
        portfolio.check_components()
        return portfolio


def parse_portfolio(values: dict[str, Any]) -> Portfolio:
    """Make a portfolio from what a TOML file says; raises PortfolioError with every mistake in it."""
    try:
        return Portfolio.model_validate(values)
    except ValidationError as error:
        lines = [_explain(one) for one in error.errors()]
        raise PortfolioError("\n  - ".join(["this portfolio cannot be run:", *lines])) from None


def find_portfolio(source: str | Path) -> Path:
    """Return the path of a portfolio given by path or by the name of a shipped one."""
    path = Path(source)
    if path.is_file():
        return path
    shipped = shipped_portfolios()
    if str(source) in shipped:
        return shipped[str(source)]
    raise PortfolioError(
        f"There is no portfolio {str(source)!r}: give the path of a .toml file, or the name of a shipped one. "
        f"{did_you_mean(path.stem, shipped)}"
    )


def shipped_portfolios() -> dict[str, Path]:
    """Return {name: path} of the portfolios that come with asdcore; one in a subfolder is named ``folder/name``."""
    package = Path(__file__).parent
    # A wheel carries them inside the package; in a checkout they are the folder beside it.
    for folder in (package / "manifests", package.parent / "manifests"):
        if folder.is_dir():
            found = sorted(folder.rglob("*.toml"))
            return {path.relative_to(folder).with_suffix("").as_posix(): path for path in found}
    return {}


def _explain(error: Any) -> str:
    """Say in one line what pydantic found: the key, what it got, what it accepts."""
    where = ".".join(str(part) for part in error["loc"]) or "portfolio"
    if error["type"] == "extra_forbidden":
        parent, key = error["loc"][:-1], str(error["loc"][-1])
        return f"{where}: no such key. {did_you_mean(key, _keys(parent))}"
    if error["type"] == "missing":
        return f"{where}: this key is needed."
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return message if not error["loc"] else f"{where}: {message}"
    return f"{where}: {message}, got {error['input']!r}."


def _keys(parent: tuple[Any, ...]) -> list[str]:
    """Return the keys that a table of the portfolio accepts."""
    models: dict[str, type[BaseModel]] = {"branches": Branch, "systems": System, "decision": Decision}
    model = models.get(str(parent[0]), Portfolio) if parent else Portfolio
    return list(model.model_fields)
