"""asdcore scores machine sounds for anomaly, and makes the scores trustworthy.

Run a portfolio, evaluate it::

    import asdcore

    run = asdcore.run("manifests/demo.toml", data="data/dcase2026t2", out="runs/demo")
    run.systems                                  # polars frame: clip, system, role, base, penalty, score
    asdcore.evaluate(run)                        # official score and cells

Build one component by name::

    knn = asdcore.load_scorer("knn", k=1, metric="cosine")
    tokens = asdcore.load_encoder("logmel").encode(audio, layers=[0])[0]    # tokens.patches (n_clips, time, band, dim)

Write a plugin::

    from asdcore import Tokens, hookimpl         # and check it with asdcore.testing

Everything the command line does is a function with the same words.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from asdcore.contract.hookspecs import hookimpl
from asdcore.contract.interfaces import Tokens
from asdcore.errors import (
    AsdcoreError,
    DataError,
    DatasetError,
    EvaluationError,
    ManifestError,
    PluginError,
    PortfolioError,
    ResourceError,
    StoreError,
)

if TYPE_CHECKING:
    from asdcore.components import (
        load_dataset,
        load_encoder,
        load_guard,
        load_normalizer,
        load_scorer,
        load_view,
    )
    from asdcore.data.clips import index_clips
    from asdcore.data.synth import synthesize
    from asdcore.pipeline import evaluate, evaluate_scores, run
    from asdcore.portfolio import Portfolio, load_portfolio
    from asdcore.runs import Run, load_run
    from asdcore.transforms import SmoothEcdf

__version__ = "0.1.0"

# Looked up on first use: importing asdcore (every plugin does) must not load polars or pydantic.
_LAZY = {
    "Portfolio": "asdcore.portfolio",
    "Run": "asdcore.runs",
    "SmoothEcdf": "asdcore.transforms",
    "evaluate": "asdcore.pipeline",
    "evaluate_scores": "asdcore.pipeline",
    "index_clips": "asdcore.data.clips",
    "load_dataset": "asdcore.components",
    "load_encoder": "asdcore.components",
    "load_guard": "asdcore.components",
    "load_normalizer": "asdcore.components",
    "load_portfolio": "asdcore.portfolio",
    "load_run": "asdcore.runs",
    "load_scorer": "asdcore.components",
    "load_view": "asdcore.components",
    "run": "asdcore.pipeline",
    "synthesize": "asdcore.data.synth",
}

__all__ = [
    "AsdcoreError",
    "DataError",
    "DatasetError",
    "EvaluationError",
    "ManifestError",
    "PluginError",
    "Portfolio",
    "PortfolioError",
    "ResourceError",
    "Run",
    "SmoothEcdf",
    "StoreError",
    "Tokens",
    "evaluate",
    "evaluate_scores",
    "hookimpl",
    "index_clips",
    "load_dataset",
    "load_encoder",
    "load_guard",
    "load_normalizer",
    "load_portfolio",
    "load_run",
    "load_scorer",
    "load_view",
    "run",
    "synthesize",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
