"""Gives the portfolio's seed to a component that draws random numbers."""

from __future__ import annotations

from collections.abc import Mapping
from inspect import signature
from typing import Any

from asdcore.contract.plugins import Component

SEED = "seed"
"""The parameter of a component that draws random numbers."""


def seeded(component: Component, parameters: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """Return the parameters of a component, with the seed if it takes one and none is named.

    It takes one if its parameter ``seed`` has a whole number as its default: a default of None means that nothing is
    random unless the portfolio asks for it. The default itself is not named, so seed 0 leaves most recipes as they are.

    Parameters
    ----------
    component : Component
        The component.
    parameters : mapping of str to object
        Its parameters in the portfolio.
    seed : int
        The seed of its branch.

    Returns
    -------
    dict of str to object
        The parameters to build it with.

    Examples
    --------
    >>> from asdcore.components.seeds import seeded
    >>> from asdcore.contract.plugins import installed
    >>> seeded(installed().component("scorer", "gmm"), {"components": 2}, 3)
    {'components': 2, 'seed': 3}
    >>> seeded(installed().component("scorer", "knn"), {"k": 1}, 3)
    {'k': 1}
    """
    taken = signature(component.factory).parameters.get(SEED)
    if SEED in parameters or taken is None or type(taken.default) is not int or taken.default == seed:
        return dict(parameters)
    return {**parameters, SEED: seed}
