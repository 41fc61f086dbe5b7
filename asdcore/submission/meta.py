"""``<label>.meta.yaml``: what the challenge asks of a system in words, filled in as far as a run knows it.

What only a person knows stands as ``!!null  # fill in: what`` and is found by :func:`check_meta` until it is done. The
fields are those of the challenge's template of 2020 and of published submissions up to 2025.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any

import yaml

from asdcore.basics.parse import parse_json, shallow
from asdcore.errors import StoreError
from asdcore.evidence.lines import Problem, utf8
from asdcore.evidence.metrics import harmonic_mean, rule
from asdcore.portfolio import parse_portfolio
from asdcore.portfolio.parts import DEFAULT_FUSION
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

    results : what :func:`development_results` returns, None where there are none. complexity : ``total_parameters``
    and ``macs`` of the system, as far as they are known.
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
        f"# A person completes the lines that end in '{MARK} ...', or takes that comment off where nothing applies.",
    ]
    return "\n".join([*head, *_lines(tree, year), ""])


def development_results(run: Run, system: str, year: int) -> dict[str, dict[str, float]]:
    """Return {machine: {field: percent}} from a run's ``evaluation.json``, sections averaged as the year averages.

    The fields are the year's official cells; those of 2020 are ``averaged_auc`` and ``averaged_pauc``. Raises
    StoreError where the run has not been evaluated by the rules of ``year``.
    """
    path, rules = run.folder / EVALUATION_FILE, rule(year)
    by_machine: dict[str, dict[str, list[float]]] = {}
    try:
        for cell in parse_json(path.read_text(encoding="utf-8"))["systems"][system]["cells"]:
            fields = by_machine.setdefault(cell["machine"], {one.name: [] for one in rules.cells})
            for name, values in fields.items():
                values.append(float(cell[name]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(
            f"{path} holds no results of the system {system!r} by the rules of {year} ({type(error).__name__}: "
            f"{error}). Make them with 'asdcore evaluate {run.folder} --year {year}'."
        ) from None
    prefix, mean = ("averaged_", _arithmetic_mean) if rules.mean == "by machine" else ("", harmonic_mean)
    return {
        machine: {f"{prefix}{name}": round(100 * mean(values), 4) for name, values in fields.items()}
        for machine, fields in by_machine.items()
    }


def check_meta(content: bytes, file: str, label: str) -> tuple[list[Problem], list[Problem]]:
    """Return what is wrong with a meta file, and what a person should look at: fields that are open or missing."""
    if len(content) > MAX_BYTES:
        return [Problem(file, None, f"holds {len(content)} bytes; allowed are {MAX_BYTES}")], []
    text = utf8(content, file)
    if isinstance(text, Problem):
        return [text], []
    try:
        # The loader that knows nothing but text: it builds no objects, and cannot be made to fill the memory.
        said = shallow(yaml.load(text, Loader=yaml.BaseLoader))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or type(error).__name__
        return [Problem(file, mark and mark.line + 1, f"found what is no YAML ({reason}); allowed is YAML")], []
    lines = text.splitlines()
    found = _table(said, "submission").get("label")
    problems = []
    if found != label:
        line = next((number for number, one in enumerate(lines, 1) if _LABEL.match(one)), None)
        shown = repr(found[:60]) if isinstance(found, str) else "no text"
        problems = [Problem(file, line, f"found {shown} as the label; allowed is {label!r}, the name of its folder")]
    return problems, list(_open_questions(said, lines, file))


def _open_questions(said: Any, lines: list[str], file: str) -> Iterator[Problem]:
    """Yield what a meta file leaves open."""
    found = [(number, _PENDING.fullmatch(line)) for number, line in enumerate(lines, 1)]
    pending = [f"{one['field']} (line {number})" for number, one in found if one]
    if pending:
        yield Problem(file, None, f"still to be filled in: {', '.join(pending)}")
    missing = [f"{part}.{name}" for part, names in NEEDED.items() for name in names if name not in _table(said, part)]
    if missing:
        yield Problem(file, None, f"there is no {', '.join(missing)}")
    short = _table(said, "submission").get("abbreviation")
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
        "affiliation": {one: Blank("the author's") for one in ("institution", "department", "location")},
    }
    return {
        "label": label,
        "name": Blank("the system's name in tables"),
        "abbreviation": Blank(f"at most {MAX_ABBREVIATION} characters"),
        "authors": [author],
    }


def _description(run: Run, system: str) -> dict[str, Any]:
    """Return what a portfolio says of a system, in the words of the challenge; lists are joined by commas."""
    branches = _branches(run, system)
    encoders = [branch["encoder"] for branch in branches]
    rates = sorted(set(run.clips["sample_rate"]))
    return {
        "input_sampling_rate": _joined(f"{rate / 1000:g}kHz" for rate in rates),
        "data_augmentation": Blank("of training, where there was any"),
        "front_end": _joined(view for branch in branches for view in _views(branch)),
        "acoustic_features": _joined(one["name"] for one in encoders if "checkpoint" not in one)
        or Blank("what the encoders take in"),
        "embeddings": _joined(_embedding(one) for one in encoders if "checkpoint" in one),
        "machine_learning_method": _joined(branch["scorer"]["name"] for branch in branches),
        "aggregation_method": _joined(one["pooling"]["name"] for one in encoders),
        "domain_adaptation_method": Blank("where there is any"),
        "domain_generalization_method": _joined(branch["normalizer"]["name"] for branch in branches),
        "ensemble_method_subsystem_count": len(branches) if len(branches) > 1 else None,
        "decision_making": _fusion(run, system) if len(branches) > 1 else None,
        "attribute_usage": Blank("where attributes were used"),
        "external_data_usage": "pre-trained model" if _checkpoints(branches) else None,
        "development_data_usage": Blank("such as development, pre-training, fine-tuning"),
    }


def _branches(run: Run, system: str) -> list[dict[str, Any]]:
    """Return the branches that count in a system: a weight of 0 takes no part."""
    fused = parse_portfolio(run.about["portfolio"]).systems[system].fused
    return [branch for name, branch in run.about["portfolio"]["branches"].items() if name in fused]


def _views(branch: Mapping[str, Any]) -> list[str]:
    residual = branch.get("residual")
    return [branch["view"]["name"], *([residual["view"]["name"]] if residual else [])]


def _fusion(run: Run, system: str) -> str:
    plan = parse_portfolio(run.about["portfolio"])
    said = plan.systems[system]
    mean = "average" if len(set(filter(None, said.weights.values()))) == 1 else "weighted average"
    how = mean if said.fusion.name == DEFAULT_FUSION else said.fusion.name
    guards = [f"{guard.name} guard" for guard in said.guards]
    mirror = [] if said.out_of_fold_mirror_of is None else [f"average over {plan.folds} folds of the training data"]
    return ", ".join([f"{how} of {said.transform.name} scores", *guards, *mirror])


def _checkpoints(branches: Iterable[Mapping[str, Any]]) -> list[str]:
    found = (branch["encoder"] for branch in branches)
    return list(dict.fromkeys(_checkpoint(one) for one in found if "checkpoint" in one))


def _checkpoint(encoder: Mapping[str, Any]) -> str:
    return PurePosixPath(encoder["checkpoint"]).name  # where it lies on this machine is nobody's business


def _external(checkpoint: str) -> dict[str, str]:
    """Return name and address of a checkpoint: the registry knows those that are named by their id."""
    known = open_registry().resources.get(checkpoint)
    if known is None:
        return {"name": checkpoint, "url": Blank("where it is published")}
    return {"name": known.title, "url": known.source or Blank("where it is published; it is your own")}


def _embedding(encoder: Mapping[str, Any]) -> str:
    layer = "" if encoder.get("layer") is None else f", layer {encoder['layer']}"
    return f"{encoder['name']} ({_checkpoint(encoder)}{layer})"


def _joined(parts: Iterable[str]) -> str | None:
    return ", ".join(dict.fromkeys(parts)) or None


def _arithmetic_mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _table(said: Any, name: str) -> Mapping[str, Any]:
    part = said.get(name) if isinstance(said, dict) else None
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
    """Return a scalar as YAML on one line, quoted where it must be."""
    if value is None:
        return "!!null"
    text: str = yaml.safe_dump(value, allow_unicode=True, width=float("inf"))
    return text.removesuffix("...\n").strip()
