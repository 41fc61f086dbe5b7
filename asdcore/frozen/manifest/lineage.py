"""The lineage of a run: the parents of every artifact, and the results that a change affects.

    data/<clip>                       -> clips/<machine>/<section>; of a manifest with shards by way of
                                         audio/<machine>/<section>/<split>, which stands for its recordings
    asdcore/<file>                    -> code
    plugin/<P>/<file>                 -> plugin/<P>
    train clips, plugins, checkpoint, code                -> store/trained/<recipe>: what an encoder has learnt
    clips, plugins, checkpoint, code, trained encoder     -> store/features/<recipe>/<shard>
    features, scorer's plugin         -> store/fitted/<recipe>: what a scorer has learnt
    fitted scorer, features           -> branch/<branch>/<machine>/<section>
    branches, guards, normalizers     -> result/<system>/<machine>/<section>
    branches of all machines          -> run/scores.parquet -> calibrated -> systems -> decisions

A result is what one system says of one machine and section.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import polars as pl

from asdcore.frozen.manifest.shards import name_of_clips, part_of_clips
from asdcore.portfolio import Portfolio

Lineage = dict[str, list[str]]

TABLES = ("run/clips.parquet", "run/scores.parquet", "run/calibrated.parquet", "run/systems.parquet")
LAST_TABLE = "run/decisions.parquet"
_ALL_TABLES = (*TABLES, LAST_TABLE)
EVERYTHING = ("code", "environment", "run/portfolio.json")
"""What every step depends on."""


@dataclass(frozen=True)
class Recordings:
    """The recordings of one machine and section by their names, or by the nodes that stand for them: all, and train."""

    all: set[str] = field(default_factory=set)
    train: set[str] = field(default_factory=set)


Cell = tuple[str, str]
"""A machine and a section."""


@dataclass(frozen=True)
class Ingredients:
    """What :func:`draw` makes a lineage from.

    clips : {(machine, section): its recordings}. plugin : {(kind, name): its plugin}. files : {group node: names of the
    files in it}. shards : {branch: {name of a shard: the (machine, section) whose clips are read from it}}. resources :
    {branch: names of its checkpoint files}. fitted : {branch: {machine/section: names of the states of its scorers}}.
    trained : {name of a trained state: its branches, and the machine that it hears, "" for all}. crossfit : as shards,
    of features by the networks of folds. sharded : whether the manifest lists its recordings in shards.
    """

    plan: Portfolio
    task: str
    clips: Mapping[Cell, Recordings]
    plugin: Mapping[tuple[str, str], str]
    files: Mapping[str, list[str]]
    shards: Mapping[str, Mapping[str, list[Cell]]]
    resources: Mapping[str, list[str]] = field(default_factory=dict)
    fitted: Mapping[str, Mapping[str, list[str]]] = field(default_factory=dict)
    trained: Mapping[str, tuple[list[str], str]] = field(default_factory=dict)
    crossfit: Mapping[str, Mapping[str, list[Cell]]] = field(default_factory=dict)
    sharded: bool = False


def recordings_of(portions: Iterable[pl.DataFrame], sharded: bool) -> dict[Cell, Recordings]:
    """Return the recordings of each machine and section of a clip index that is read in portions."""
    cells: dict[Cell, Recordings] = defaultdict(Recordings)
    for clips in portions:
        named = clips.select("machine", "section", "split", node=part_of_clips() if sharded else name_of_clips())
        for machine, section, split, node in named.unique().rows():
            of_cell = cells[machine, section]
            of_cell.all.add(node)
            if split == "train":
                of_cell.train.add(node)
    return dict(cells)


def draw(made: Ingredients) -> Lineage:
    """Return {artifact: its parents}, every name sorted."""
    lineage: dict[str, set[str]] = defaultdict(set)
    lineage["environment"] = set()
    if made.sharded:
        lineage |= {node: set() for recordings in made.clips.values() for node in recordings.all}
    for group, names in made.files.items():
        lineage[group] |= set(names)
    reader = f"plugin/{made.plugin['dataset', made.task]}"
    for cell, recordings in made.clips.items():
        lineage[f"clips/{_where(cell)}"] |= {reader, *recordings.all}
    for branch in made.plan.branches:
        _branch(made, branch, lineage)
    for system in made.plan.systems:
        _results(made, system, lineage)
    _tables(made, lineage)
    return {node: sorted(parents) for node, parents in sorted(lineage.items())}


def reached(lineage: Mapping[str, Iterable[str]], changed: Iterable[str]) -> set[str]:
    """Return everything that descends from what changed.

    Tables and files of features hold several machines, so what reaches them through the clips or results of one machine
    goes no further: what depends on that machine descends from it by another way too. A table that was itself changed
    reaches the tables made of it and every result.
    """
    children: dict[str, list[str]] = defaultdict(list)
    for node, parents in lineage.items():
        for parent in parents:
            children[parent].append(node)
    wholly = set(changed)
    descendants: set[str] = set()
    waiting = deque(wholly)
    while waiting:
        node = waiting.popleft()
        for child in children[node]:
            descendants.add(child)
            if child not in wholly and _goes_on(node, child):
                wholly.add(child)
                waiting.append(child)
    if not wholly.isdisjoint(_ALL_TABLES):
        descendants |= {node for node in lineage if node.startswith("result/")}
    return descendants


def _goes_on(node: str, child: str) -> bool:
    """Whether a change of ``node`` concerns all of ``child``, rather than one machine's part of it."""
    if child in _ALL_TABLES:
        return node in _ALL_TABLES
    return not (child.startswith("store/") and node.startswith("clips/"))


