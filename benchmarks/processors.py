"""The switch-board: the same runs under every variable that makes a library take the code of another processor.

Run it with ``make processors``. Each setting is a process of its own, in which nothing but the variable differs. All
features and tables are compared with those of this processor as it is, and these with ``manifests/tiny.json``. Every
value must be equal to the last bit, but for a network in float32, which is shown beside the exact one. A variable only
takes away what a processor has; a setting that it lacks is said and left out.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import asdcore
from asdcore.cli.output.terminal import table
from asdcore.compute.kernels import VARIABLES, KernelChange, in_short, kernel_changes, processor
from asdcore.compute.recipes import feature_recipe
from asdcore.contract.plugins import installed
from asdcore.frozen.manifest.statement import read_manifest
from asdcore.frozen.verifying.how_far import arrays_apart, tables_apart
from asdcore.frozen.verifying.kernel_settings import NEEDS
from asdcore.portfolio import load_portfolio
from asdcore.runs.folder import Run, load_run
from asdcore.store.cache import Store

ROOT = Path(__file__).parents[1]
TINY = ROOT / "manifests" / "tiny.json"
DASHENG = ROOT / "tests" / "golden" / "encoders" / "dasheng" / "checkpoint.pt"
TABLES = ("scores", "calibrated", "systems", "decisions")
INEXACT = "network in float32"
"""The column that may differ."""

NETWORK = """
name = "network"

[branches.network]
encoder = {{ name = "dasheng", checkpoint = "{checkpoint}"{exact} }}
scorer = {{ name = "mahalanobis" }}

