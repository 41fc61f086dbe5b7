"""Compare asdcore, plugins, Python and packages with those that a manifest pins.

A manifest of a run promises all that its run did, so every package counts that its code may import. A detector computes
scores and nothing else: of its manifest count the plugins that score, and the packages that they and the code of a
detector import (:mod:`asdcore.frozen.pinning.score_packages`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from asdcore.contract.discovery import origins
from asdcore.frozen.manifest.locations import Roots
from asdcore.frozen.manifest.statement import Manifest
from asdcore.frozen.pinning.environment import changes, environment_now, of_scores
from asdcore.frozen.pinning.hashing import hash_files
from asdcore.frozen.verifying.differences import MISSING, VERSION, Difference, compared_file
from asdcore.version import __version__


def score_code_differences(manifest: Manifest, roots: Roots) -> list[Difference]:
    """Compare what the scores of a detector hang on with what its manifest pins."""
    predicate, rows = manifest.predicate, score_plugins(manifest.predicate)
    others = {f"plugin/{row['plugin']}/" for row in predicate["plugins"] if row not in rows}
    names = [
        subject.name for subject in manifest.of_kind("code", "plugin") if not subject.name.startswith(tuple(others))
    ]
    files = hash_files(names, roots.locate_text)
    changed = [change for name, file in files.items() for change in compared_file(manifest.subjects[name], file)]
    frozen = predicate["environment"]
    needed = frozen.get("score_packages") or frozen["packages"]
    now = environment_now(frozen)
    environment = environment_differences(of_scores(frozen, needed), of_scores(now, needed))
    return [*changed, *plugin_versions(rows, predicate["asdcore"]), *environment]


def score_plugins(predicate: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a manifest's plugins that a score goes through: all but those that only read data sets."""
    return [
        row
        for row in predicate["plugins"]
        if not row.get("components") or any(not name.startswith("dataset ") for name in row["components"])
    ]


def plugin_versions(rows: Iterable[Mapping[str, Any]], asdcore: str) -> Iterator[Difference]:
    """Compare the versions of asdcore and of plugins. rows : of a manifest's plugins. asdcore : the frozen version."""
    if asdcore != __version__:
        yield Difference(VERSION, "code", "code", f"asdcore {asdcore}, here {__version__}")
    rows = list(rows)
    places = origins(row["plugin"] for row in rows)
    for row in rows:
        artifact, place, frozen = (
            f"plugin/{row['plugin']}",
            places[row["plugin"]],
            (row["distribution"], row["version"]),
        )
        if place is None:
            yield Difference(MISSING, "plugin", artifact, f"{' '.join(frozen)} is not installed")
        elif (place.distribution, place.version) != frozen:
            here = f"{place.distribution} {place.version}"
            yield Difference(VERSION, "plugin", artifact, f"{' '.join(frozen)}, here {here}")


def environment_differences(frozen: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    """Compare Python and packages. frozen, now : environments."""
    for what, before, after in changes(dict(frozen), dict(now)):
        yield Difference(VERSION, "environment", "environment", f"{what}: {before}, here {after}")