def _branch(made: Ingredients, branch: str, lineage: dict[str, set[str]]) -> None:
    """Add the features and scores of one branch."""
    choice = made.plan.branches[branch]
    used = [("encoder", choice.encoder.name), *(("view", view.name) for view in choice.views)]
    makers = {f"plugin/{made.plugin[component]}" for component in used}
    makers |= {*EVERYTHING, *made.resources.get(branch, ())}
    scorer = f"plugin/{made.plugin['scorer', choice.scorer.name]}"
    networks = {name: machine for name, (branches, machine) in made.trained.items() if branch in branches}
    for name, machine in networks.items():
        heard = (clips.train for cell, clips in made.clips.items() if machine in ("", cell[0]))
        lineage[name] |= {*makers, *set[str]().union(*heard)}
    holding, unseen = (_of_cells(files) for files in (made.shards[branch], made.crossfit.get(branch, {})))
    for cell in made.clips:
        where = _where(cell)
        own = {name for name, machine in networks.items() if machine in ("", cell[0])}
        for name in (*holding[cell], *unseen[cell]):
            lineage[name] |= {*makers, *own, f"clips/{where}"}
        parents = {*holding[cell], scorer, *EVERYTHING, f"clips/{where}"}
        states = made.fitted.get(branch, {}).get(where, [])
        for state in states:
            lineage[state] |= parents
        lineage[f"branch/{branch}/{where}"] |= {*parents, *states, *unseen[cell], *own}


def _of_cells(shards: Mapping[str, list[Cell]]) -> dict[Cell, set[str]]:
    """Return the shards that clips of each machine and section are read from."""
    holding: dict[Cell, set[str]] = defaultdict(set)
    for name, cells in shards.items():
        for cell in cells:
            holding[cell].add(name)
    return holding


def _where(cell: Cell) -> str:
    return "/".join(cell)


def _results(made: Ingredients, system: str, lineage: dict[str, set[str]]) -> None:
    """Add the results of one system, for each machine and section. A guard may look at every branch."""
    choice = made.plan.systems[system]
    branches = set(made.plan.branches) if choice.guards else choice.branches
    makers = {f"plugin/{made.plugin['guard', guard.name]}" for guard in choice.guards}
    makers |= {f"plugin/{made.plugin['normalizer', made.plan.branches[branch].normalizer.name]}" for branch in branches}
    for where in map(_where, made.clips):
        lineage[f"result/{system}/{where}"] |= {
            *makers,
            *EVERYTHING,
            *(f"branch/{branch}/{where}" for branch in branches),
        }


def _tables(made: Ingredients, lineage: dict[str, set[str]]) -> None:
    """Add the tables of the run folder, each made of the one before."""
    clips, scores, calibrated, systems = TABLES
    lineage[clips] |= {node for node in lineage if node.startswith("clips/")}
    lineage[scores] |= {clips, *(node for node in lineage if node.startswith("branch/"))}
    normalizers = {made.plugin["normalizer", branch.normalizer.name] for branch in made.plan.branches.values()}
    lineage[calibrated] |= {scores, *EVERYTHING, *(f"plugin/{plugin}" for plugin in normalizers)}
    lineage[systems] |= {calibrated, *(node for node in lineage if node.startswith("result/"))}
    lineage[LAST_TABLE] |= {systems}
    lineage["run/run.json"] |= {*_ALL_TABLES}
