"""The kernels that libraries choose are on record, with every variable that moves them, and a change is named."""

from __future__ import annotations

import copy
import os
import platform
import subprocess
import sys

import pytest

from asdcore.compute.kernels import (
    FEATURES,
    UNSET,
    VARIABLES,
    KernelChange,
    in_short,
    kernel_changes,
    processor,
    torch_capability,
)
from asdcore.frozen.pinning.environment import changes
from asdcore.frozen.verifying.kernel_settings import settings

OURS = (
    "OPENBLAS_CORETYPE",
    "NPY_DISABLE_CPU_FEATURES",
    "ATEN_CPU_CAPABILITY",
    "MKL_CBWR",
    "ONEDNN_MAX_CPU_ISA",
    "DNNL_MAX_CPU_ISA",
)
"""The variables under which results were measured: each of them can move a number."""


@pytest.fixture(scope="module")
def recorded():
    """The processor as it is now."""
    return processor()


def in_a_process(code, *arguments, **variables):
    """Run code in a new process under other variables and return what it prints."""
    environment = {name: value for name, value in os.environ.items() if name not in VARIABLES} | variables
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_the_same_processor_has_the_same_kernels(recorded):
    assert kernel_changes(recorded, processor()) == []


@pytest.mark.parametrize("name", VARIABLES)
def test_every_variable_that_moves_a_kernel_is_named(recorded, monkeypatch, name):
    before = recorded["kernels"]["variables"].get(name, UNSET)
    monkeypatch.setenv(name, "something-else")
    change = kernel_changes(recorded, processor())[0]
    assert change == (name, before, "something-else")
    assert str(change) == f"{name} was {before}, is something-else"


def test_variables_that_were_measured_are_among_them():
    assert set(OURS) <= set(VARIABLES)


def test_where_a_library_lies_is_not_recorded(monkeypatch):
    monkeypatch.setenv("LD_PRELOAD", "/opt/fake/libfake.so:/opt/libmimalloc.so.2")
    assert processor()["kernels"]["variables"]["LD_PRELOAD"] == "libfake.so:libmimalloc.so.2"


def test_each_openblas_is_recorded_with_its_core_type_and_scipy_is_not_imported():
    code = (
        "import sys\n"
        "from asdcore.compute.kernels import processor\n"
        "kernels = processor()['kernels']['openblas']\n"
        "print([name for name in ('scipy', 'torch') if name in sys.modules], len(kernels))\n"
        "import scipy.linalg\n"
        "assert processor()['kernels']['openblas'] == kernels"
    )
    lazily, libraries = in_a_process(code).rsplit(" ", 1)
    assert (lazily, int(libraries) > 0) == ("[]", True)


CAPABILITIES = """
import os, sys
import torch
from asdcore.compute.kernels import processor

for asked in sys.argv[1:]:
    if os.fork():
        assert os.wait()[1] == 0
        continue
    if asked != "unset":
        os.environ["ATEN_CPU_CAPABILITY"] = asked
    print(processor()["kernels"]["torch_capability"], torch.backends.cpu.get_cpu_capability(), flush=True)
    os._exit(0)
"""


@pytest.mark.skipif(platform.machine() != "x86_64", reason="torch has no such capabilities on other processors")
def test_the_derived_capability_is_the_one_that_torch_chooses():
    """An unknown value is ignored by torch, and an upper-case one is unknown. Torch chooses when it is first asked."""
    asked = ["unset", "default", "avx2", "AVX2", "nonsense"]
    lines = in_a_process(CAPABILITIES, *asked).splitlines()
    derived, chosen = zip(*(line.split() for line in lines), strict=True)
    assert dict(zip(asked, derived, strict=True)) == dict(zip(asked, chosen, strict=True))
    assert chosen[1] == "DEFAULT"


def test_a_capability_needs_all_of_its_flags(monkeypatch):
    monkeypatch.delenv("ATEN_CPU_CAPABILITY", raising=False)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    wide = ["avx2", "avx512bw", "avx512dq", "avx512vl", "fma"]
    assert torch_capability(wide) == "AVX512"
    assert torch_capability([*wide[:-2], "fma"]) == "AVX2"
    assert torch_capability(["avx2"]) == "DEFAULT"
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    assert torch_capability(["asimd"]) == ""


