"""The parts of a portfolio: branches, systems, the decision rule, and every default."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from asdcore.data.features.pooling import complete
from asdcore.errors import PortfolioError
from asdcore.fusion import LARGEST, branches_named
from asdcore.portfolio.seeds import Seed, Seeds, at_seed, without_none
from asdcore.portfolio.strict import Strict
from asdcore.portfolio.trained_state import TrainedState

DEFAULT_TASK = "dcase"
DEFAULT_VIEW = "near"
DEFAULT_POOLING = "mean"
DEFAULT_ALPHA = 0.5
DEFAULT_NORMALIZER = "median_iqr"
DEFAULT_TRANSFORM = "identity"
DEFAULT_FUSION = "sum"
DEFAULT_STRENGTH = 0.25
DEFAULT_QUANTILE = 0.95


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


Layer = int | str
Layers = Annotated[tuple[Layer, ...], Field(min_length=1)]


class EncoderChoice(Named):
    """An encoder, one of its layers (None: its last) or several, and how its tokens are pooled.

    crossfit : of an encoder that is trained, into how many folds train normals are dealt; each fold is then scored by a
    network that has not seen it. None: one network, which has seen them all.
    """

    layer: Layer | Layers | None = None
    pooling: Component = Named(name=DEFAULT_POOLING)
    crossfit: Annotated[int, Field(ge=2, strict=True)] | None = None

    @field_validator("pooling")
    @classmethod
    def _known_pooling(cls, value: Named) -> Named:
        try:
            complete(value.name, value.parameters)
        except PortfolioError as error:
            raise ValueError(str(error)) from error
        return value

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "crossfit")


class GuardChoice(Named):
    """A guard and how strongly its penalty counts: lambda of S = sum w phi(z) - lambda R."""

    strength: float = Field(default=DEFAULT_STRENGTH, ge=0, le=1, strict=True)

    @property
    def branches(self) -> set[str]:
        """The branches named by the parameters ``support``, ``proximity`` and ``branches``."""
        listed = self.parameters.get("branches")
        named = [*(listed if isinstance(listed, list) else []), *map(self.parameters.get, ("support", "proximity"))]
        return {branch for branch in named if isinstance(branch, str)}


def _is_plain(value: Any) -> bool:
    """Whether a value can stand in a recipe: dates, NaN and infinities cannot."""
    if isinstance(value, list | dict):
        return all(map(_is_plain, value.values() if isinstance(value, dict) else value))
    return isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value))


class Residual(Strict):
    """Another view whose features are taken from a branch's: e - alpha e_other."""

    view: Component
    alpha: float = Field(default=DEFAULT_ALPHA, gt=0, allow_inf_nan=False, strict=True)


class Part(NamedTuple):
    """One feature set: a view, an encoder with a pooling, one of its layers (None: its last), and what it has learnt.

    trained : of an encoder that is trained, its trained state; see :meth:`Branch.with_trained`.
    """

    view: Named
    encoder: EncoderChoice
    layer: Layer | None
    trained: TrainedState | None = None


class Choice(NamedTuple):
    """A component in a portfolio: its kind, where it stands there, and the branches that depend on it."""

    kind: str
    where: str
    named: Named
    branches: tuple[str, ...]


class Branch(Strict):
    """One way to score a clip: view + encoder + layer + pooling + scorer, calibrated by a normalizer."""

    view: Component = Named(name=DEFAULT_VIEW)
    encoder: Annotated[EncoderChoice, BeforeValidator(_named)]
    residual: Residual | None = None
    scorer: Component
    normalizer: Component = Named(name=DEFAULT_NORMALIZER)
    seed: Seed | None = None
    """Its own seed; None for the portfolio's."""
    _trained: tuple[TrainedState, ...] = PrivateAttr(default=())

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return without_none(handler(self), "seed")

    def with_trained(self, states: Sequence[TrainedState]) -> Branch:
        """Return this branch with what its encoder has learnt, for each of its views in order."""
        branch = self.model_copy()
        branch._trained = tuple(states)
        return branch

    @property
    def features(self) -> tuple[tuple[tuple[Part, float], ...], ...]:
        """The feature sets of a clip: sums of weighted sets, set side by side (a single one for most branches)."""
        weights = [1.0] if self.residual is None else [1.0, -self.residual.alpha]
        learnt = self._trained or (None,) * len(weights)
        layers = self.encoder.layer if isinstance(self.encoder.layer, tuple) else (self.encoder.layer,)
        return tuple(
            tuple(
                (Part(view, self.encoder, layer, state), weight)
                for view, state, weight in zip(self.views, learnt, weights, strict=True)
            )
            for layer in layers
        )

    @property
    def parts(self) -> list[Part]:
        """Every feature set that the branch needs."""
        return [part for terms in self.features for part, _ in terms]

    @property
    def views(self) -> list[Named]:
        """The views that the branch needs."""
        return [self.view] if self.residual is None else [self.view, self.residual.view]


