"""What makes the scores of one machine, for what reads a detector without asking it."""

from __future__ import annotations

from dataclasses import dataclass

from asdcore.compute.encoding.requests import Request
from asdcore.compute.scoring.scoring import Recipe
from asdcore.contract.plugins import Plugins
from asdcore.detector.baselines import KnownMachine
from asdcore.portfolio import Portfolio


@dataclass(frozen=True)
class Parts:
    """What makes the scores of one machine and section.

    Attributes
    ----------
    plan : Portfolio
        The portfolio.
    plugins : Plugins
        Where components are looked up.
    requests : tuple of Request
        What is asked of views and encoders.
    recipes : dict of str to Recipe
        {branch: its feature sets}.
    machine_data : KnownMachine
        What was frozen of the machine.
    """

    plan: Portfolio
    plugins: Plugins
    requests: tuple[Request, ...]
    recipes: dict[str, Recipe]
    machine_data: KnownMachine
