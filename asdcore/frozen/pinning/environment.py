"""Record and compare what a result was computed with: Python, packages, processor, linear algebra.

``COMPARED`` must be as it was. Another processor, or another kernel of a library (:mod:`asdcore.compute.kernels`), is a
reason to prove that the same bytes come out. The rest is only recorded. Nothing imports torch.
"""

from __future__ import annotations

import os
import platform
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from asdcore.compute.kernels import processor
from asdcore.contract.source_code.files import module_file
from asdcore.frozen.pinning.packages import packages_now, packages_of

COMPARED = ("python", "packages", "torch", "blas", "libc", "machine", "deterministic")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


def environment(sources: Iterable[Path], modules: Iterable[str], device: str) -> dict[str, Any]:
    """Return the environment of the code in ``sources`` and ``modules`` (named in parameters) on ``device``."""
    return _environment(packages_of(sources, modules), device)


def environment_now(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return the present environment, for the packages in a recorded one."""
    return _environment(packages_now(recorded["packages"]), recorded["deterministic"]["device"])


def of_scores(environment: dict[str, Any], needed: Collection[str]) -> dict[str, Any]:
    """Return what of an environment the scores of a detector hang on. needed : the packages that they need."""
    packages = {name: version for name, version in environment["packages"].items() if name in needed}
    return {**environment, "packages": packages, "torch": environment.get("torch") if "torch" in needed else {}}


def changes(recorded: dict[str, Any], now: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield (key, recorded value, present value) of everything that must be as it was and is not."""
    for key in COMPARED:
        before, after = recorded.get(key), now.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            for name in sorted({*before, *after}):
                if before.get(name) != after.get(name):
                    yield f"{key}: {name}", str(before.get(name)), str(after.get(name))
        elif before != after:
            yield key, str(before), str(after)


def _environment(packages: dict[str, str], device: str) -> dict[str, Any]:
    blas = np.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return {
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "packages": dict(sorted(packages.items())),
        "torch": _torch_build(),
        "blas": {"name": str(blas.get("name")), "version": str(blas.get("version"))},
        "libc": " ".join(platform.libc_ver()),
        "machine": f"{platform.system()} {platform.machine()}",
        **processor(),
        "cpus": os.cpu_count(),
        "thread_settings": {name: os.environ.get(name, "") for name in THREADS},
        "deterministic": {
            "device": device,
            "threads": "one for every chunk of work",
            "clips_per_forward_pass": 1,
        },
    }


def _torch_build() -> dict[str, str]:
    """Return torch's build, read from its version file, since importing torch takes seconds."""
    init = module_file("torch")
    if init is None:
        return {}
    try:
        text = init.with_name("version.py").read_text(encoding="utf-8")
    except OSError:
        return {}
    fields = dict(re.findall(r"^(__version__|git_version|cuda|hip)\b[^=\n]*= *(.+)$", text, re.MULTILINE))
    return {name.strip("_"): value.strip().strip("'") for name, value in fields.items()}
