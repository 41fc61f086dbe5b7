"""One small frozen run, copied for every test that spoils it."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

import asdcore
from asdcore.cli import main
from asdcore.frozen.freeze import freeze
from asdcore.frozen.manifest.statement import Manifest, read_manifest
from asdcore.frozen.verify import verify
from asdcore.frozen.verifying.differences import Verification
from asdcore.runs.folder import TABLES, Run, load_run
from asdcore.runs.writing import write_run
from asdcore.store.digests.canonical import canonical_json
from asdcore.store.digests.sealed_json import FIELD, seal, unsealed
from asdcore.store.disk.atomic import write_bytes

TIME = "2026-06-01T00:00:00Z"

PORTFOLIO = """
name = "frozen"
seed = 1

[branches.near_knn]
encoder = { name = "logmel", n_mels = 16, power = 2.0 }
scorer = { name = "knn", metric = "cosine" }

[branches.far_gauss]
view = "far"
encoder = { name = "logmel", n_mels = 16, pooling = "mean_std" }
scorer = { name = "mahalanobis" }
normalizer = { name = "ecdf", output = "normal" }

[systems.near]
weights = { near_knn = 1.0 }

[systems.guarded]
weights = { near_knn = 0.5, far_gauss = 0.5 }
guards = [{ name = "tail", support = "far_gauss", quantile = 0.8, strength = 0.5 }]
"""


@dataclass
class Frozen:
    """A frozen run: data, run, store and manifest in one folder, which may lie anywhere."""

    home: Path

    @property
    def path(self) -> Path:
        return self.home / "frozen.json"

    @property
    def manifest(self) -> Manifest:
        return read_manifest(self.path)

    @property
    def clip(self) -> Path:
        """One of its recordings: a fan's."""
        return sorted((self.home / "data" / "fan" / "test").iterdir())[0]

    @property
    def shard(self) -> Path:
        """One of its files of features."""
        return sorted((self.home / "store" / "features").rglob("*.parquet"))[0]

    def verify(self, **options: Any) -> Verification:
        return verify(self.path, **options)

    def run(self, **said: Any) -> Run:
        """The run, which knows its data and store in this folder, and says what else it is told to."""
        run = load_run(self.home / "run")
        about = {key: value for key, value in run.about.items() if key not in ("schema", "tables", FIELD)}
        places = {name: str(self.home / name) for name in ("data", "store")}
        if about == about | places | said:
            return run
        return write_run(run.folder, {name: getattr(run, name) for name in TABLES}, about | places | said)

    def freeze(self, name: str = "again.json", time: str | None = TIME) -> Path:
        """Freeze the run once more, and return where."""
        return freeze(self.run(), self.home / name, time=time).path

    def doctored(self, **changes: Callable[[pl.DataFrame], pl.DataFrame]) -> Path:
        """Freeze the run with tables that say something else; everything in the folder fits together. Return where."""
        run = self.run()
        about = {key: value for key, value in run.about.items() if key not in ("schema", "tables", FIELD)}
        tables = {name: changes.get(name, pl.DataFrame.clone)(getattr(run, name)) for name in TABLES}
        write_run(run.folder, tables, about)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("asdcore.frozen.freeze.check_whole", lambda *_: None)  # which would refuse to freeze them
            return self.freeze("doctored.json")

    def name_of(self, path: Path) -> str:
        """The subject name of a file below data, run or store."""
        return path.relative_to(self.home).as_posix()


@pytest.fixture
def nudged() -> Callable[[str, float], Callable[[pl.DataFrame], pl.DataFrame]]:
    """A function (column, by) that returns one which moves one row's number."""

    def nudge(column: str, by: float) -> Callable[[pl.DataFrame], pl.DataFrame]:
        moved = pl.when(pl.int_range(pl.len()) == 3).then(pl.col(column) + by).otherwise(pl.col(column))
        return lambda frame: frame.with_columns(moved.alias(column))

    return nudge


@pytest.fixture(scope="session")
def whole(made_once: Callable[..., Path], make_dataset: Callable[..., Path]) -> Frozen:
    """The frozen run itself: two machines of 12 train and 8 test clips each. Not to be spoilt."""

    def make(home: Path) -> None:
        make_dataset(home / "data", source=8, target=4, test=2)
        (home / "portfolio.toml").write_text(PORTFOLIO)
        places = {"data": home / "data", "out": home / "run", "store": home / "store"}
        asdcore.run(home / "portfolio.toml", task="dcase2026", **places)
        Frozen(home).freeze("frozen.json")

    return Frozen(made_once("frozen-run", make))


@pytest.fixture
def frozen(whole: Frozen, tmp_path: Path) -> Frozen:
    """A copy of the frozen run, to be spoilt."""
    shutil.copytree(whole.home, tmp_path / "frozen", symlinks=True)
    return Frozen(tmp_path / "frozen")


@pytest.fixture
def resealed() -> Callable[[Path, Callable[[dict[str, Any]], object]], Path]:
    """A function that edits what a manifest says and seals it anew, as whoever wants to deceive would."""

    def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> Path:
        statement = json.loads(path.read_bytes())
        change(statement)
        statement["predicate"][FIELD] = unsealed(TIME)
        write_bytes(path, seal(canonical_json(statement)))
        return path

    return edit


@dataclass
class Answer:
    """What a command said, and the code it ended with."""

    code: int
    out: str
    err: str


@pytest.fixture
def asdcore_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    """A function that runs a command in this process."""

    def run(*arguments: object) -> Answer:
        monkeypatch.setattr(sys, "argv", ["asdcore", *map(str, arguments)])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Answer(code, *capsys.readouterr())

    return run
