"""What many tests share: small datasets of noise and tones, and where real data may lie."""

from __future__ import annotations

import contextlib
import fcntl
import gc
import itertools
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

# Tests run side by side, one process a core: more threads would only get in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("POLARS_MAX_THREADS", "1")

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings, strategies

# A build must not depend on a draw; on a developer's machine every run may find something new, and tries twice as much.
settings.register_profile("ci", derandomize=True, max_examples=50, deadline=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

RATE = 16000
NUMBERS = itertools.count()


@given(strategies.none())
def _begin_hypothesis(_: None) -> None:
    """Let Hypothesis look for who holds random generators, which it does once, before the holders are frozen."""


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Collect tests without the garbage collector: it finds next to none, and takes a third of the time."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Let the garbage collector pass over all tests and modules: they stay, and to look at them took half a second."""
    _begin_hypothesis()
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="module", autouse=True)
def imported_modules_stay():
    """Let it pass over what the tests of a file have imported, too."""
    before = len(sys.modules)
    yield
    if len(sys.modules) > before:
        gc.collect()
        gc.freeze()


def _shared(*parts: str) -> Path:
    """Return a path of the data beside the project, or skip the test where it is absent."""
    root = Path(os.environ.get("ASDCORE_SHARED", Path(__file__).parents[2] / "shared"))
    path = root.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is absent: set ASDCORE_SHARED to the folder that holds it")
    return path


def _imported_by(code: str, cwd: Path | None = None) -> set[str]:
    """Return the names of all modules that a new process has imported after this code."""
    code = f"import sys\n{code}\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=True)
    return set(done.stderr.splitlines()[-1].split())


def _write_clip(path: Path, seed: int, *, tone: float = 440.0, channels: int = 2, seconds: float = 0.25) -> None:
    """Write one clip: a tone in noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(seconds * RATE)) / RATE
    sound = 0.2 * np.sin(2 * np.pi * tone * time) + 0.05 * rng.standard_normal((channels, len(time)))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound.T, RATE, subtype="PCM_16")


def _make_dataset(
    root: Path,
    machines: tuple[str, ...] = ("fan", "3DPrinter"),
    *,
    source: int = 20,
    target: int = 4,
    test: int = 4,
    channels: int = 2,
) -> Path:
    """Write a small dataset in the DCASE 2022+ layout; anomalies sound at another pitch."""
    for m, machine in enumerate(machines):
        for d, (domain, n) in enumerate((("source", source), ("target", target))):
            for i in range(n):
                name = f"section_00_{domain}_train_normal_{i:04d}_spd_{d}.wav"
                _write_clip(
                    root / machine / "train" / name, 1000 * m + 100 * d + i, tone=440 + 60 * d, channels=channels
                )
            for k, label in enumerate(("normal", "anomaly")):
                for i in range(test):
                    name = f"section_00_{domain}_test_{label}_{i:04d}_spd_{d}.wav"
                    seed, tone = 5000 + 1000 * m + 100 * d + 10 * k + i, 440 + 60 * d + 200 * k
                    _write_clip(root / machine / "test" / name, seed, tone=tone, channels=channels)
    return root


@pytest.fixture
def shared():
    """A function that returns a path of the data beside the project, or skips the test where it is absent."""
    return _shared


@pytest.fixture(scope="session", autouse=True)
def no_waiting_for_the_disk():
    """Let no write wait until the disk has it: no test pulls the plug, and a loaded disk takes its time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture
def calls_of(monkeypatch):
    """A function: a module and the name of a function in it -> the first argument of each call of that from now on."""

    def watch(module, name):
        first_arguments, function = [], getattr(module, name)

        def noted(first, *others, **named):
            first_arguments.append(first)
            return function(first, *others, **named)

        monkeypatch.setattr(module, name, noted)
        return first_arguments

    return watch


@pytest.fixture(scope="session")
def imported_by():
    """A function that returns what a new process imports when it runs some code."""
    return _imported_by