def test_another_processor_is_no_difference_and_its_kernels_are_named(recorded):
    now = copy.deepcopy(recorded)
    now["cpu"] = "another"
    now["cpu_features"] = [*now["cpu_features"][1:], "avx1024"]
    now["kernels"]["openblas"] = dict.fromkeys(now["kernels"]["openblas"], "Core2")
    now["kernels"]["torch_capability"] = "AVX1024"
    assert list(changes(recorded, now)) == []
    named = {change.kernel: str(change) for change in kernel_changes(recorded, now)}
    assert list(named)[-2:] == ["cpu_features", "cpu"]
    for owner, core in recorded["kernels"]["openblas"].items():
        assert f"the OpenBLAS core type of {owner} was {core}, is Core2" in named.values()
    assert named["cpu_features"] == (
        f"the instruction sets of the processor lack {recorded['cpu_features'][0]} and also have avx1024 here"
    )
    assert named["torch_capability"] == (
        f"the CPU capability of torch was {recorded['kernels']['torch_capability']}, is AVX1024"
    )


def test_a_record_older_than_kernels_is_a_reason_to_prove(recorded):
    older = {key: value for key, value in recorded.items() if key != "kernels"}
    first, *others = kernel_changes(older, recorded)
    assert (first.kernel, first.was, others) == ("kernels", "not recorded", [])
    without_processor = kernel_changes({}, recorded)
    assert {change.was for change in without_processor} == {"not recorded"}


def test_a_record_that_lacks_a_kernel_is_a_reason_to_prove(recorded):
    older = copy.deepcopy(recorded)
    del older["kernels"]["numpy_simd"]
    assert [(change.kernel, change.was) for change in kernel_changes(older, recorded)] == [
        ("numpy_simd", "not recorded")
    ]


def test_many_kernels_are_named_in_short():
    changes = [KernelChange(f"kernel {i}", "a", "b") for i in range(5)]
    assert in_short(changes) == "; ".join([f"kernel {i} was a, is b" for i in range(3)] + ["2 more"])
    flags = KernelChange("cpu_features", [*"abcdef"], [])
    assert str(flags) == "the instruction sets of the processor lack a, b, c and 3 more here"
    unknown = KernelChange("numpy_simd", "not recorded", ["X86_V3", "X86_V4"])
    assert str(unknown) == "the instruction sets of numpy were not recorded, are X86_V3, X86_V4"


@pytest.mark.parametrize("flag", ["avx", "avx2", "avx512_bf16", "fma", "sse4_1", "amx_tile", "asimd", "sve2"])
def test_flags_that_choose_other_code_are_features(flag):
    assert FEATURES.fullmatch(flag)


@pytest.mark.parametrize("flag", ["fpu", "vme", "hypervisor", "sse", "constant_tsc", "md_clear"])
def test_other_flags_are_none(flag):
    assert not FEATURES.fullmatch(flag)


CORE = "the OpenBLAS core type of numpy"


def core(was, now):
    return KernelChange(CORE, was, now)


def flags(was, now):
    return KernelChange("cpu_features", was.split(), now.split())


def simd(was, now):
    return KernelChange("numpy_simd", was.split(), now.split())


@pytest.mark.parametrize(
    ("changed", "command"),
    [
        ([], ""),
        ([KernelChange("cpu", "this", "that")], ""),
        ([KernelChange("OPENBLAS_CORETYPE", UNSET, "Zen"), core("SkylakeX", "Zen")], "env -u OPENBLAS_CORETYPE"),
        ([core("Haswell", "SkylakeX")], "env OPENBLAS_CORETYPE=Haswell"),
        ([core("SkylakeX", "Haswell"), flags("avx2 avx512f", "avx2")], ""),
        ([core("Nehalem", "Haswell"), flags("", "avx2 sse4_2")], "env OPENBLAS_CORETYPE=Nehalem"),
        ([core("neoversen1", "Haswell")], ""),
        ([simd("V3", "V3 V4 ICL")], "env NPY_DISABLE_CPU_FEATURES='V4 ICL'"),
        ([simd("V3 V4", "V3")], ""),
        ([KernelChange("torch_capability", "AVX2", "AVX512")], "env ATEN_CPU_CAPABILITY=avx2"),
        ([KernelChange("torch_capability", "AVX512", "AVX2")], ""),
        ([KernelChange("LD_PRELOAD", "libfake.so", UNSET)], ""),
        ([KernelChange("kernels", "not recorded", "...")], ""),
    ],
)
def test_variables_that_bring_the_kernels_back_are_named(changed, command):
    assert settings(changed) == command
