"""asdcore scores machine sounds for anomaly, and makes the scores trustworthy.

Run a portfolio, evaluate it::

    import asdcore

    run = asdcore.run("manifests/demo.toml", data="data/dcase2026t2", out="runs/demo")
    run.systems                                  # polars frame: clip, system, role, base, penalty, score
    asdcore.evaluate(run)                        # official score and cells, each with its interval
    asdcore.compare(run).differences             # which systems really differ

Freeze it, prove it, run it once::

    asdcore.freeze(run, "demo.json")
    asdcore.verify("demo.json").passed           # and .differences, and the results that they reach
    asdcore.infer("demo.json", data="evaluation", out="runs/final")

Carry it to the machines::

    asdcore.export("demo.json", "demo.asd")
    detector = asdcore.load_detector("demo.asd")
    detector.score(audio, 16000, "fan")              # score, p-value, decision, shares
    asdcore.explain(detector, audio, 16000, "fan")   # which bands and seconds raised the score

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
from asdcore.contract.tokens import Tokens
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
from asdcore.version import __version__

if TYPE_CHECKING:
    from asdcore.basics.paths import is_recording
    from asdcore.basics.recording_parts import part_name, part_of
    from asdcore.basics.spreadsheets import read_spreadsheet
    from asdcore.components.build import (
        load_dataset,
        load_encoder,
        load_guard,
        load_normalizer,
        load_scorer,
        load_view,
    )
    from asdcore.contract.left_out_clips import Without, left_out_by_refit
    from asdcore.contract.onnx.onnx_graph import OnnxGraph, OnnxValue
    from asdcore.contract.references import DOMAINS, METRICS, REFERENCES
    from asdcore.data.clip_index.clips import index_clips
    from asdcore.data.features.distances import DISTANCE_BYTES, PreparedBank, distances
    from asdcore.data.features.distances_as_onnx import distances_to_onnx
    from asdcore.data.synth import synthesize
    from asdcore.detector.adapting.adapt import Adaptation, adapt
    from asdcore.detector.as_onnx.write import OnnxFile, export_onnx
    from asdcore.detector.detector import Detector
    from asdcore.detector.export import export
    from asdcore.detector.load import load_detector
    from asdcore.detector.verdict import Verdict
    from asdcore.evidence.comparisons.comparison import compare
    from asdcore.evidence.evaluations.logged_evaluation import evaluate, evaluate_scores
    from asdcore.evidence.evaluations.unknown_machine import evaluate_unknown_machine
    from asdcore.evidence.false_alarms.decisions import decisions
    from asdcore.evidence.imported_results import import_results
    from asdcore.evidence.ledger import ledger, verdict
    from asdcore.evidence.selection.audit import audit_decide, audit_plan
    from asdcore.evidence.selection.choose import select
    from asdcore.exchange.exported import export_features
    from asdcore.exchange.imported import import_features
    from asdcore.explanation.explain import explain
    from asdcore.explanation.explanation import Explanation
    from asdcore.frozen.freeze import freeze
    from asdcore.frozen.infer import infer
    from asdcore.frozen.verify import verify
    from asdcore.fusion.smooth_ecdf import SmoothEcdf
    from asdcore.pipeline import run
    from asdcore.portfolio import Portfolio, load_portfolio
    from asdcore.reporting import report
    from asdcore.runs.folder import Run, load_run
    from asdcore.runs.trials import Trials, load_trials
    from asdcore.submission.check import check_submission
    from asdcore.submission.package import package

# Looked up on first use: importing asdcore (every plugin does) must not load polars or pydantic.
_LAZY = {
    "DISTANCE_BYTES": "asdcore.data.features.distances",
    "DOMAINS": "asdcore.contract.references",
    "Adaptation": "asdcore.detector.adapting.adapt",
    "Detector": "asdcore.detector.detector",
    "Explanation": "asdcore.explanation.explanation",
    "METRICS": "asdcore.contract.references",
    "OnnxFile": "asdcore.detector.as_onnx.write",
    "OnnxGraph": "asdcore.contract.onnx.onnx_graph",
    "OnnxValue": "asdcore.contract.onnx.onnx_graph",
    "Portfolio": "asdcore.portfolio",
    "PreparedBank": "asdcore.data.features.distances",
    "REFERENCES": "asdcore.contract.references",
    "Run": "asdcore.runs.folder",
    "SmoothEcdf": "asdcore.fusion.smooth_ecdf",
    "Trials": "asdcore.runs.trials",
    "Verdict": "asdcore.detector.verdict",
    "Without": "asdcore.contract.left_out_clips",
    "adapt": "asdcore.detector.adapting.adapt",
    "audit_decide": "asdcore.evidence.selection.audit",
    "audit_plan": "asdcore.evidence.selection.audit",
    "audit_views": "asdcore.preflight.view_audit",
    "check_submission": "asdcore.submission.check",
    "compare": "asdcore.evidence.comparisons.comparison",
    "decisions": "asdcore.evidence.false_alarms.decisions",
    "distances": "asdcore.data.features.distances",
    "distances_to_onnx": "asdcore.data.features.distances_as_onnx",
    "evaluate": "asdcore.evidence.evaluations.logged_evaluation",
    "evaluate_scores": "asdcore.evidence.evaluations.logged_evaluation",
    "explain": "asdcore.explanation.explain",
    "evaluate_unknown_machine": "asdcore.evidence.evaluations.unknown_machine",
    "export": "asdcore.detector.export",
    "export_onnx": "asdcore.detector.as_onnx.write",
    "export_features": "asdcore.exchange.exported",
    "freeze": "asdcore.frozen.freeze",
    "import_features": "asdcore.exchange.imported",
    "import_results": "asdcore.evidence.imported_results",
    "index_clips": "asdcore.data.clip_index.clips",
    "infer": "asdcore.frozen.infer",
    "is_recording": "asdcore.basics.paths",
    "ledger": "asdcore.evidence.ledger",
    "left_out_by_refit": "asdcore.contract.left_out_clips",
    "load_dataset": "asdcore.components.build",
    "load_detector": "asdcore.detector.load",
    "load_encoder": "asdcore.components.build",
    "load_guard": "asdcore.components.build",
    "load_normalizer": "asdcore.components.build",
    "load_portfolio": "asdcore.portfolio",
    "load_run": "asdcore.runs.folder",
    "load_scorer": "asdcore.components.build",
    "load_trials": "asdcore.runs.trials",
    "load_view": "asdcore.components.build",
    "package": "asdcore.submission.package",
    "part_name": "asdcore.basics.recording_parts",
    "part_of": "asdcore.basics.recording_parts",
    "read_spreadsheet": "asdcore.basics.spreadsheets",
    "report": "asdcore.reporting",
    "run": "asdcore.pipeline",
    "select": "asdcore.evidence.selection.choose",
    "synthesize": "asdcore.data.synth",
    "verdict": "asdcore.evidence.ledger",
    "verify": "asdcore.frozen.verify",
}

__all__ = [
    "DISTANCE_BYTES",
    "DOMAINS",
    "METRICS",
    "REFERENCES",
    "Adaptation",
    "AsdcoreError",
    "DataError",
    "DatasetError",
    "Detector",
    "EvaluationError",
    "Explanation",
    "ManifestError",
    "OnnxFile",
    "OnnxGraph",
    "OnnxValue",
    "PluginError",
    "Portfolio",
    "PortfolioError",
    "PreparedBank",
    "ResourceError",
    "Run",
    "SmoothEcdf",
    "StoreError",
    "Tokens",
    "Trials",
    "Verdict",
    "Without",
    "__version__",
    "adapt",
    "audit_decide",
    "audit_plan",
    "audit_views",
    "check_submission",
    "compare",
    "decisions",
    "distances",
    "distances_to_onnx",
    "evaluate",
    "evaluate_scores",
    "evaluate_unknown_machine",
    "explain",
    "export",
    "export_features",
    "export_onnx",
    "freeze",
    "hookimpl",
    "import_features",
    "import_results",
    "index_clips",
    "infer",
    "is_recording",
    "ledger",
    "left_out_by_refit",
    "load_dataset",
    "load_detector",
    "load_encoder",
    "load_guard",
    "load_normalizer",
    "load_portfolio",
    "load_run",
    "load_scorer",
    "load_trials",
    "load_view",
    "package",
    "part_name",
    "part_of",
    "read_spreadsheet",
    "report",
    "run",
    "select",
    "synthesize",
    "verdict",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return getattr(importlib.import_module(_LAZY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(set(globals()) | set(__all__))