@pytest.fixture(scope="session")
def made_once(tmp_path_factory):
    """A function that makes a folder once for all processes of a test run: ``made_once(name, make)``; only read it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base  # xdist gives each process a folder of its own

    def made(name, make) -> Path:
        folder, done = shared / "made-once" / name, shared / "made-once" / f"{name} is done"
        folder.parent.mkdir(exist_ok=True)
        with (folder.parent / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                make(folder)
                done.touch()
        return folder

    return made


@pytest.fixture(scope="session")
def tiny_sound(made_once) -> Path:
    """The synthetic dataset of the profile "tiny"; copy it with ``copied`` to change or to move it."""
    import asdcore

    return made_once("tiny-sound", lambda folder: asdcore.synthesize(folder, "tiny"))


@pytest.fixture(scope="session")
def copied():
    """A function that gives a tree's files a second name in a new folder, without copying a byte."""

    def copy(root: Path, folder: Path) -> Path:
        return Path(shutil.copytree(root, folder, copy_function=os.link))

    return copy


@pytest.fixture(scope="session")
def make_dataset():
    """A function that writes a small dataset."""
    return _make_dataset


@pytest.fixture(scope="session")
def dataset(made_once) -> Path:
    """Two machines, two channels: 20 + 4 train and 4 x 4 test clips of a quarter of a second each."""
    return made_once("dataset", _make_dataset)


@contextlib.contextmanager
def _threads(n: int):
    """Let torch and the linear algebra of NumPy compute on n threads."""
    import torch
    from threadpoolctl import threadpool_limits

    before = torch.get_num_threads()
    torch.set_num_threads(n)
    try:
        with threadpool_limits(n):
            yield
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="session")
def threads():
    """A context manager that sets the number of threads."""
    return _threads


@pytest.fixture(autouse=True)
def own_store(request, tmp_path_factory, monkeypatch):
    """Keep every test away from the user's store, registry and checkpoints."""
    # Most tests need no folder: to make one for each of them took longer than all that they do.
    if "tmp_path" in request.fixturenames:
        store = request.getfixturevalue("tmp_path") / "store"
    else:
        store = tmp_path_factory.getbasetemp() / "stores" / str(next(NUMBERS))
    monkeypatch.setenv("ASDCORE_STORE", str(store))
    for name in ("ASDCORE_REGISTRY", "ASDCORE_RESOURCES", "SOURCE_DATE_EPOCH"):
        monkeypatch.delenv(name, raising=False)


SIMPLE = """
name = "simple"

[branches.near_knn]
encoder = "logmel"
scorer = { name = "knn", metric = "euclidean" }

[systems.knn]
weights = { near_knn = 1.0 }
"""

FUSED = """
name = "fused"
seed = 1

[branches.near_knn]
view = "near"
encoder = { name = "logmel", n_mels = 32, pooling = "mean" }
scorer = { name = "knn", k = 1, metric = "cosine" }

[branches.far_gauss]
view = "far"
encoder = { name = "logmel", n_mels = 32, pooling = "mean_std" }
scorer = { name = "mahalanobis" }
normalizer = { name = "ecdf", output = "normal" }

[branches.w1_knn]
view = "w1"
encoder = { name = "logmel", n_mels = 32, pooling = "max" }
scorer = { name = "knn", k = 2, metric = "euclidean", references = ["pooled"] }
normalizer = { name = "median_iqr", scope = "pooled" }

[systems.plain]
weights = { near_knn = 0.5, far_gauss = 0.25, w1_knn = 0.25 }
transform = "log1p"

[systems.guarded]
weights = { near_knn = 0.5, far_gauss = 0.25, w1_knn = 0.25 }
transform = "log1p"
guards = [{ name = "tail", support = "far_gauss", quantile = 0.8, strength = 0.5 }]
"""


@pytest.fixture
def simple(tmp_path) -> Path:
    """A portfolio of one branch."""
    path = tmp_path / "simple.toml"
    path.write_text(SIMPLE)
    return path


@pytest.fixture
def fused(tmp_path) -> Path:
    """A portfolio of three branches and two systems, one of them guarded."""
    path = tmp_path / "fused.toml"
    path.write_text(FUSED)
    return path


RECORDED = """
name = "p"
[out_of_fold]
by = "{by}"
[branches.a]
encoder = {{ name = "logmel", n_mels = 16 }}
scorer = "knn"
normalizer = {{ name = "median_iqr", scope = "pooled" }}
[branches.b]
encoder = {{ name = "logmel", n_mels = 16 }}
scorer = {{ name = "varmin", k = 2 }}
normalizer = {{ name = "median_iqr", scope = "pooled" }}
[systems.one]
weights = {{ a = 1.0 }}
[systems.learned]
weights = {{ b = 1.0 }}
[systems.copy]
out_of_fold_mirror_of = "one"
"""