class System(Strict):
    """A fused score: S = sum_b w_b phi(z_b), or another fusion of the phi(z_b), less the penalties of its guards.

    A system may mirror another one instead: the same weights, transform, fusion and guards, but as many models as there
    are folds, each fitted without one fold of the train normals. Calibration then uses only scores of normals that a
    model has not seen, and a clip's score is the mean over the models ("Robust train-normal calibration", DCASE 2026,
    system B).

    A system with ``seeds`` is an ensemble: z of every branch is the mean over these seeds, each of them scored and
    calibrated by itself.
    """

    weights: dict[str, Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]] = Field({}, min_length=1)
    transform: Component = Named(name=DEFAULT_TRANSFORM)
    fusion: Component = Named(name=DEFAULT_FUSION)
    guards: tuple[Annotated[GuardChoice, BeforeValidator(_named)], ...] = ()
    out_of_fold_mirror_of: str | None = None
    seeds: Seeds | Literal["all"] | None = None
    """The seeds over which z of every branch is averaged; "all" for those of the portfolio's trials."""

    @field_validator("weights")
    @classmethod
    def _some_weight(cls, value: dict[str, float]) -> dict[str, float]:
        if not any(value.values()):
            raise ValueError("all weights are 0, so every clip would score the same")
        if odd := [weight for weight in value.values() if weight and not 1 / LARGEST <= weight <= LARGEST]:
            raise ValueError(f"a weight is {odd[0]:g}; 0 and {1 / LARGEST:g} to {LARGEST:g} are allowed")
        return value

    @model_validator(mode="after")
    def _fused_or_mirrored(self) -> System:
        if self.out_of_fold_mirror_of is None and not self.weights:
            raise ValueError("a system needs the key 'weights', or 'out_of_fold_mirror_of' and no other.")
        more = self.model_fields_set - {"out_of_fold_mirror_of"}
        if self.out_of_fold_mirror_of is not None and more:
            raise ValueError(
                f"'out_of_fold_mirror_of' is given: all else comes from there. Remove {', '.join(sorted(more))}."
            )
        return self

    @model_serializer(mode="wrap")
    def _as_written(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        written = without_none(handler(self), "seeds")
        mirror = written.pop("out_of_fold_mirror_of")
        return written if mirror is None else {"out_of_fold_mirror_of": mirror}

    @property
    def fused(self) -> set[str]:
        """The branches whose scores are fused: those with a weight, and those that the fusion itself names."""
        return {name for name, weight in self.weights.items() if weight} | branches_named(self.fusion.parameters)

    @property
    def named(self) -> set[str]:
        """The branches that the system names: those it fuses, and those that its guards read."""
        return self.fused.union(*(guard.branches for guard in self.guards))

    @property
    def branches(self) -> set[str]:
        """The branches that the system needs: those it names, or each of them once for every seed."""
        return {at_seed(branch, seed) for branch, seed in self.members} or self.named

    @property
    def members(self) -> list[tuple[str, int]]:
        """Every branch at every seed of an ensemble; empty for any other system."""
        seeds = self.seeds if isinstance(self.seeds, tuple) else ()
        return [(branch, seed) for branch in sorted(self.named) for seed in seeds]


class Decision(Strict):
    """How a score becomes a decision: above this quantile of the train-normal out-of-fold scores it is anomalous.

    rule : "ecdf", the plain quantile, or "conformal", which promises the rate of false positives for a finite sample.
    If train normals are left out by recordings or neighbours, the promise counts these; see
    :mod:`asdcore.stages.decide`.
    """

    rule: Literal["ecdf", "conformal"] = "ecdf"
    quantile: float = Field(default=DEFAULT_QUANTILE, gt=0, lt=1, strict=True)


By = Literal["auto", "recording", "neighbours", "attribute", "clip"]


class OutOfFold(Strict):
    """The clips that a train normal is scored without, besides itself.

    by : "auto", its recording if the data set names it, else its neighbours as far as train normals show that they are
    alike; "recording" or "neighbours", the one or the other; "attribute", all clips with the same attributes; "clip",
    no others. range : for "neighbours", how many clips before and after, instead of the measured range; see
    :mod:`asdcore.held_out`.
    """

    by: By = "auto"
    range: int | None = Field(default=None, ge=1, strict=True)

    @model_validator(mode="after")
    def _range_of_neighbours(self) -> OutOfFold:
        if self.range is not None and self.by != "neighbours":
            raise ValueError(f"'range' counts neighbours, but by is {self.by!r}. Set by = 'neighbours', or remove it.")
        return self
