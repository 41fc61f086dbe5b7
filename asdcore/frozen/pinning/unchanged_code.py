"""Check that code, plugins and libraries are still those that made a run: what is pinned is what computes again."""

from __future__ import annotations

from collections.abc import Iterator

from asdcore.compute.recipes import (
    changed_sources,
    component_origins,
    features_digest,
    inputs_digest,
    library_versions,
)
from asdcore.contract.plugins import Plugins
from asdcore.contract.source_code.files import files_digest, framework_files
from asdcore.errors import ManifestError
from asdcore.held_out import Networks
from asdcore.portfolio import parse_portfolio
from asdcore.runs.folder import Run
from asdcore.version import __version__

Used = list[tuple[str, str]]
"""(kind, name) of the components of a run."""


def check_unchanged(run: Run, networks: Networks, used: Used, plugins: Plugins) -> None:
    """Raise ManifestError if code, a plugin or a library is not the one that made the run, or if it is an inference.

    networks : the trained networks of the run.
    """
    if "manifest" in run.about:
        raise ManifestError(
            f"{run.folder} is an inference, which has a manifest already. Freeze the run of a portfolio."
        )
    # Components are built to tell what they would compute, which needs the code that the run had.
    problems = [*_changed_code(run, used, plugins)]
    problems += [] if problems else _changed_inputs(run, plugins)
    problems += _changed_libraries(run)
    problems += [] if problems else _changed_features(run, networks, plugins)
    if problems:
        raise ManifestError(
            "\n  - ".join(
                [
                    f"{run.folder} cannot be frozen: code, plugins or libraries have changed since. Run the portfolio "
                    "again, then freeze.",
                    *problems,
                ]
            )
        )


def _changed_code(run: Run, used: Used, plugins: Plugins) -> Iterator[str]:
    if run.about["code_sha256"] != files_digest(*framework_files()):
        yield f"asdcore's own source has changed since (then {run.about['asdcore']}, now {__version__})"
    now = {(origin["kind"], origin["name"]): origin for origin in component_origins(used, plugins)}
    for then in run.about["plugins"]:
        if then != now.get((then["kind"], then["name"])):
            yield f"the {then['kind']} {then['name']!r} of plugin {then['plugin']} has changed since"
    for name in changed_sources(used, plugins):
        yield f"the source of plugin {name} has changed since"


def _changed_inputs(run: Run, plugins: Plugins) -> Iterator[str]:
    if (then := run.about.get("inputs")) is None:
        return
    for where, digest in inputs_digest(parse_portfolio(run.about["portfolio"]).choices(), plugins).items():
        if then.get(where) != digest:
            yield f"{where} would be built differently now: a file or module in its parameters has changed"


def _changed_libraries(run: Run) -> Iterator[str]:
    for name, version in library_versions().items():
        if (then := run.about["libraries"].get(name)) != version:
            yield f"{name} was {then}, it is {version}"


def _changed_features(run: Run, networks: Networks, plugins: Plugins) -> Iterator[str]:
    for name, branch in parse_portfolio(run.about["portfolio"]).branches.items():
        features = features_digest(networks.variants(name, branch), plugins, run.about["device"])
        if run.about["features"].get(name) != features:
            yield f"branch {name!r} would get other features now"
