"""Recompute every table of a frozen run from the recordings and compare. The tolerance is exactly 0."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl

from asdcore.cluster.connection import Cluster
from asdcore.components.readers import build_lister
from asdcore.compute.kernels import KernelChange
from asdcore.contract.plugins import restricted
from asdcore.errors import AsdcoreError, ClusterError, ManifestError
from asdcore.frozen.manifest.locations import Roots
from asdcore.frozen.manifest.statement import Manifest
from asdcore.frozen.verifying.differences import CHANGED, Difference
from asdcore.frozen.verifying.fitted_again import fitted_again
from asdcore.frozen.verifying.how_far import tables_apart
from asdcore.frozen.verifying.linked_store import link_store
from asdcore.frozen.verifying.recomputed_sample import prove
from asdcore.held_out import Networks
from asdcore.pipeline import Work
from asdcore.portfolio import Portfolio, parse_portfolio
from asdcore.progress import Progress
from asdcore.runs.folder import RUN_FILE, TABLES
from asdcore.store.cache import Store
from asdcore.store.digests.digest import table_digest
from asdcore.store.disk.atomic import fresh_folder
from asdcore.store.tables import read_table

Rows = list[dict[str, Any]]


def recompute(
    manifest: Manifest,
    roots: Roots,
    workers: int,
    progress: Progress,
    cluster: Cluster | None = None,
    *,
    retrain: bool = False,
    kernels: Sequence[KernelChange] = (),
) -> tuple[Rows, list[Difference]]:
    """Return one row for each table (its name, whether it is the same, the largest difference) and the differences.

    Only the pinned plugins are loaded. Features of trained encoders are computed anew from the trained states that are
    pinned; with ``retrain`` they are trained anew, too. What scorers have learnt is fitted anew, and compared.
    ``max_abs_diff`` is 0 if digests agree, and None if they do not and the frozen table is not here to be compared
    with, or has other rows. Raises ClusterError if the cluster fails.

    kernels : those that are not as at the freeze. On them a scorer may learn something else, and score the same: then
    it must give every test clip the scores that are frozen.
    """
    with _empty_store(roots, cluster) as folder:
        try:
            again, left_out = _tables(manifest, roots, folder, workers, progress, cluster, retrain)
        except ClusterError:
            raise
        except AsdcoreError as error:
            return [], [Difference(CHANGED, "recomputed", "run/scores.parquet", f"cannot be built anew: {error}")]
        learnt = list(fitted_again(manifest, roots, folder))
    if learnt and kernels and roots.folders["run"].exists():
        learnt = prove(manifest, roots, kernels, workers, progress, every_clip=True).differences
    rows = [_compared(name, frame, manifest, roots) for name, frame in again.items()]
    differences = [
        Difference(CHANGED, "recomputed", f"run/{row['table']}.parquet", f"built anew it differs {_how_far(row)}")
        for row in rows
        if not row["same"]
    ]
    return rows, [*differences, *learnt, *_left_out(manifest.predicate["run"].get("out_of_fold", []), left_out)]


@contextmanager
def _empty_store(roots: Roots, cluster: Cluster | None) -> Iterator[Path]:
    """Give a folder to compute into, which all workers see: that of the frozen store, unless they run here."""
    if cluster is None or cluster.is_here:
        with TemporaryDirectory(prefix="asdcore-recompute-") as folder:
            yield Path(folder)
    else:
        with fresh_folder(roots.folders["store"] / "recomputed") as folder:
            yield folder


def _left_out(pinned: Rows, again: Rows) -> list[Difference]:
    """Compare the manifest's groups of train normals with those that the recordings give now.

    Decisions and selection count these groups, so a record of too many groups would promise too much.
    """
    before, after = _groups(pinned), _groups(again)
    changed = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    places = list(dict.fromkeys(f"{machine} section {section}" for machine, section, _ in sorted(changed)))
    if not places:
        return []
    more = f" and {len(places) - 1} more" if len(places) > 1 else ""
    detail = f"built anew, out_of_fold has other groups of train normals at {places[0]}{more}"
    return [Difference(CHANGED, "recomputed", f"run/{RUN_FILE}", detail)]


def _groups(left_out: Rows) -> dict[tuple[str, str, str], Any]:
    """Return how each machine, section and branch left train normals out.

    The measured strength of their dependence is left out: its last digits may differ between machines.
    """
    measured = ("nearness", "chance")
    groups = {}
    for row in left_out:
        domains = {
            name: {key: value for key, value in domain.items() if key not in measured}
            for name, domain in row["domains"].items()
        }
        for branch, manner in row["branches"].items():
            groups[row["machine"], row["section"], branch] = row["by"], manner, domains
    return groups


def _tables(
    manifest: Manifest,
    roots: Roots,
    folder: Path,
    workers: int,
    progress: Progress,
    cluster: Cluster | None,
    retrain: bool,
) -> tuple[dict[str, pl.DataFrame], Rows]:
    """Run the frozen portfolio again with an empty store, in ``workers`` processes or on a cluster.

    Returns the tables, and ``out_of_fold`` as ``run.json`` has it.
    """
    frozen = manifest.predicate
    names = [row["plugin"] for row in frozen["plugins"]]
    task, device = frozen["run"]["task"], frozen["run"]["device"]
    with restricted(names) as plugins:
        plan = parse_portfolio(frozen["portfolio"])
        work = Work(
            plan,
            task,
            roots.folders["data"],
            Store(folder),
            workers,
            None if device == "cpu" else device,
            progress,
            names,
            cluster,
            networks=None if retrain else _pinned_networks(manifest, roots, plan, folder),
        )
        clips, _ = work.listed(build_lister(task, plugins, plan.windows), rehash=True)
        tables = work.tables(clips)
        return {name: TABLES[name].check(frame) for name, frame in tables.items()}, work.out_of_fold


def _pinned_networks(manifest: Manifest, roots: Roots, plan: Portfolio, folder: Path) -> Networks:
    """Link the trained states that are pinned into a store, and return their networks."""
    link_store(manifest, roots, folder, ("trained",))
    networks = Networks.of(plan, manifest.predicate["run"].get("trained", []), folder)
    if lost := [path.name for path in networks.files() if not path.exists()]:
        raise ManifestError(
            f"the store lacks {len(lost)} trained states, such as {lost[0]}. 'asdcore verify --recompute --retrain' "
            "trains them anew."
        )
    return networks


def _compared(name: str, again: pl.DataFrame, manifest: Manifest, roots: Roots) -> dict[str, Any]:
    pinned = manifest.subjects[f"run/{name}.parquet"].content
    digest = table_digest(again, TABLES[name].key)
    row = {"table": name, "pinned": pinned, "found": digest, "same": pinned == digest, "max_abs_diff": 0.0}
    if not row["same"]:
        row["max_abs_diff"] = _largest_difference(name, again, roots.folders["run"])
    return row


def _largest_difference(name: str, again: pl.DataFrame, folder: Path) -> float | None:
    """Return the largest absolute difference of any number, None if rows or words differ or cannot be compared."""
    try:
        frozen = read_table(TABLES[name], folder / f"{name}.parquet", "")
    except AsdcoreError:
        return None
    apart = tables_apart(name, frozen, again)
    return None if apart is None else apart.absolute


def _how_far(row: dict[str, Any]) -> str:
    far = row["max_abs_diff"]
    return (
        "in its rows, or the frozen one is not here to compare" if far is None else f"by up to {far:.3g}, 0 is allowed"
    )