def _recorded_clip(path: Path, run: int, clip: int) -> None:
    """Write half a second of noise under the spectrum of its run, and a little of its own."""
    own, shared = np.random.default_rng([1, clip]), np.random.default_rng([2, run])
    bands, knots = np.arange(2001), np.linspace(0, 2000, 9)
    decibels = np.interp(bands, knots, shared.normal(0, 4, 9)) + np.interp(bands, knots, own.normal(0, 1, 9))
    noise = np.fft.rfft(own.normal(size=4000)) * 10 ** (decibels / 20)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, 0.01 * np.fft.irfft(noise, 4000), 8000, subtype="PCM_16")


def _recorded(folder: Path, *manners: str):
    """Run a portfolio, left out of fold in some manners, on a machine whose train clips are cut from runs of 8.

    It has 96 source train clips and 10 of the target, 30 test normals and 4 anomalies of either, of runs of their own.
    Returns {manner: run}; their data and store lie in ``folder``.
    """
    import asdcore

    number, root = 0, folder / "data" / "fan"
    for domain, train in (("source", 96), ("target", 10)):
        for split, label, count in (("train", "normal", train), ("test", "normal", 30), ("test", "anomaly", 4)):
            for index in range(count):
                run = index // 8 + 100 * (domain == "target") if split == "train" else 1000 + number
                name = f"section_00_{domain}_{split}_{label}_{index:04d}_x_0.wav"
                _recorded_clip(root / split / name, run, number)
                number += 1
    runs = {}
    for by in manners:
        (folder / f"{by}.toml").write_text(RECORDED.format(by=by))
        runs[by] = asdcore.run(
            folder / f"{by}.toml", root.parent, folder / by, task="dcase2025", store=folder / "store"
        )
    return runs


@pytest.fixture(scope="session")
def recorded():
    """The function that makes a dataset cut from recordings, and runs on it."""
    return _recorded


@pytest.fixture(scope="session")
def grouped(recorded, tmp_path_factory):
    """Runs whose train clips were cut from runs of 8, by "auto" (neighbours), "clip" and "attribute" (whole runs).

    For the last one, file names tell the run. Not to be spoilt.
    """
    import asdcore

    folder = tmp_path_factory.mktemp("grouped")
    runs = recorded(folder, "auto", "clip")
    for path in (folder / "data").rglob("*.wav"):
        run = int(path.stem.split("_")[5]) // 8 + 100 * ("_target_" in path.stem)
        named = folder / "named" / path.relative_to(folder / "data").with_stem(f"{path.stem[:-1]}{run}")
        named.parent.mkdir(parents=True, exist_ok=True)
        named.hardlink_to(path)
    (folder / "attribute.toml").write_text(RECORDED.format(by="attribute"))
    runs["attribute"] = asdcore.run(
        folder / "attribute.toml", folder / "named", folder / "attribute", task="dcase2025", store=folder / "store"
    )
    return runs


TRIALS = """
name = "p"
seeds = [4, 12, 7]
[branches.mixed]
encoder = { name = "logmel", n_mels = 8 }
scorer = { name = "gmm", components = 3 }
[branches.near]
encoder = { name = "logmel", n_mels = 8 }
scorer = "knn"
[systems.mixed]
weights = { mixed = 1.0 }
[systems.near]
weights = { near = 1.0 }
"""


def _hard_to_tell(root):
    """Let all clips be noise of changing loudness, of which anomalies have a little more."""
    for i, path in enumerate(sorted(root.rglob("*.wav"))):
        rng = np.random.default_rng(i)
        loudness = 0.1 * rng.uniform(0.5, 1.5) * (1.3 if "anomaly" in path.name else 1)
        soundfile.write(path, loudness * rng.standard_normal((4000, 2)), 16000, subtype="PCM_16")


@pytest.fixture(scope="session")
def trials(tmp_path_factory, make_dataset):
    """Trials with the seeds 4, 12 and 7 on two machines."""
    home = tmp_path_factory.mktemp("trials")
    _hard_to_tell(make_dataset(home / "data", source=12, target=4, test=6))
    (home / "p.toml").write_text(TRIALS)
    import asdcore

    return asdcore.run(home / "p.toml", home / "data", home / "trials", task="dcase2026", store=home / "store")


