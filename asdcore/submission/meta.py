"""Write and check ``<label>.meta.yaml``, the challenge's description of a system, filled in from a run.

A field that only a person can fill in is ``!!null  # fill in: what``, and :func:`check_meta` reports it. The fields are
those of the challenge's template of 2020 and of published submissions up to 2025.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from asdcore.basics.parse import parse_json, shallow
from asdcore.errors import StoreError
from asdcore.evidence.labels.score_lines import Problem, utf8
from asdcore.evidence.metrics import harmonic_mean, rule
from asdcore.portfolio import parse_portfolio
from asdcore.portfolio.schema import DEFAULT_FUSION
from asdcore.resources.registry import open_registry
from asdcore.runs.folder import EVALUATION_FILE, Run
from asdcore.version import __version__

MARK = "# fill in:"
SINCE = {
    "domain_adaptation_method": 2021,
    "domain_generalization_method": 2021,
    "attribute_usage": 2021,
    "MACS": 2025,
}
"""The first year of fields that the template of 2020 did not have."""

NEEDED = {"submission": ("label", "name", "abbreviation", "authors"), "system": ("description", "complexity")}
MAX_ABBREVIATION, MAX_BYTES = 10, 1 << 16

_PENDING = re.compile(rf"\s*(?:- )?(?P<field>[^\s:#]+): *(?:!!null|null|~)? *{MARK}.*")
_LABEL = re.compile(r"\s*label *:")


class Blank(str):
    """What a person must fill in."""


def meta_text(
    label: str,
    run: Run,
    system: str,
    *,
    results: Mapping[str, Mapping[str, float]] | None = None,
    complexity: Mapping[str, int] | None = None,
) -> str:
    """Return the meta file of one system of a run.

    results : what :func:`development_results` returns, None without results. complexity : ``total_parameters`` and
    ``macs`` of the system, if they were counted.
    """
    counted, year = complexity or {}, run.about["year"]
    tree = {
        "submission": _submission(label),
        "system": {
            "description": _description(run, system),
            "complexity": {
                "total_parameters": counted.get("total_parameters", Blank("parameters of all subsystems")),
                "MACS": counted.get("macs", Blank("multiply-accumulates of a 10 s clip, optional")),
            },
            "external_datasets": [_external(name) for name in _checkpoints(_branches(run, system))],
            "source_code": Blank("URL, optional"),
        },
        "results": {"development_dataset": results or Blank("percent, of every machine of the development data")},
    }
    head = [
        f"# Made by asdcore {__version__} from the system {_plain(system)} of the portfolio "
        f"{_plain(run.about['portfolio']['name'])}.",
        f"# A person completes the lines that end in '{MARK} ...', or takes that comment off if nothing applies.",
    ]
    return "\n".join([*head, *_lines(tree, year), ""])


def development_results(run: Run, system: str, year: int) -> dict[str, dict[str, float]]:
    """Return {machine: {field: percent}} from a run's ``evaluation.json``, sections averaged as the year averages.

    The fields are the year's official cells; those of 2020 are ``averaged_auc`` and ``averaged_pauc``. Raises
    StoreError if the run has not been evaluated by the rules of ``year``.
    """
    path, rules = run.folder / EVALUATION_FILE, rule(year)
    by_machine: dict[str, dict[str, list[float]]] = {}
    try:
        for cell in parse_json(path.read_text(encoding="utf-8"))["systems"][system]["cells"]:
            fields = by_machine.setdefault(cell["machine"], {rule_cell.name: [] for rule_cell in rules.cells})
            for name, values in fields.items():
                values.append(float(cell[name]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"No results of the system {system!r} by the rules of {year}: {_why_none(path, error)}. Make them with "
            f"'asdcore evaluate {run.folder} --year {year}'."
        ) from None
    prefix, mean = ("averaged_", _arithmetic_mean) if rules.mean == "by machine" else ("", harmonic_mean)
    return {
        machine: {f"{prefix}{name}": round(100 * mean(values), 4) for name, values in fields.items()}
        for machine, fields in by_machine.items()
    }


def _why_none(path: Path, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"there is no {path}"
    return f"{path} cannot be read ({error})" if isinstance(error, OSError | ValueError) else f"{path} holds none"


def check_meta(content: bytes, file: str, label: str) -> tuple[list[Problem], list[Problem]]:
    """Return problems with a meta file, and warnings: fields that are open or missing."""
    if len(content) > MAX_BYTES:
        return [Problem(file, None, f"holds {len(content)} bytes; allowed are {MAX_BYTES}")], []
    text = utf8(content, file)
    if isinstance(text, Problem):
        return [text], []
    try:
        # This loader knows only text: it builds no objects and does not fill the memory.
        content_tree = shallow(yaml.load(text, Loader=yaml.BaseLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__
        return [Problem(file, mark and mark.line + 1, f"the file is not YAML ({reason}); allowed is YAML")], []
    lines = text.splitlines()
    named = _table(content_tree, "submission").get("label")
    problems = []
    if named != label:
        line = next((number for number, text_line in enumerate(lines, 1) if _LABEL.match(text_line)), None)
        shown = repr(named[:60]) if isinstance(named, str) else "no text"
        problems = [Problem(file, line, f"found {shown} as the label; allowed is {label!r}, the name of its folder")]
    return problems, list(_open_questions(content_tree, lines, file))


def _open_questions(meta: Any, lines: list[str], file: str) -> Iterator[Problem]:
    """Yield the open and missing fields of a meta file."""
    matches = [(number, _PENDING.fullmatch(line)) for number, line in enumerate(lines, 1)]
    pending = [f"{match['field']} (line {number})" for number, match in matches if match]
    if pending:
        yield Problem(file, None, f"still to be filled in: {', '.join(pending)}")
    missing = [f"{part}.{name}" for part, names in NEEDED.items() for name in names if name not in _table(meta, part)]
    if missing:
        yield Problem(file, None, f"missing fields: {', '.join(missing)}")
    short = _table(meta, "submission").get("abbreviation")
    if isinstance(short, str) and len(short) > MAX_ABBREVIATION:
        yield Problem(
            file, None, f"the abbreviation has {len(short)} characters; the challenge allows {MAX_ABBREVIATION}"
        )


def _submission(label: str) -> dict[str, Any]:
    author = {
        "lastname": label.split("_")[0],
        "firstname": Blank("the corresponding author"),
        "email": Blank("the corresponding author"),
        "corresponding": True,
        "affiliation": {field: Blank("the author's") for field in ("institution", "department", "location")},
    }
    return {
        "label": label,
        "name": Blank("the system's name in tables"),
        "abbreviation": Blank(f"at most {MAX_ABBREVIATION} characters"),
        "authors": [author],
    }


def _description(run: Run, system: str) -> dict[str, Any]:
    """Return a system's description from its portfolio, in the challenge's fields; lists are joined by commas."""
    branches = _branches(run, system)
    encoders = [branch["encoder"] for branch in branches]
    rates = sorted(set(run.clips["sample_rate"]))
    return {
        "input_sampling_rate": _joined(f"{rate / 1000:g}kHz" for rate in rates),
        "data_augmentation": Blank("of training, if there was any"),
        "front_end": _joined(view for branch in branches for view in _views(branch)),
        "acoustic_features": _joined(encoder["name"] for encoder in encoders if "checkpoint" not in encoder)
        or Blank("what the encoders take in"),
        "embeddings": _joined(_embedding(encoder) for encoder in encoders if "checkpoint" in encoder),
        "machine_learning_method": _joined(branch["scorer"]["name"] for branch in branches),
        "aggregation_method": _joined(encoder["pooling"]["name"] for encoder in encoders),
        "domain_adaptation_method": Blank("if there is any"),
        "domain_generalization_method": _joined(branch["normalizer"]["name"] for branch in branches),
        "ensemble_method_subsystem_count": len(branches) if len(branches) > 1 else None,
        "decision_making": _fusion(run, system) if len(branches) > 1 else None,
        "attribute_usage": Blank("if attributes were used"),
        "external_data_usage": "pre-trained model" if _checkpoints(branches) else None,
        "development_data_usage": Blank("such as development, pre-training, fine-tuning"),
    }


def _branches(run: Run, system: str) -> list[dict[str, Any]]:
    """Return the branches with a weight other than 0 in a system."""
    fused = parse_portfolio(run.about["portfolio"]).systems[system].fused
    return [branch for name, branch in run.about["portfolio"]["branches"].items() if name in fused]


def _views(branch: Mapping[str, Any]) -> list[str]:
    residual = branch.get("residual")
    return [branch["view"]["name"], *([residual["view"]["name"]] if residual else [])]


def _fusion(run: Run, system: str) -> str:
    plan = parse_portfolio(run.about["portfolio"])
    choice = plan.systems[system]
    mean = "average" if len(set(filter(None, choice.weights.values()))) == 1 else "weighted average"
    how = mean if choice.fusion.name == DEFAULT_FUSION else choice.fusion.name
    guards = [f"{guard.name} guard" for guard in choice.guards]
    scores = "normalized" if choice.transform.name == "identity" else choice.transform.name
    mirror = [] if choice.out_of_fold_mirror_of is None else [f"average over {plan.folds} folds of the training data"]
    return ", ".join([f"{how} of {scores} scores", *guards, *mirror])


def _checkpoints(branches: Iterable[Mapping[str, Any]]) -> list[str]:
    encoders = (branch["encoder"] for branch in branches)
    return list(dict.fromkeys(_checkpoint(encoder) for encoder in encoders if "checkpoint" in encoder))


def _checkpoint(encoder: Mapping[str, Any]) -> str:
    return PurePosixPath(encoder["checkpoint"]).name  # without its folder: a path of this machine is private


def _external(checkpoint: str) -> dict[str, str]:
    """Return name and address of a checkpoint, from the registry if it is named by its id."""
    entry = open_registry().resources.get(checkpoint)
    if entry is None:
        return {"name": checkpoint, "url": Blank("where it is published")}
    return {"name": entry.title, "url": entry.source or Blank("where it is published; it is your own")}


def _embedding(encoder: Mapping[str, Any]) -> str:
    layer = "" if encoder.get("layer") is None else f", layer {encoder['layer']}"
    return f"{encoder['name']} ({_checkpoint(encoder)}{layer})"


def _joined(parts: Iterable[str]) -> str | None:
    return ", ".join(dict.fromkeys(parts)) or None


def _arithmetic_mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _table(meta: Any, name: str) -> Mapping[str, Any]:
    part = meta.get(name) if isinstance(meta, dict) else None
    return part if isinstance(part, dict) else {}


def _lines(tree: Mapping[str, Any], year: int, depth: int = 0) -> Iterator[str]:
    """Yield a tree of tables and lists of tables as YAML, without the fields that came after ``year``."""
    pad = "  " * depth
    for key, value in tree.items():
        head = f"{pad}{_plain(key)}:"
        if SINCE.get(key, 0) > year:
            continue
        if isinstance(value, Blank):
            yield f"{head} !!null  {MARK} {value}"
        elif isinstance(value, Mapping):
            yield from (head, *_lines(value, year, depth + 1))
        elif isinstance(value, list) and value:
            yield head
            for item in value:
                first, *rest = _lines(item, year, depth + 2)
                yield from (f"{pad}  - {first.lstrip()}", *rest)
        else:
            yield f"{head} {_plain(value or None if isinstance(value, list) else value)}"


def _plain(value: Any) -> str:
    """Return a scalar as YAML on one line, quoted if it must be."""
    if value is None:
        return "!!null"
    text: str = yaml.safe_dump(value, allow_unicode=True, width=float("inf"))
    return text.removesuffix("...\n").strip()
