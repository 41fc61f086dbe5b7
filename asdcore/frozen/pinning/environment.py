"""Record and compare what a result was computed with: Python, packages, processor, linear algebra.

``COMPARED`` must be as it was. Another processor, or another kernel of a library (:mod:`asdcore.compute.kernels`), is a
reason to prove that the same bytes come out. The rest is only recorded. Nothing imports torch.
"""

from __future__ import annotations

import functools
import os
import platform
import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path
from typing import Any

import numpy as np

from asdcore.compute.kernels import processor
from asdcore.compute.recipes import NUMERIC_LIBRARIES
from asdcore.contract.source_code.files import imported_names, module_file

COMPARED = ("python", "packages", "torch", "blas", "libc", "machine", "deterministic")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS")


def environment(sources: Iterable[Path], modules: Iterable[str], device: str) -> dict[str, Any]:
    """Return the environment of the code in ``sources`` and ``modules`` (named in parameters) on ``device``."""
    return _environment(_packages(sources, modules), device)


def environment_now(recorded: dict[str, Any]) -> dict[str, Any]:
    """Return the present environment, for the packages in a recorded one."""
    packages = {}
    for name in recorded["packages"]:
        try:
            packages[name] = _version(name)
        except PackageNotFoundError:
            packages[name] = "absent"
    return _environment(packages, recorded["deterministic"]["device"])


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


def _version(name: str) -> str:
    """Return the version of a distribution; raises PackageNotFoundError if it is not installed.

    Only the head of its metadata is read: to parse a long description takes most of the time.
    """
    metadata = distribution(name)
    head = (metadata.read_text("METADATA") or "").partition("\n\n")[0]
    line = re.search(r"^Version:[ \t]*(\S+)[ \t]*$", head, re.MULTILINE)
    return line[1] if line else metadata.version


def _packages(sources: Iterable[Path], modules: Iterable[str]) -> dict[str, str]:
    """Return {distribution: version} of imports in ``sources``, of ``modules``, and of everything that those need.

    The numeric libraries are always included: a recipe of features holds their versions.
    """
    installed = _installed(_folders())
    imported = {name for source in set(sources) if source.suffix == ".py" for name in imported_names(source)}
    tops = {name.partition(".")[0] for name in (*imported, *modules)} - set(sys.stdlib_module_names)
    waiting = [*NUMERIC_LIBRARIES, *(name for top in tops for name in installed.by_module.get(top, ()))]
    versions: dict[str, str] = {}
    while waiting:
        name = _plain(waiting.pop())
        if name in versions:
            continue
        with suppress(PackageNotFoundError):  # needed, but not installed: an import would have failed
            versions[name], needs = installed.version_and_needs(name)
            waiting += needs
    return {name: number for name, number in versions.items() if name != "asdcore"}


def _folders() -> tuple[tuple[str, int], ...]:
    """Return each folder of ``sys.path``, and when something was last added to it or removed."""
    folders = []
    for folder in sys.path:
        with suppress(OSError):
            folders.append((folder, os.stat(folder or ".").st_mtime_ns))  # noqa: PTH116  ("" is no path)
    return tuple(folders)


class _Installed:
    """What the distributions that are installed hold and need, each read once: to read all takes half a second."""

    def __init__(self) -> None:
        self.by_module = packages_distributions()
        self._read: dict[str, tuple[str, tuple[str, ...]]] = {}

    def version_and_needs(self, name: str) -> tuple[str, tuple[str, ...]]:
        """Return a distribution's version, and the distributions that it needs here, without extras."""
        if name not in self._read:
            metadata = distribution(name).metadata
            self._read[name] = metadata["Version"], tuple(_needs(metadata.get_all("Requires-Dist") or ()))
        return self._read[name]


@functools.lru_cache(maxsize=1)
def _installed(folders: tuple[tuple[str, int], ...]) -> _Installed:
    """Return what is installed as long as the folders are as they were."""
    return _Installed()


def _needs(requirements: Iterable[str]) -> Iterator[str]:
    """Return the distributions in requirements that apply here, without extras."""
    from packaging.requirements import Requirement

    for requirement in map(Requirement, requirements):
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield requirement.name


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


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
