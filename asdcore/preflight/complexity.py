"""Count what a portfolio costs: parameters, and multiply-accumulates (MACs) of one clip.

A branch costs its encoder's forward pass up to its layer, and the comparisons of its scorer. A total counts shared
work once, since it is computed once: the parameters of an encoder, its pass over a view, the scores of a scorer that
two normalizers calibrate.

Networks and scorers are counted. Decoding, resampling, views, FFTs, filter banks and pooling are not.
:mod:`asdcore.preflight.multiply_accumulates` says how networks are counted, and why twice.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asdcore.components.build import build
from asdcore.compute.encoding.encoding import tokens_of_clip
from asdcore.compute.recipes import pooling_recipe
from asdcore.contract.plugins import installed
from asdcore.contract.tokens import Tokens
from asdcore.data.features.pooling import pool
from asdcore.errors import AsdcoreError, PortfolioError, blamed, located
from asdcore.portfolio import Branch, EncoderChoice, Portfolio, load_portfolio
from asdcore.preflight.briefly_trained import encoder_that_encodes
from asdcore.preflight.multiply_accumulates import TOLERATED, Macs, count_macs, count_parameters
from asdcore.progress import Progress, Silent

SECONDS = 10.0
"""The challenge asks for the MACs of a 10 s clip."""

TRAIN_CLIPS = 1000
"""Train normals of a machine and section, as the challenge gives them: 990 of the source domain, 10 of the target."""


@dataclass(frozen=True)
class BranchCost:
    """What one branch costs for one clip.

    layer : one, or several side by side. parameters : of the encoder's whole model. thop_macs, torch_macs : its forward
    passes to the highest layer, one for each view. features : values per clip that the scorer gets. scorer_macs : to
    score a clip, None if the scorer does not count them.
    """

    view: str
    encoder: str
    layer: int | str | tuple[int | str, ...]
    parameters: int
    thop_macs: int
    torch_macs: int
    features: int
    scorer: str
    scorer_macs: int | None


@dataclass(frozen=True)
class Total:
    """What several branches cost for one clip together; ``scorer_macs`` adds up the scorers that count theirs."""

    parameters: int
    thop_macs: int
    torch_macs: int
    scorer_macs: int

    @property
    def submitted(self) -> dict[str, int]:
        """The fields of a submission's meta file: ``total_parameters``, and ``macs`` by thop with scorers."""
        return {"total_parameters": self.parameters, "macs": self.thop_macs + self.scorer_macs}


@dataclass(frozen=True)
class Complexity:
    """What a portfolio costs for one clip: each branch, each system, the total, and notes."""

    seconds: float
    train_clips: int
    branches: dict[str, BranchCost]
    systems: dict[str, Total]
    total: Total
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it as plain dictionaries."""
        return asdict(self)


def complexity(
    portfolio: Portfolio | str | Path,
    seconds: float = SECONDS,
    train_clips: int = TRAIN_CLIPS,
    progress: Progress | None = None,
) -> Complexity:
    """Count the parameters and MACs of a portfolio, for one clip.

    Encoders are built and run on noise, on the device that they choose by default; one that has to be trained first is
    trained on a little noise. A crossfit costs a new clip nothing: it meets the network of all train clips alone.

    Parameters
    ----------
    portfolio : Portfolio, path or str
        The portfolio, its file, or the name of a shipped one.
    seconds : float, optional
        Length of the clip; the challenge asks for 10 s.
    train_clips : int, optional
        Train normals that a clip is scored against.
    progress : Progress, optional
        Reports progress; silent by default.

    Returns
    -------
    Complexity
        The cost of each branch, each system and the whole portfolio, and notes.

    Raises
    ------
    AsdcoreError
        If ``seconds`` is not positive, or an encoder cannot be built or run.

    Examples
    --------
    >>> from asdcore.preflight.complexity import complexity
    >>> cost = complexity("logmel-knn", train_clips=100)
    >>> cost.total.submitted
    {'total_parameters': 0, 'macs': 12800}
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise AsdcoreError(f"Clip length must be positive, got {seconds} s. Give a number of seconds, such as 10.")
    plan = portfolio if isinstance(portfolio, Portfolio) else load_portfolio(portfolio)
    plan.check_components()
    meter, costs = _Meter(seconds), {}
    with (progress or Silent()).stage("count", len(plan.branches)) as advance:
        # Branches with one encoder follow one another, so that it is built once.
        for name, branch in sorted(plan.branches.items(), key=lambda item: _identity(item[1].encoder)):
            with located(f"branches.{name}"):
                costs[name] = _cost(branch, meter, train_clips)
            advance(1)
        systems = {}
        for name, system in plan.systems.items():
            models = 1 if system.out_of_fold_mirror_of is None else plan.folds
            systems[name] = _total(plan, costs, meter, system.branches, models)
        total = _total(plan, costs, meter, plan.branches)
    in_order = {name: costs[name] for name in plan.branches}
    return Complexity(seconds, train_clips, in_order, systems, total, _notes(plan, in_order, meter))


@dataclass(frozen=True)
class _Measured:
    """One forward pass of an encoder on one clip; ``parameters`` and ``macs`` are of its model, None without one."""

    parameters: int
    macs: Macs | None
    tokens: Mapping[int | str, Tokens]