def _written_as_onnx(formula, *arrays):
    """Write a formula of float64 arrays of these shapes as ONNX; returns a function that runs it on some arrays.

    It gives an array, or a dict of them if the formula does.
    """
    import onnxruntime
    from onnx import TensorProto, helper

    from asdcore.contract.onnx.onnx_graph import IR_VERSION, OPSET, OnnxGraph, OnnxValue

    graph, names = OnnxGraph(), [f"given_{i}" for i in range(len(arrays))]
    made = formula(*(OnnxValue(graph, name) for name in names))
    values = made if isinstance(made, dict) else {"": made}
    shapes = dict(zip(names, map(np.shape, arrays), strict=True))
    inputs = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape) for name, shape in shapes.items()]
    outputs = [helper.make_tensor_value_info(v.name, TensorProto.DOUBLE, None) for v in values.values()]
    inside = helper.make_graph(graph.nodes, "formula", inputs, outputs, graph.used_constants())
    opsets = [helper.make_opsetid("", OPSET)]
    model = helper.make_model(inside, opset_imports=opsets, ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)

    def run(*arrays):
        given = {name: np.asarray(array, np.float64) for name, array in zip(names, arrays, strict=True)}
        results = session.run(None, given)
        return dict(zip(values, results, strict=True)) if isinstance(made, dict) else results[0]

    return run


@pytest.fixture(scope="session")
def written_as_onnx():
    """A function that writes a formula as ONNX and returns a function that runs it, for many clips of one shape."""
    return _written_as_onnx


@pytest.fixture(scope="session")
def as_onnx():
    """A function that writes a formula of float64 arrays as ONNX, runs it, and returns what it gives."""
    return lambda formula, *arrays: _written_as_onnx(formula, *arrays)(*arrays)


CARRIED = """
name = "carried"
seed = 1
folds = 3

[branches.knn]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "knn", metric = "cosine" }

[branches.lof]
encoder = { name = "logmel", n_mels = 16 }
scorer = { name = "lof", k = 2 }
normalizer = { name = "ecdf", output = "normal" }

[branches.gauss]
view = "far"
encoder = { name = "logmel", n_mels = 16, pooling = "mean_std" }
scorer = "mahalanobis"

[branches.means]
encoder = { name = "logmel", n_mels = 16, pooling = "frames" }
scorer = { name = "kmeans", k = 2 }

[systems.carried]
weights = { knn = 0.5, gauss = 0.25, means = 0.25 }
transform = { name = "log1p" }
guards = [
  { name = "tail", support = "gauss", quantile = 0.6, strength = 0.5 },
  { name = "tail", support = "lof", quantile = 0.5, strength = 0.25 },
]

[systems.largest]
weights = { knn = 1.0, lof = 1.0 }
fusion = "max"

[systems.mirrored]
out_of_fold_mirror_of = "carried"

[decision]
rule = "ecdf"
quantile = 0.8
"""


@dataclass
class Carried:
    """A frozen run, and its detector. ``root`` holds data, run, store, manifest and detector."""

    root: Path

    @property
    def run(self):
        import asdcore

        return asdcore.load_run(self.root / "run")

    @property
    def manifest(self) -> Path:
        return self.root / "frozen.json"

    @property
    def path(self) -> Path:
        return self.root / "frozen.asd"

    def clips(self) -> list[tuple[str, str, str, np.ndarray, int]]:
        """clip, machine, section, audio and sample rate of every test clip."""
        from asdcore.data.recordings.audio import decode

        test = self.run.clips.filter(split="test").select("clip", "machine", "section").rows()
        return [(*row, *decode(self.root / "data" / row[0])) for row in test]


@pytest.fixture(scope="session")
def carried(made_once, make_dataset) -> Carried:
    """One small frozen run and its detector; not to be spoilt."""
    import asdcore

    def make(root: Path) -> None:
        make_dataset(root / "data", source=12, target=4, test=2)
        (root / "portfolio.toml").write_text(CARRIED)
        places = {"data": root / "data", "out": root / "run", "store": root / "store"}
        asdcore.run(root / "portfolio.toml", task="dcase2026", **places)
        asdcore.freeze(root / "run", root / "frozen.json", time="2026-06-01T00:00:00Z")
        asdcore.export(root / "frozen.json", root / "frozen.asd")

    return Carried(made_once("detector", make))


@pytest.fixture(scope="session")
def detector(carried):
    """The detector of ``carried``."""
    import asdcore

    return asdcore.load_detector(carried.path)
