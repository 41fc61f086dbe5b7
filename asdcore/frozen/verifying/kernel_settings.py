"""Find the variables that bring back the kernels of a freeze, on a processor that can choose them."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from typing import Any

from asdcore.compute.kernels import OPENBLAS, UNKNOWN, UNSET, VARIABLES, KernelChange

NEEDS = {
    "Haswell": "avx2",
    "Zen": "avx2",
    "Excavator": "avx2",
    "SkylakeX": "avx512f",
    "Cooperlake": "avx512_bf16",
    "SapphireRapids": "amx_bf16",
    "Sandybridge": "avx",
    "Nehalem": "sse4_2",
    "Prescott": "",
    "Katmai": "",
}
"""OpenBLAS core types on x86-64, and the flag without which their instructions are missing. Prescott says Katmai."""


def settings(changes: Iterable[KernelChange]) -> str:
    """Return how to call a command with the kernels of the freeze: ``env`` and its arguments, "" if nothing helps.

    Parameters
    ----------
    changes : iterable of KernelChange
        What :func:`asdcore.compute.kernels.kernel_changes` found.

    Examples
    --------
    >>> from asdcore.frozen.verifying.kernel_settings import settings
    >>> from asdcore.compute.kernels import KernelChange
    >>> settings([KernelChange("OPENBLAS_CORETYPE", "SkylakeX", "Haswell"), KernelChange("MKL_CBWR", "unset", "AVX2")])
    'env -u MKL_CBWR OPENBLAS_CORETYPE=SkylakeX'
    """
    changed = {change.kernel: change for change in changes}
    variables = [change for name, change in changed.items() if name in VARIABLES and name != "LD_PRELOAD"]
    removed = [word for change in variables if change.was == UNSET for word in ("-u", change.kernel)]
    values = {change.kernel: str(change.was) for change in variables if change.was != UNSET}
    values |= {name: value for name, value in _of_libraries(changed).items() if name not in changed}
    assigned = [f"{name}={shlex.quote(value)}" for name, value in sorted(values.items())]
    return " ".join(["env", *removed, *assigned]) if removed or assigned else ""


def _of_libraries(changed: Mapping[str, KernelChange]) -> dict[str, str]:
    """Return the variables by which each library that chose otherwise chooses as it did."""
    values: dict[str, str] = {}
    cores = {str(change.was) for name, change in changed.items() if name.startswith(OPENBLAS)} - {UNKNOWN}
    features = changed["cpu_features"].now if "cpu_features" in changed else [*NEEDS.values()]
    if len(cores) == 1 and NEEDS.get(core := cores.pop()) in [*features, ""]:
        values["OPENBLAS_CORETYPE"] = core
    if (simd := changed.get("numpy_simd")) and _fewer(simd):
        values["NPY_DISABLE_CPU_FEATURES"] = " ".join(name for name in simd.now if name not in simd.was)
    capability = changed.get("torch_capability")
    if capability and (capability.was, capability.now) in (
        ("AVX2", "AVX512"),
        ("DEFAULT", "AVX2"),
        ("DEFAULT", "AVX512"),
    ):
        values["ATEN_CPU_CAPABILITY"] = capability.was.lower()
    return values


def _fewer(simd: KernelChange) -> bool:
    """Whether NumPy used some of the instruction sets that it uses now, and no other."""
    lists: tuple[Any, Any] = (simd.was, simd.now)
    return all(isinstance(names, list) for names in lists) and set(simd.was) < set(simd.now)
