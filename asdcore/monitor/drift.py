"""Asks whether normal sound has changed, at any time and as often as one likes, without crying wolf.

A monitor that tests every window at 5 % finds "drift" every day. A conformal test martingale does not (Vovk, Gammerman
and Shafer, *Algorithmic Learning in a Random World*, 2nd ed. 2022, part III): it bets against the hypothesis that all
values so far, and the reference before them, are exchangeable. If they are, its capital ever reaches C with a
probability of at most 1/C (Ville's inequality), however often one looks and for however long it runs.

The p-value of a value is its rank among all before it and itself, ties broken by a draw that its number determines.
The bet is the simple jumper (Vovk, Petej, Nouretdinov, Ahlberg, Carlsson and Gammerman, "Retrain or not retrain:
conformal test martingales for change-point detection", COPA 2021, algorithm 1): capital is kept in three accounts that
bet on small p-values, on large ones, and on neither, and a hundredth of it moves between them at every step.

Capital that is bet shrinks as long as nothing changes, by some 0.4 % a window: after a month nothing would be left to
bet with. So only half of the capital is bet at first. The rest is a reserve that enters the accounts little by little;
half of it is left after 1000 windows, and 500 / n after n. Both together are a martingale as before, with the same
guarantee: a mixture of jumpers that begin at different times.

What it assumes: that values are exchangeable if nothing changes. Overlapping windows are not, so only windows that do
not overlap are asked. Windows of one machine follow each other in time, too; slow swings of a healthy machine are
change to this test, as they are to anybody who compares.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from typing import Any

from asdcore.monitor.sorted_values import SortedValues

JUMP = 0.01
"""The share of capital that moves between accounts at every step."""

BETS = (-1.0, 0.0, 1.0)

RESERVE = 0.5
"""The share of capital that is not bet at first."""

HALF_OF_IT = 1000
"""Windows after which half of the reserve has been bet."""


class ExchangeabilityTest:
    """A conformal test martingale with the simple jumper.

    Parameters
    ----------
    name : str
        Names the draws that break ties.
    reference : iterable of float
        Values from before, such as the scores of train normals.

    Examples
    --------
    >>> quiet, moved = ExchangeabilityTest("a", range(100)), ExchangeabilityTest("b", range(100))
    >>> _ = [(quiet.hear(value * 37 % 100), moved.hear(150 + value)) for value in range(100)]
    >>> quiet.capital < 20, moved.capital > 1000
    (True, True)
    """

    def __init__(self, name: str, reference: Iterable[float] = ()) -> None:
        self._name, self._before = name, SortedValues(reference)
        self._accounts, self._n = [(1 - RESERVE) / len(BETS)] * len(BETS), 0

    @property
    def capital(self) -> float:
        """How strong the evidence is that something changed: at most 1/C of unchanged monitors ever reach C."""
        return math.fsum(self._accounts) + self._reserve(self._n)

    def hear(self, value: float) -> float:
        """Take in a value, and return the capital after it."""
        more = self._before.above(value)
        equal = len(self._before) - more - self._before.below(value)
        p = (more + self._draw() * (equal + 1)) / (len(self._before) + 1)
        self._before.add(value)
        everything = math.fsum(self._accounts)
        fresh = self._reserve(self._n - 1) - self._reserve(self._n)
        moved = [(1 - JUMP) * account + (JUMP * everything + fresh) / len(BETS) for account in self._accounts]
        self._accounts = [account * (1 + bet * (p - 0.5)) for account, bet in zip(moved, BETS, strict=True)]
        return self.capital

    def state(self) -> dict[str, Any]:
        """Return what :meth:`restore` takes: all that was heard, and what the bets have made of the capital."""
        return {"name": self._name, "n": self._n, "accounts": self._accounts, "before": self._before.values()}

    def restore(self, state: dict[str, Any]) -> None:
        """Become the test that :meth:`state` was taken of."""
        self._name, self._n, self._accounts = state["name"], state["n"], state["accounts"]
        self._before = SortedValues(state["before"])

    @staticmethod
    def _reserve(n_values: int) -> float:
        """Return the capital that was not bet yet after so many values."""
        return RESERVE * HALF_OF_IT / (HALF_OF_IT + n_values)

    def _draw(self) -> float:
        """Return a number in (0, 1) that the name and the number of the value determine."""
        self._n += 1
        drawn = hashlib.blake2b(f"{self._name}|{self._n}".encode(), digest_size=7).digest()
        return (int.from_bytes(drawn) + 0.5) / 2**56
