"""The portfolio file: everything that determines a result, and nothing else.

model          the portfolio as a frozen object, checked in full
schema         its parts and every default
names          names of branches and systems, which become names of files
strict         what all parts are made of
recordable     values that the record of a run can hold
windows        the part ``windows``
known_faults   the part ``known_faults``: the labelled faults that chose the weights
seeds          the seeds of trials and of an ensemble
trained_state  names what a trained encoder has learnt
files          finds and reads portfolio files, and explains their mistakes

    portfolio -> branches (view + encoder + layer + pooling + scorer + normalizer)
              -> systems  (weights of branches, a transform, a fusion, guards; or the mirror of another system)
              -> windows (the clips that recordings are cut into)
              -> out_of_fold (what a train normal is scored without)
              -> decision (how a score becomes 0 or 1)

A portfolio is TOML, checked in full when it is loaded: every message names the key, what it got and what it accepts.
Every default is in :mod:`asdcore.portfolio.schema`. A component can be written as its bare name: ``view = "near"`` is
``view = { name = "near" }``.
"""

from asdcore.portfolio.files import find_portfolio, load_portfolio, parse_portfolio, shipped_portfolios
from asdcore.portfolio.known_faults import KnownFaults
from asdcore.portfolio.model import Portfolio
from asdcore.portfolio.schema import (
    DEFAULT_TASK,
    Branch,
    Choice,
    Component,
    Decision,
    EncoderChoice,
    GuardChoice,
    Named,
    OutOfFold,
    Part,
    Residual,
    System,
)
from asdcore.portfolio.trained_state import TrainedState
from asdcore.portfolio.windows import Windows

__all__ = [
    "DEFAULT_TASK",
    "Branch",
    "Choice",
    "Component",
    "Decision",
    "EncoderChoice",
    "GuardChoice",
    "KnownFaults",
    "Named",
    "OutOfFold",
    "Part",
    "Portfolio",
    "Residual",
    "System",
    "TrainedState",
    "Windows",
    "find_portfolio",
    "load_portfolio",
    "parse_portfolio",
    "shipped_portfolios",
]
