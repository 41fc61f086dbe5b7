"""List where the results of a run come from: folders, digests, versions, portfolio."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from asdcore.reporting.reported_runs import Subject
from asdcore.runs.folder import RUN_FILE


def origin(subject: Subject) -> dict[str, Any]:
    """Return facts (label, value), notes, the seconds of every stage, and the portfolio as JSON text."""
    about = subject.run.about
    libraries = ", ".join(f"{name} {version}" for name, version in about["libraries"].items() if version != "absent")
    facts = [
        ("run folder", str(subject.run.folder)),
        ("sha256 of run.json", hashlib.sha256((subject.run.folder / RUN_FILE).read_bytes()).hexdigest()),
        ("portfolio", about["portfolio"]["name"]),
        ("portfolio digest", about.get("portfolio_digest")),
        ("data", f"{about['data']}{'' if subject.data else ' (no longer there)'}"),
        ("data digest", about.get("data_digest")),
        ("task", f"{about['task']}, {f'rules of {subject.year}' if subject.year else 'of no challenge'}"),
        *((f"table {name}", digest) for name, digest in sorted(about["tables"].items())),
        ("asdcore", about.get("asdcore")),
        ("source digest of asdcore", about.get("code_sha256")),
        ("libraries", libraries),
        ("device", about.get("device")),
        *([("manifest", _manifest(about["manifest"]))] if "manifest" in about else []),
    ]
    return {
        "name": subject.name,
        "facts": [(label, value) for label, value in facts if value],
        "notes": list(about.get("notes", ())),
        "seconds": about.get("seconds", {}),
        "portfolio": json.dumps(about["portfolio"], indent=1, ensure_ascii=False),
    }


def _manifest(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
