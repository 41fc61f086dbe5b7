"""Restores components in a process that has never seen them fitted, with nothing on disk but what was there before.

:func:`ask` starts that process, which runs :func:`main`. It builds the component anew, restores it from the file of its
state, and writes down what it says of the clips. Home, temporary and working folder are new and empty. A file that it
opens, and that was written since the component began to be fitted, is told; what a library opens by other ways than
Python's own is not seen.
"""

from __future__ import annotations

import functools
import os
import pickle
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import spec_from_file_location
from pathlib import Path
from typing import Any

from asdcore.authoring.conformance.bench.driver import Bench, Rows
from asdcore.authoring.conformance.bench.outside_state import Make
from asdcore.authoring.conformance.restoring.ways_to_fit import answers, way_named
from asdcore.store.fitted_state import pack, unpack

REQUEST, ANSWER, BEGIN = "request", "answer", "begin"
FRESH = ("HOME", "TMPDIR", "TMP", "TEMP", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
LONGEST = 600
"""Seconds after which a process is given up."""


@dataclass(frozen=True)
class Answer:
    """What the new process said: outputs by way and batch, files that it should not need, or what it raised."""

    outputs: Mapping[str, Mapping[str, Rows]]
    opened: list[str]
    error: str


def begin(folder: Path) -> dict[str, str]:
    """Note that components are fitted from now on; returns the environment variables as they are before."""
    (folder / BEGIN).touch()
    return dict(os.environ)


def recipe(bench: Bench) -> bytes | None:
    """Return how to build a bench's component in another process; None if it can be built in this one alone.

    That is so for a class from a script, a notebook, or the inside of a function.
    """
    for build in (_maker, _copier):
        try:
            content = pickle.dumps((type(bench), build(bench)))
        except Exception:  # whatever a component's own way to be pickled raises
            continue
        if b"__main__" not in content:
            return content
    return None


def _maker(bench: Bench) -> Make:
    return bench.make


def _copier(bench: Bench) -> Make:
    return functools.partial(pickle.loads, pickle.dumps(bench.build()))


def ask(
    folder: Path, variables: Mapping[str, str], recipe: bytes, states: Mapping[str, bytes], rows: Mapping[str, Rows]
) -> Answer:
    """Have each state, by the name of its way, restored in a new process and asked about these clips.

    ``folder`` and ``variables`` are those of :func:`begin`.
    """
    (folder / REQUEST).write_bytes(pickle.dumps((_files(), recipe, dict(states), dict(rows))))
    fresh = folder / "fresh"
    fresh.mkdir()
    environment = {
        **variables,
        **dict.fromkeys(FRESH, str(fresh)),
        "PYTHONPATH": os.pathsep.join(str(Path(path).absolute()) for path in sys.path),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [sys.executable, "-c", f"from {__name__} import main; main()", str(folder)]
    plain: Any = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True, "errors": "replace"}
    try:
        done = subprocess.run(command, cwd=fresh, env=environment, timeout=LONGEST, **plain)
    except subprocess.TimeoutExpired:
        return Answer({}, [], f"nothing within {LONGEST} s")
    answer = folder / ANSWER
    if not answer.exists():
        return Answer({}, [], f"the exit code {done.returncode}: {done.stderr.strip()[-500:]}")
    answered = unpack(answer.read_bytes(), str(answer)).state
    return Answer(answered["outputs"], list(answered["opened"]), answered["error"])


def _files() -> dict[str, str]:
    """Return the file of each module that this process has."""
    files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
    return {name: file for name, file in files.items() if isinstance(file, str) and file.endswith(".py")}


class _SameFiles:
    """Finds modules where the asking process has them: a plugin may be a single file that is not installed."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = files

    def find_spec(self, name: str, path: Sequence[str] | None = None, target: Any = None) -> ModuleSpec | None:
        """Return how to load a module; None if it is found without help."""
        file, usual = self._files.get(name), PathFinder.find_spec(name, path)
        if file is None:
            above = usual is None and any(module.startswith(f"{name}.") for module in self._files)
            return ModuleSpec(name, None, is_package=True) if above else None
        if usual and usual.origin == file:
            return None
        package = [str(Path(file).parent)] if Path(file).stem == "__init__" else None
        return spec_from_file_location(name, file, submodule_search_locations=package)


def main() -> None:
    """Answer the request in the folder that the command line names."""
    folder = Path(sys.argv[1])
    files, recipe, states, rows = pickle.loads((folder / REQUEST).read_bytes())
    outputs: dict[str, Any] = {}
    opened: list[str] = []
    error = ""
    try:
        sys.meta_path.insert(0, _SameFiles(files))
        bench_type, make = pickle.loads(recipe)
        with bench_type(make) as bench:
            components = {name: bench.build() for name in states}
            _listen(opened)
            for name, content in states.items():
                way = way_named(bench, name)
                restored = components[name].restore(unpack(content, "the state").state)
                outputs[name] = answers(way, restored, rows[name])
    except Exception as caught:
        error = f"{type(caught).__name__}: {caught} ({_place(caught)})"
    newer = sorted({path for path in opened if _is_newer(path, folder)})
    (folder / ANSWER).write_bytes(pack({"outputs": outputs, "opened": newer, "error": error}, {}))


def _place(error: Exception) -> str:
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}: {last.line}"


def _listen(opened: list[str]) -> None:
    """Note each file that is opened from now on."""

    def hear(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("open", "sqlite3.connect") and isinstance(arguments[0], str | bytes | os.PathLike):
            opened.append(str(Path(os.fsdecode(arguments[0])).absolute()))

    sys.addaudithook(hear)


def _is_newer(path: str, folder: Path) -> bool:
    """Whether a file was written since components began to be fitted, and by them."""
    file = Path(path)
    if not file.is_file() or file.is_relative_to(folder):
        return False
    return file.stat().st_mtime_ns >= (folder / BEGIN).stat().st_mtime_ns
