"""A pretrained network on a real machine: how fast, and whether its official figures come out."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from figures import show

ROOT = Path(__file__).parents[1]
ASDCORE = Path(sys.executable).parent / "asdcore"
SHARED = Path(os.environ.get("ASDCORE_SHARED", ROOT.parent / "shared"))
TOYCAR = SHARED / "data" / "dcase2023_toycar_small"
MN04 = SHARED / "weights" / "mn04_as" / "mn04_as_mAP_432.pt"

EXPECTED = {
    "knn": {"auc_source": 74.7, "auc_target": 55.6, "pauc": 51.7, "official_score": 59.2},
    "ldn": {"auc_source": 67.7, "auc_target": 62.4, "pauc": 52.0, "official_score": 60.0},
}
"""In percent, by system: computed independently of this project."""

CLOSE = 1.5
"""Points; one standard deviation of an AUC is 4 to 5 of them here."""


def block_maps() -> list[bool]:
    """The portfolio ``mn04-block-maps`` on the real ToyCar, from the checkpoint's file to the official cells."""
    if missing := [str(path) for path in (TOYCAR, MN04) if not path.exists()]:
        print(f"skip  mn04 on the real ToyCar: {' and '.join(missing)} absent (set ASDCORE_SHARED)")
        return []
    with tempfile.TemporaryDirectory() as folder:
        # Resources and features of its own: whoever runs this finds theirs as they were.
        own = {"ASDCORE_RESOURCES": f"{folder}/resources", "ASDCORE_STORE": f"{folder}/store"}
        out = f"{folder}/run"
        _asdcore(own, "registry", "add", MN04, "--id", "efficientat-mn04")
        _asdcore(own, "run", "mn04-block-maps", "--data", TOYCAR, "--task", "dcase2023", "--out", out)
        judged = json.loads(_asdcore(own, "evaluate", out, "--json"))
        embedding = json.loads(Path(out, "run.json").read_text())["seconds"]["embed"]
    clips = len(list(TOYCAR.rglob("*.flac")))
    show("mn04 on the real ToyCar: clips of 12 s a second", clips / embedding, None, "1/s")
    kept = []
    for system, expected in EXPECTED.items():
        result = judged["systems"][system]
        found = {**result["cells"][0], **result}
        for figure, percent in expected.items():
            show(f"mn04 {system} {figure}; expected {percent}", 100 * found[figure], None, "%")
        farthest = max(abs(100 * found[figure] - percent) for figure, percent in expected.items())
        kept.append(show(f"mn04 {system}: farthest from what is expected", farthest, CLOSE, "points"))
    return kept


def _asdcore(own: dict[str, str], *command: str | Path) -> str:
    """Run a command with places of its own; returns what it prints."""
    done = subprocess.run([ASDCORE, *command], env={**os.environ, **own}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"asdcore {command[0]} failed: {done.stderr}")
    return done.stdout