class _Meter:
    """Runs encoders on one clip of noise, once for each set of layers, and keeps the last encoder built."""

    def __init__(self, seconds: float) -> None:
        self.measured: dict[tuple[str, tuple[int | str, ...]], _Measured] = {}
        self._seconds = seconds
        self._built: dict[str, Any] = {}
        self._known: dict[str, list[int | str]] = {}

    def layers(self, branch: Branch) -> tuple[int | str, ...]:
        """Return the names of a branch's layers; raises PortfolioError if the encoder lacks one."""
        choice = branch.encoder
        key = _identity(choice)
        layers = self._known.get(key) or self._known.setdefault(key, list(self._encoder(choice).layers))
        asked = choice.layer if isinstance(choice.layer, tuple) else (choice.layer,)
        names = tuple(layers[-1] if name is None else name for name in asked)
        for layer in names:
            if layer not in layers:
                raise PortfolioError(
                    f"encoder {choice.name!r} has no layer {layer!r}. Its layers are {', '.join(map(repr, layers))}."
                )
        return names

    def measure(self, choice: EncoderChoice, layers: Iterable[int | str]) -> _Measured:
        """Return what one forward pass for these layers costs."""
        key = _identity(choice), tuple(sorted(set(layers), key=str))
        if key not in self.measured:
            with located(f"encoder {choice.name!r}"), blamed("encoder", choice.name):
                self.measured[key] = self._run(self._encoder(choice), key[1])
        return self.measured[key]

    def _run(self, encoder: Any, layers: tuple[int | str, ...]) -> _Measured:
        n_samples = round(self._seconds * encoder.sample_rate)
        shape = (1, n_samples) if getattr(encoder, "channels", 1) == 1 else (1, encoder.channels, n_samples)
        audio = 0.1 * np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
        if hasattr(encoder, "prepare_recording"):  # it hears no sound: any recording that it knows will do
            prepared = encoder.prepare_recording(next(iter(encoder.recordings)))
            return _Measured(0, None, encoder.encode_prepared([prepared], list(layers))[0])
        if getattr(encoder, "model", None) is None:
            return _Measured(0, None, encoder.encode(audio, list(layers)))
        macs, tokens = count_macs(encoder, audio, list(layers))
        return _Measured(count_parameters(encoder.model), macs, tokens)

    def _encoder(self, choice: EncoderChoice) -> Any:
        key = _identity(choice)
        if key not in self._built:
            with located(f"encoder {choice.name!r}"), blamed("encoder", choice.name):
                self._built = {key: encoder_that_encodes(choice.name, choice.parameters, self._seconds)}
        return self._built[key]


def _cost(branch: Branch, meter: _Meter, train_clips: int) -> BranchCost:
    """Measure one branch by itself."""
    choice, scorer = branch.encoder, build("scorer", branch.scorer.name, branch.scorer.parameters)
    layers, views = meter.layers(branch), branch.views
    measured = meter.measure(choice, layers)
    pooling = pooling_recipe(choice, installed().component("encoder", choice.name))
    tokens = [tokens_of_clip(measured.tokens, layer) for layer in layers]
    features = sum(
        pool(pooling["name"], *patches_and_special, **pooling["parameters"]).size for patches_and_special in tokens
    )
    scorer_macs = None
    if hasattr(scorer, "macs"):
        with blamed("scorer", branch.scorer.name):
            scorer_macs = int(scorer.macs(train_clips, features))
    macs = measured.macs or Macs(0, 0)
    return BranchCost(
        " and ".join(view.name for view in views),
        choice.name,
        layers if isinstance(choice.layer, tuple) else layers[0],
        measured.parameters,
        len(views) * macs.thop,
        len(views) * macs.torch,
        features,
        branch.scorer.name,
        scorer_macs,
    )


def _total(
    plan: Portfolio, costs: Mapping[str, BranchCost], meter: _Meter, names: Collection[str], models: int = 1
) -> Total:
    """Add up branches, counting shared work once; ``models`` is how many of each scorer a mirror has."""
    parameters: dict[str, int] = {}
    passes: dict[tuple[str, str], tuple[EncoderChoice, set[int | str]]] = {}
    scorers: dict[str, int] = {}
    for name in names:
        branch, cost = plan.branches[name], costs[name]
        encoder = _identity(branch.encoder)
        parameters[encoder] = cost.parameters
        for view in branch.views:
            asked = passes.setdefault((view.model_dump_json(), encoder), (branch.encoder, set()))[1]
            asked.update(meter.layers(branch))
        scorers[branch.model_dump_json(exclude={"normalizer"})] = models * (cost.scorer_macs or 0)
    macs = [meter.measure(choice, layers).macs or Macs(0, 0) for choice, layers in passes.values()]
    return Total(
        sum(parameters.values()),
        sum(count.thop for count in macs),
        sum(count.torch for count in macs),
        sum(scorers.values()),
    )


def _identity(choice: EncoderChoice) -> str:
    """Return what makes two branches' encoders the same: name and parameters, not layer and pooling."""
    return choice.model_dump_json(exclude={"layer", "pooling", "crossfit"})


def _notes(plan: Portfolio, costs: Mapping[str, BranchCost], meter: _Meter) -> tuple[str, ...]:
    """Say what counts as 0, and why the two counts differ, if they do."""
    notes = []
    for name, cost in costs.items():
        choice = plan.branches[name].encoder
        macs = meter.measure(choice, meter.layers(plan.branches[name])).macs
        if macs is None:
            notes.append(f"encoder {cost.encoder!r} shows no torch model: its parameters and MACs count as 0.")
        elif macs.scripted:
            notes.append(f"encoder {cost.encoder!r} is TorchScript, which thop cannot count: both counts are torch's.")
        elif macs.reasons:
            where, why = f"encoder {cost.encoder!r}, layer {cost.layer!r}", "; ".join(macs.reasons)
            notes.append(f"{where}: the counts differ by more than {TOLERATED:.0%}: {why}.")
        if cost.scorer_macs is None:
            notes.append(f"scorer {cost.scorer!r} does not count its MACs: they count as 0.")
    return tuple(dict.fromkeys(notes))
