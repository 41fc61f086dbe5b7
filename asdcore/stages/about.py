"""What ``run.json`` says of a run: which portfolio ran, on what, with which code and libraries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from asdcore.compute.kernels import processor
from asdcore.compute.recipes import component_origins, features_digest, inputs_digest, library_versions
from asdcore.contract.plugins import installed
from asdcore.contract.source_code.files import files_digest, framework_files
from asdcore.held_out import NONE, Networks
from asdcore.portfolio import Portfolio
from asdcore.store.cache import Store
from asdcore.store.digests.digest import TABLE_ALGORITHM, table_digest
from asdcore.version import __version__


def about_run(
    plan: Portfolio,
    task: str,
    root: Path,
    store: Store,
    device: str | None,
    clips: pl.DataFrame,
    networks: Networks = NONE,
) -> dict[str, Any]:
    """Return what is known of a run from its inputs.

    Parameters
    ----------
    plan : Portfolio
        The portfolio.
    task : str
        The dataset reader.
    root, store : Path and Store
        Where its recordings and cached artifacts lie.
    device : str, optional
        Where encoders ran; None for the CPU.
    clips : polars.DataFrame
        The clip index.
    networks : Networks
        What encoders have learnt, if any are trained.
    """
    plugins = installed()
    return {
        "asdcore": __version__,
        "portfolio": plan.model_dump(mode="json"),
        "portfolio_digest": plan.digest,
        "task": task,
        "plugins": component_origins([("dataset", task), *plan.components()], plugins),
        "features": {
            name: features_digest(networks.variants(name, branch), plugins, device)
            for name, branch in plan.branches.items()
        },
        **({"trained": list(networks.rows)} if networks.rows else {}),
        "inputs": inputs_digest(plan.choices(), plugins),
        "code_sha256": files_digest(*framework_files()),
        "device": device or "cpu",
        "data": str(root.resolve()),
        "data_digest": table_digest(clips.select("clip", "sha256"), ("clip",)),
        "store": str(store.root.resolve()),
        "digest_algorithm": TABLE_ALGORITHM,
        "libraries": library_versions(),
        "processor": processor(),
    }
