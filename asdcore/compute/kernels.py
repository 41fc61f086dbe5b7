"""Record which code numerical libraries choose on this processor, and the variables that make them choose otherwise.

The same library computes a sum or an exponential by other instructions on another processor, and its last bits may
differ. OpenBLAS, NumPy, torch with oneDNN and MKL, soxr and the C library choose when they are loaded.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePath
from typing import Any, NamedTuple

from asdcore.contract.source_code.files import module_file

VARIABLES = (
    # OpenBLAS: the core type, and the size of the blocks in which a product is summed
    "OPENBLAS_CORETYPE",
    "OPENBLAS_BLOCK_FACTOR",
    "OPENBLAS_L2_SIZE",
    # NumPy: numpy.org/doc/stable/reference/simd/build-options.html
    "NPY_DISABLE_CPU_FEATURES",
    "NPY_ENABLE_CPU_FEATURES",
    # torch: aten/src/ATen/native/DispatchStub.cpp, and when it asks oneDNN for a product
    "ATEN_CPU_CAPABILITY",
    "TORCH_LINEAR_FLATTEN_3D",
    "TORCH_MKLDNN_MATMUL_MIN_DIM",
    "TORCH_MKLDNN_MATMUL_MIN_SIZE",
    # oneDNN, which still reads the names it had as DNNL
    *(
        f"{prefix}_{name}"
        for prefix in ("ONEDNN", "DNNL")
        for name in ("MAX_CPU_ISA", "CPU_ISA_HINTS", "DEFAULT_FPMATH_MODE")
    ),
    # MKL
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_DISABLE_FAST_MM",
    # FBGEMM, the quantized products of torch
    "FBGEMM_ENABLE_INSTRUCTIONS",
    "FBGEMM_ENABLE_AVX512_256",
    "FBGEMM_NO_ASMJIT",
    # a GPU's products in a shorter format
    "NVIDIA_TF32_OVERRIDE",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
    "CUBLAS_WORKSPACE_CONFIG",
    # libsoxr: soxr.c, soxr_create
    "SOXR_USE_SIMD",
    "SOXR_USE_SIMD32",
    "SOXR_USE_SIMD64",
    "SOXR_MIN_DFT_SIZE",
    "SOXR_LARGE_DFT_SIZE",
    "SOXR_COEFS_SIZE",
    "SOXR_COEF_INTERP",
    "SOXR_STRICT_BUF",
    "SOXR_NOSMALLINTOPT",
    # the C library: exp, log, sin and others come in variants with and without FMA
    "GLIBC_TUNABLES",
    "LD_HWCAP_MASK",
    "LD_PRELOAD",
)
"""Variables by which a person can make the same libraries round differently on the same processor."""

FEATURES = re.compile(r"(sse4_[12]|avx\w*|fma4?|f16c|bmi[12]|amx\w*|asimd\w*|sve\w*|bf16|i8mm)")
"""Flags of a processor by which numerical libraries choose their code; another choice may round differently."""

OPENBLAS = "the OpenBLAS core type of "
UNSET, UNKNOWN = "unset", "not recorded"
_NAMES = {
    "kernels": "the code that libraries chose",
    "numpy_simd": "the instruction sets of numpy",
    "torch_capability": "the CPU capability of torch",
    "cpu_features": "the instruction sets of the processor",
    "cpu": "the processor",
}
"""What a sentence calls what the record names shortly."""
_LISTS = ("numpy_simd", "cpu_features")
SHOWN = 3
"""How many kernels, or flags of a processor, a sentence names."""


class KernelChange(NamedTuple):
    """A kernel or variable that is not as on record: its name, and what it was and is, a text or a list of texts."""

    kernel: str
    was: Any
    now: Any

    def __str__(self) -> str:
        name = _NAMES.get(self.kernel, self.kernel)
        if isinstance(self.was, list) and isinstance(self.now, list):
            return f"{name} {_apart(self.was, self.now)} here"
        was, now = ("were", "are") if self.kernel in _LISTS else ("was", "is")
        return f"{name} {was} {_text(self.was)}, {now} {_text(self.now)}"


def processor() -> dict[str, Any]:
    """Return what is recorded of the processor and of the code that libraries choose on it, without loading torch.

    Returns
    -------
    dict
        ``cpu`` (its name), ``cpu_features`` (those of its flags that choose code), and ``kernels``: the core type of
        each OpenBLAS, the instruction sets that NumPy uses, torch's CPU capability, and the :data:`VARIABLES` that are
        set.

    Examples
    --------
    >>> from asdcore.compute.kernels import processor
    >>> sorted(processor()["kernels"])
    ['numpy_simd', 'openblas', 'torch_capability', 'variables']
    """
    flags = _cpuinfo("flags") or _cpuinfo("Features")
    features = sorted(flag for flag in flags.split() if FEATURES.fullmatch(flag))
    return {
        "cpu": _cpuinfo("model name") or " ".join(filter(None, map(_cpuinfo, ("CPU implementer", "CPU part")))),
        "cpu_features": features,
        "kernels": {
            "openblas": _openblas(),
            "numpy_simd": _numpy_simd(),
            "torch_capability": torch_capability(features),
            "variables": {name: _shown(name, os.environ[name]) for name in VARIABLES if name in os.environ},
        },
    }


def kernel_changes(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> list[KernelChange]:
    """Return the kernels that are not those on record, in the order in which they explain a difference.

    Parameters
    ----------
    recorded, now : mapping
        Two environments. The recorded one may be older than the record of kernels: then they are unknown.

    Returns
    -------
    list of KernelChange
        Variables first, since they cause the rest; then libraries, and the processor last.

    Examples
    --------
    >>> from asdcore.compute.kernels import kernel_changes, processor
    >>> kernel_changes(processor(), processor())
    []
    """
    before, after = recorded.get("kernels"), now["kernels"]
    of_processor = _changed(recorded, now, ("cpu_features", "cpu"))
    if not isinstance(before, Mapping):
        return [KernelChange("kernels", UNKNOWN, _in_words(after)), *of_processor]
    variables = _changed(before.get("variables", {}), after["variables"], lacking=UNSET)
    blas = _changed(before.get("openblas", {}), after["openblas"], prefix=OPENBLAS)
    return [*variables, *blas, *_changed(before, after, ("numpy_simd", "torch_capability")), *of_processor]


def in_short(changes: Sequence[KernelChange]) -> str:
    """Return kernels that changed as one phrase: the first three, and how many more there are.

    Examples
    --------
    >>> from asdcore.compute.kernels import KernelChange, in_short
    >>> in_short([KernelChange("OPENBLAS_CORETYPE", "unset", "Haswell")])
    'OPENBLAS_CORETYPE was unset, is Haswell'
    """
    return "; ".join([*map(str, changes[:SHOWN]), *([f"{len(changes) - SHOWN} more"] if len(changes) > SHOWN else [])])


def torch_capability(features: list[str]) -> str:
    """Return the CPU capability that torch chooses, by its published rule, since importing torch takes seconds.

    Parameters
    ----------
    features : list of str
        Flags of the processor.

    Returns
    -------
    str
        "AVX512", "AVX2" or "DEFAULT"; "" on other machines than x86-64 and without torch.

    References
    ----------
    ``compute_cpu_capability`` in PyTorch's ``aten/src/ATen/native/DispatchStub.cpp``.
    """
    if platform.machine() != "x86_64" or module_file("torch") is None:
        return ""
    asked = os.environ.get("ATEN_CPU_CAPABILITY")
    if asked in ("avx512", "avx2", "default"):
        return asked.upper()
    if {"avx512vl", "avx512bw", "avx512dq", "fma"} <= set(features):
        return "AVX512"
    return "AVX2" if {"avx2", "fma"} <= set(features) else "DEFAULT"


def _openblas() -> dict[str, str]:
    """Return {library that brings an OpenBLAS: its core type}, of NumPy and SciPy.

    SciPy's own OpenBLAS is loaded by its file, in milliseconds: importing SciPy takes half a second.
    """
    import numpy as np  # noqa: F401 - loads its OpenBLAS
    from threadpoolctl import threadpool_info

    if scipy := module_file("scipy"):
        for file in sorted((scipy.parents[1] / "scipy.libs").glob("*openblas*.so*")):
            with suppress(OSError):
                ctypes.CDLL(str(file))
    core_types = {}
    for library in threadpool_info():
        path = PurePath(library["filepath"])
        # torch brings its own on some machines; whether it is loaded by now is chance.
        if library["user_api"] == "blas" and "torch" not in path.parts:
            owners = [part.removesuffix(".libs") for part in path.parts if part.endswith(".libs")]
            core_types[owners[-1] if owners else path.name] = str(library.get("architecture", library["internal_api"]))
    return dict(sorted(core_types.items()))


def _numpy_simd() -> list[str]:
    """Return the instruction sets beyond its baseline for which NumPy has code that it uses here."""
    import numpy as np

    return list(map(str, np.show_config(mode="dicts").get("SIMD Extensions", {}).get("found", [])))


def _changed(
    before: Mapping[str, Any],
    after: Mapping[str, Any],
    keys: Iterable[str] | None = None,
    *,
    prefix: str = "",
    lacking: str = UNKNOWN,
) -> list[KernelChange]:
    """Compare some keys of two records, by default all of them."""
    pairs = {key: (before.get(key, lacking), after.get(key, lacking)) for key in keys or sorted({*before, *after})}
    return [KernelChange(f"{prefix}{key}", was, now) for key, (was, now) in pairs.items() if was != now]


def _apart(before: list[str], after: list[str]) -> str:
    """Return what the second list lacks and what it has besides, as words."""
    lost, new = sorted(set(before) - set(after)), sorted(set(after) - set(before))
    words = [f"lack {_text(lost)}"] * bool(lost) + [f"also have {_text(new)}"] * bool(new)
    return " and ".join(words) or "come in another order"


def _text(value: Any) -> str:
    """Return a value as words; of a list the first three items, and how many more there are."""
    if not isinstance(value, list):
        return str(value)
    return ", ".join(map(str, value[:SHOWN])) + f" and {len(value) - SHOWN} more" * (len(value) > SHOWN)


def _in_words(kernels: Mapping[str, Any]) -> str:
    """Return kernels as words, variables and OpenBLAS alone."""
    return ", ".join(
        [f"{core} (OpenBLAS of {owner})" for owner, core in kernels["openblas"].items()]
        + [f"{name}={value}" for name, value in kernels["variables"].items()]
    )


def _shown(name: str, value: str) -> str:
    """Return the value of a variable; of a library that is loaded first the name alone, not where it lies."""
    return ":".join(PurePath(file).name for file in re.split(r"[ :]+", value)) if name == "LD_PRELOAD" else value


def _cpuinfo(key: str) -> str:
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor()
    match = re.search(rf"^{key}\s*: (.*)$", text, re.MULTILINE)
    return match[1] if match else ""
