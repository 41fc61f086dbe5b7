"""A frozen portfolio as an object: it says of a clip how anomalous it sounds."""

from __future__ import annotations

import shutil
import threading
import weakref
from collections.abc import Callable, Iterable
from functools import cached_property, partial
from pathlib import Path
from tempfile import mkdtemp

from numpy.typing import ArrayLike

from asdcore.compute.threads import single_threaded
from asdcore.contract.plugins import chosen, loaded
from asdcore.detector.baselines import Baselines, KnownMachine
from asdcore.detector.container import Container, with_checkpoints
from asdcore.detector.feature_shares import FeatureShares
from asdcore.detector.listen import Features, Given, Listener, checked_audio, frozen_listener, kernel_notes
from asdcore.detector.machine import Frozen, FrozenMachine
from asdcore.detector.parts import Parts
from asdcore.detector.readers import other_reader
from asdcore.detector.verdict import Verdict
from asdcore.errors import DataError, located
from asdcore.frozen.verifying.code_differences import score_plugins
from asdcore.portfolio import Portfolio, parse_portfolio
from asdcore.stages.notes_on_data import audio_empty_bands


class Detector:
    """A frozen portfolio that scores one clip after another.

    :func:`asdcore.load_detector` returns one. It fits nothing: what scorers have learnt is in its file.

    Parameters
    ----------
    container : Container
        Its file, opened and checked.

    Attributes
    ----------
    name : str
        The portfolio's name.
    machines : list of tuple of str
        (machine, section) that it knows.
    systems : list of str
        The systems of its portfolio.
    manifest_sha256 : str
        The SHA-256 (hex) of the manifest that it was exported from.
    windows : Windows or None
        The windows that the train recordings were cut into: clips to score should be as long.

    Examples
    --------
    Noise sounds like no fan:

    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> detector = asdcore.load_detector(asdcore.export("first.json", "first.asd"))
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=(2, 160000)).astype(np.float32)
    >>> verdict = detector.score(noise, 16000, "SynFan")
    >>> verdict.score > verdict.threshold, verdict.anomalous
    (True, True)
    """

    def __init__(self, container: Container) -> None:
        self._container, self._lock = container, threading.RLock()
        self.path = container.path
        self._machines: dict[tuple[str, str], KnownMachine] = {}
        predicate = container.manifest.predicate
        self.name = str(predicate["name"])
        self.manifest_sha256 = container.manifest.sha256
        self._plugins = loaded(row["plugin"] for row in score_plugins(predicate))
        with chosen(self._plugins):
            self._plan = self._portfolio()
        self.systems = sorted(self._plan.systems)
        self.machines = container.manifest.cells
        self.windows = self._plan.windows

    def __repr__(self) -> str:
        """Return what it knows in one line."""
        return f"Detector({str(self.path)!r}: {self._listed()}; systems {', '.join(self.systems)})"

    @property
    def notes(self) -> list[str]:
        """What may make scores differ from those of ``asdcore infer`` on this machine, as sentences; mostly none.

        Scorers are proven when they are brought back. Encoders are not, since no recording travels along: a network
        in float32 may give other last digits on another processor. And which encoders hear bands without sound, since
        its train clips have a lower rate than they (:mod:`asdcore.stages.notes_on_data.audio_empty_bands`).
        """
        with chosen(self._plugins):
            empty = audio_empty_bands.notes(self._frozen.clips, self._plan.branches, self._plugins, None)
        return [*empty, *kernel_notes(self._plan, self._container.manifest.predicate["environment"])]

    def score(
        self,
        audio: ArrayLike,
        sample_rate: int,
        machine: str | None = None,
        section: str | None = None,
        *,
        system: str | None = None,
        unit: str | None = None,
    ) -> Verdict:
        """Score one clip by one system.

        Parameters
        ----------
        audio : array_like of float, shape (n_samples,) or (n_channels, n_samples)
            In [-1, 1], with as many channels as the machine's train clips.
        sample_rate : int
            Hz, that of the machine's train clips.
        machine, section : str, optional
            Which machine the clip is of. Not needed if the detector knows one only.
        system : str, optional
            The system. By default the only one, or the one with the portfolio's name.
        unit : str, optional
            The unit of the samples, such as "g"; "" if nothing says it. By default that of the train clips is taken for
            granted.

        Returns
        -------
        Verdict
            Score, p-value among train normals, threshold and decision, and the share of every branch and guard: to the
            last bit what ``asdcore infer`` gives the same clip, but for what :attr:`notes` says.

        Raises
        ------
        DataError
            If the clip is too short, silent, not finite, or of another number of channels, rate or unit than the train
            clips, or the machine is unknown.
        ManifestError
            If this machine computes other numbers than were frozen.
        """
        name = self._system(system)
        return self._verdicts((audio, sample_rate, unit), machine, section, [name])[name]

    def judge(
        self, hear: Callable[[Listener], Features], machine: str | None, section: str | None, systems: list[str]
    ) -> dict[str, Verdict]:
        """Return what some systems say of a clip, of which ``hear`` gives the features that a listener asks for."""
        with self._lock, chosen(self._plugins), single_threaded():
            frozen = self._machine(*self._cell(machine, section))
            with located(frozen.kind.where):
                return frozen.verdicts(self._features(hear, frozen.machine, frozen.section), systems)

    def score_all(
        self,
        audio: ArrayLike,
        sample_rate: int,
        machine: str | None = None,
        section: str | None = None,
        *,
        unit: str | None = None,
    ) -> dict[str, Verdict]:
        """Score one clip by every system; parameters and errors as of :meth:`score`."""
        return self._verdicts((audio, sample_rate, unit), machine, section, self.systems)

    def feature_shares(
        self,
        audio: ArrayLike,
        sample_rate: int,
        machine: str | None = None,
        section: str | None = None,
        *,
        branches: Iterable[str],
    ) -> dict[str, FeatureShares]:
        """Divide what some branches say of a clip among their features, if their scorers are sums over them.

        Parameters and errors as of :meth:`score`. Empty for a machine that is judged by several baselines.
        """
        with self._lock, chosen(self._plugins), single_threaded():
            frozen = self._machine(*self._cell(machine, section))
            if isinstance(frozen, Baselines):
                return {}
            features = self._heard((audio, sample_rate, None), frozen)
            with located(frozen.kind.where):
                return frozen.feature_shares(features, branches)

    def divide(
        self, hear: Callable[[Listener], Features], machine: str | None, section: str | None, branches: Iterable[str]
    ) -> dict[str, FeatureShares]:
        """Do as :meth:`feature_shares` for a clip of which ``hear`` gives the features that a listener asks for."""
        with self._lock, chosen(self._plugins), single_threaded():
            frozen = self._machine(*self._cell(machine, section))
            if isinstance(frozen, Baselines):
                return {}
            with located(frozen.kind.where):
                return frozen.feature_shares(self._features(hear, frozen.machine, frozen.section), branches)

    def known(self, machine: str | None = None, section: str | None = None) -> KnownMachine:
        """Return what was frozen of a machine: train normals, and thresholds by any rule; errors as :meth:`score`."""
        with self._lock, chosen(self._plugins), single_threaded():
            return self._machine(*self._cell(machine, section))

    def parts(self, machine: str | None = None, section: str | None = None) -> Parts:
        """Return what makes the scores of one machine: what is asked of encoders, and what was frozen."""
        with self._lock, chosen(self._plugins), single_threaded():
            frozen = self._machine(*self._cell(machine, section))
            requests, recipes = self._listener.requests(frozen.machine), self._listener.recipes(frozen.machine)
            return Parts(self._plan, self._plugins, requests, recipes, frozen)

    def chosen_system(self, name: str | None = None) -> str:
        """Return the system that :meth:`score` takes for this name; DataError if it takes none."""
        return self._system(name)

    def reading_misfit(self, path: Path) -> str:
        """Return why a recording is not read here as where this detector was frozen, "" if it is."""
        return other_reader(path, self._container.manifest.predicate["environment"]["packages"])

    def check_asked(self, machine: str | None, section: str | None, system: str | None) -> None:
        """Raise DataError unless machine, section and system name one of each that this detector knows."""
        self._cell(machine, section)
        self._system(system)

    def _verdicts(
        self, given: Given, machine: str | None, section: str | None, systems: list[str]
    ) -> dict[str, Verdict]:
        with self._lock, chosen(self._plugins), single_threaded():
            frozen = self._machine(*self._cell(machine, section))
            features = self._heard(given, frozen)
            with located(frozen.kind.where):
                return frozen.verdicts(features, systems)

    def _heard(self, given: Given, frozen: KnownMachine) -> Features:
        """Return the features of one clip, if it is sound of this machine's kind."""
        sound = checked_audio(*given, frozen.kind, frozen.seconds)
        with located(frozen.kind.where):
            hear = partial(Listener.__call__, audio=sound, sample_rate=int(given[1]), machine=frozen.machine)
            return self._features(hear, frozen.machine, frozen.section)

    def _features(self, hear: Callable[[Listener], Features], machine: str, section: str) -> Features:
        """Return the features of one clip for all branches of a machine. hear : gives those of a listener."""
        return hear(self._listener)

    def _machine(self, machine: str, section: str) -> KnownMachine:
        """Return what is known of a machine, brought back when it is first asked for."""
        if (machine, section) not in self._machines:
            recipes = self._listener.recipes(machine)
            self._machines[machine, section] = FrozenMachine(self._frozen, recipes, machine, section, self._plugins)
        return self._machines[machine, section]

    @cached_property
    def _frozen(self) -> Frozen:
        return Frozen(self._container, self._plan)

    @cached_property
    def _listener(self) -> Listener:
        return frozen_listener(self._container, self._plan, self._plugins)

    def _cell(self, machine: str | None, section: str | None) -> tuple[str, str]:
        """Return the machine and section that are asked for."""
        fitting = [cell for cell in self.machines if machine in (None, cell[0]) and section in (None, cell[1])]
        if len(fitting) == 1:
            return fitting[0]
        raise DataError(
            f"{_unclear(machine, section, is_known=bool(fitting))}: this detector knows {self._listed()}. Name the "
            "machine, and the section if it has several."
        )

    def _listed(self) -> str:
        """Return its machines and sections as words."""
        return ", ".join(f"{name} section {number}" for name, number in self.machines)

    def _system(self, name: str | None) -> str:
        """Return the system that is asked for."""
        if name in self.systems:
            return str(name)
        if name is None and (len(self.systems) == 1 or self.name in self.systems):
            return self.systems[0] if len(self.systems) == 1 else self.name
        asked = "No system is named" if name is None else f"There is no system {name!r}"
        raise DataError(f"{asked}: this detector has {', '.join(self.systems)}. Choose one of them.")

    def _portfolio(self) -> Portfolio:
        """Return the portfolio, its checkpoints replaced by the files that travel inside."""
        choices = self._container.manifest.predicate["portfolio"]
        if self._container.checkpoints:
            folder = Path(mkdtemp(prefix="asdcore-detector-"))
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            self._container.unpack("resource/", folder)
            inside = {name: str(folder / member) for name, member in self._container.checkpoints.items()}
            choices = with_checkpoints(choices, inside)
        return parse_portfolio(choices)


def _unclear(machine: object, section: object, *, is_known: bool) -> str:
    """Return why a machine and section are not one that is known, with names plain and others as Python shows them."""
    name, number = (word if isinstance(word, str) and word else repr(word) for word in (machine, section))
    words = [*([] if machine is None else [name]), *([] if section is None else [f"section {number}"])]
    if not is_known:
        return f"{' '.join(words)} is unknown"
    return "No machine is named" if machine is None else f"{name} has several sections"