[systems.network]
weights = {{ network = 1.0 }}
"""


@dataclass(frozen=True)
class Setting:
    """Variables to set, what a person calls them, and the flag of the processor without which they take no effect."""

    variables: Mapping[str, str]
    needs: str = ""
    called: str = ""

    def __str__(self) -> str:
        return self.called or " ".join(f"{name}={value}" for name, value in self.variables.items())

    @property
    def lacks(self) -> bool:
        """Whether this processor lacks what the setting needs."""
        return bool(self.needs) and self.needs not in processor()["cpu_features"]


def settings() -> Iterator[Setting]:
    """Yield every setting, the last one as little of the processor as can be."""
    simd = processor()["kernels"]["numpy_simd"]
    wide = [name for name in simd if name.startswith(("AVX512", "X86_V4"))]
    disabled = "NPY_DISABLE_CPU_FEATURES"
    yield Setting({disabled: " ".join(wide)}, called=f"{disabled}: AVX-512")
    yield Setting({disabled: " ".join(simd)}, called=f"{disabled}: all")
    for core in ("Haswell", "SkylakeX", "Zen", "Nehalem", "Prescott"):
        yield Setting({"OPENBLAS_CORETYPE": core}, NEEDS[core])
    yield Setting({"ATEN_CPU_CAPABILITY": "default"})
    yield Setting({"ATEN_CPU_CAPABILITY": "avx2"}, "avx2")
    yield Setting({"MKL_CBWR": "COMPATIBLE"})
    yield Setting({"MKL_CBWR": "AVX2"}, "avx2")
    for name in ("ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA"):
        yield Setting({name: "SSE41"})
        yield Setting({name: "AVX2"}, "avx2")
    without_fma = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-FMA"}
    yield Setting(without_fma, called="GLIBC_TUNABLES: no AVX2, no FMA")
    least = {"OPENBLAS_CORETYPE": "Prescott", "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
    least |= {disabled: " ".join(simd), "ONEDNN_MAX_CPU_ISA": "SSE41", **without_fma}
    yield Setting(least, called="the least of all of them")


def main() -> int:
    """Run everything under every setting and print one table; returns 1 if something differs that must not."""
    with tempfile.TemporaryDirectory(prefix="asdcore-processors-") as home:
        folder = Path(home)
        data = asdcore.synthesize(folder / "data", profile="tiny")
        board = Board(data, folder, portfolios(folder))
        rows = [board.frozen(), *map(board.row, settings())]
        print("\n".join(table(rows, ["setting", *board.portfolios, "kernels"])), flush=True)
    wrong = [
        row["setting"] for row in rows for name in board.portfolios if name != INEXACT and row.get(name) not in FINE
    ]
    print(f"Not equal: {', '.join(dict.fromkeys(wrong))}" if wrong else "All equal, but for the network in float32.")
    return int(bool(wrong))


EQUAL, LACKS = "equal", "lacking"
FINE = (EQUAL, LACKS, None)


def portfolios(folder: Path) -> dict[str, str]:
    """Write the portfolios of the network and return {column: portfolio} of all."""
    network = {"exact network": ", exact = true", INEXACT: ""}
    for name, exact in network.items():
        (folder / f"{name}.toml").write_text(NETWORK.format(checkpoint=DASHENG, exact=exact))
    named = dict.fromkeys(network)
    return {"demo": "demo", "default": "default", "portfolio-2026-small": "portfolio-2026-small"} | {
        name: str(folder / f"{name}.toml") for name in named
    }


class Board:
    """Runs of some portfolios on one data set, and those of this processor as it is to compare with.

    Parameters
    ----------
    data : Path
        The recordings.
    folder : Path
        Where runs are kept.
    portfolios : mapping
        {column: portfolio}.
    """

    def __init__(self, data: Path, folder: Path, portfolios: Mapping[str, str]) -> None:
        self.data, self.folder, self.portfolios = data, folder, portfolios
        self.kernels = self.run(Setting({}), "as it is")

    def row(self, setting: Setting) -> dict[str, str]:
        """Run everything under a setting; returns its row of the table."""
        if setting.lacks:
            return {"setting": str(setting), "kernels": f"this processor lacks {setting.needs}"} | dict.fromkeys(
                self.portfolios, LACKS
            )
        kernels = self.run(setting, str(setting))
        changed = [change for change in kernel_changes(self.kernels, kernels) if change.kernel not in VARIABLES]
        columns = {name: self.compared(name, str(setting)) for name in self.portfolios}
        return {"setting": str(setting), **columns, "kernels": in_short(_without_owner(changed)) or "-"}

    def frozen(self) -> dict[str, str]:
        """Compare the tables of this processor as it is with those that ``manifests/tiny.json`` pins."""
        pinned = read_manifest(TINY).subjects
        here = load_run(self.place("as it is") / "demo").about["tables"]
        names = [name for name in TABLES if pinned[f"run/{name}.parquet"].content != here[name]]
        differing = f"{', '.join(names)} differ" if names else EQUAL
        return {"setting": "as it is, to manifests/tiny.json", "demo": differing, "kernels": "-"}

    def place(self, setting: str) -> Path:
        """Return the folder of a setting's runs and store."""
        return self.folder / setting.replace("/", "_").replace(" ", "_")[:200]

    def run(self, setting: Setting, name: str) -> dict[str, Any]:
        """Run every portfolio in a process of its own; returns the kernels that it had."""
        usual = {key: value for key, value in os.environ.items() if key not in VARIABLES}
        asked = json.dumps([str(self.data), str(self.place(name)), dict(self.portfolios)])
        command = [sys.executable, __file__, asked]
        done = subprocess.run(command, env=usual | setting.variables, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{setting} failed with {done.returncode}:\n{done.stderr[-2000:]}")
        kernels: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        return kernels

    def compared(self, name: str, setting: str) -> str:
        """Say whether a portfolio gave the same features and tables under a setting, or how far they are apart.

        Of tables the first that differs is named, since the others are made of it, and the largest difference of all.
        """
        here, there = (load_run(self.place(each) / name) for each in ("as it is", setting))
        far = self._features_apart(name, setting, here)
        told = [f"features {far}"] if far else []
        apart = {
            each: tables_apart(each, getattr(here, each), getattr(there, each))
            for each in TABLES
            if here.about["tables"][each] != there.about["tables"][each]
        }
        if lost := [each for each, how_far in apart.items() if how_far is None]:
            told.append(f"other rows in {', '.join(lost)}")
        elif apart:
            told.append(f"{next(iter(apart))} {max(apart.values()).absolute:.1e}")
        return ", ".join(told) or EQUAL

    def _features_apart(self, name: str, setting: str, here: Run) -> str:
        """Return the largest difference of features over the largest feature, "" if all are equal to the bit."""
        worst, equal = 0.0, True
        branches = load_portfolio(self.portfolios[name]).branches.values()
        for part in dict.fromkeys(part for branch in branches for part in branch.parts):
            recipe, clips = feature_recipe(part, installed(), None), here.clips["sha256"].to_list()
            then, now = (
                Store(self.place(each) / "store").features(recipe).load(clips) for each in ("as it is", setting)
            )
            equal &= then.tobytes() == now.tobytes()
            apart = arrays_apart(then, now)
            worst = max(worst, np.inf if apart is None else apart.absolute / (apart.largest or 1))
        return "" if equal else f"{worst:.1e}"


def _without_owner(changed: Sequence[KernelChange]) -> list[KernelChange]:
    """Return changes of both OpenBLAS, of NumPy and SciPy, as one."""
    named = {str(each): each for each in (change._replace(kernel=change.kernel.split(" of ")[0]) for change in changed)}
    return list(named.values())


def compute(data: str, place: str, portfolios: Mapping[str, str]) -> None:
    """Run every portfolio into a folder with a store of its own, and print the kernels of this process."""
    for name, portfolio in portfolios.items():
        asdcore.run(portfolio, data, Path(place) / name, task="dcase2026", store=Path(place) / "store")
    print(json.dumps(processor()))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        compute(*json.loads(sys.argv[1]))
    else:
        raise SystemExit(main())
