"""Every public name shows an example in its docstring, and the example runs as it is typed.

The examples begin in a folder that holds a synthetic dataset in ``data``, two finished runs of it, ``runs/first`` (one
system, ``knn``) and ``runs/second`` (three: ``plain``, ``fused`` and ``guarded``), two trials of the first in
``runs/trials``, and files as the official evaluator
has them: scores in ``scores``, ground truth in ``truth``.
``asdcore`` and ``np`` (NumPy) are imported. Whatever an example writes is gone before the next one begins.
"""

from __future__ import annotations

import doctest
import inspect
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import asdcore
import asdcore.testing

FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


def public_names() -> dict[str, object]:
    """Return the public functions and classes by name, without errors."""
    named = {name: getattr(module, name) for module in (asdcore, asdcore.testing) for name in module.__all__}
    errors = {name for name, value in named.items() if inspect.isclass(value) and issubclass(value, Exception)}
    return {name: value for name, value in named.items() if callable(value) and name not in errors}


PUBLIC = public_names()


@pytest.fixture(scope="session")
def pristine(tiny_sound, tmp_path_factory) -> tuple[Path, Path]:
    """The folder in which examples begin, and a copy of what it holds apart from the dataset."""
    folder, copy = tmp_path_factory.mktemp("examples"), tmp_path_factory.mktemp("pristine")
    shutil.copytree(tiny_sound, folder / "data")
    run = asdcore.run("logmel-knn", folder / "data", folder / "runs" / "first", store=folder / "store")
    asdcore.run("demo", folder / "data", folder / "runs" / "second", store=folder / "store", task="dcase2026")
    asdcore.run("logmel-knn", folder / "data", folder / "runs" / "trials", store=folder / "store", trials=2)
    write_evaluator_files(run, folder)
    for path in folder.iterdir():
        if path.name != "data":
            shutil.copytree(path, copy / path.name)
    return folder, copy


def write_evaluator_files(run: asdcore.Run, folder: Path) -> None:
    """Write the run's scores, and the labels that its file names tell, in the forms of the official evaluator."""
    tested = run.systems.filter(role="test").join(run.clips, on="clip")
    for (machine, section), cell in tested.group_by("machine", "section"):
        names = [Path(clip).name for clip in cell["clip"]]
        rows = {
            "scores/anomaly_score": cell["score"],
            "truth/ground_truth_data/ground_truth": [int("anomaly" in name) for name in names],
            "truth/ground_truth_domain/ground_truth": [int("target" in name) for name in names],
        }
        for beginning, values in rows.items():
            path = folder / f"{beginning}_{machine}_section_{section}_test.csv"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("".join(f"{name},{value}\n" for name, value in zip(names, values, strict=True)))


@pytest.fixture
def working_folder(pristine, monkeypatch) -> None:
    """Begin in the folder as it was made."""
    folder, copy = pristine
    for path in folder.iterdir():
        if path.is_dir() and path.name != "data":
            shutil.rmtree(path)
        elif path.is_file():
            path.unlink()
    shutil.copytree(copy, folder, dirs_exist_ok=True)
    monkeypatch.setenv("ASDCORE_STORE", str(folder / "store"))
    monkeypatch.chdir(folder)


def docstring(name: str) -> str:
    return inspect.getdoc(PUBLIC[name]) or ""


def section(name: str, title: str) -> str:
    """Return the text of one numpydoc section of a docstring, "" if there is none."""
    match = re.search(
        rf"^{title}\n-{{{len(title)}}}\n(.*?)(?=^\S[^\n]*\n---|\Z)", docstring(name), re.DOTALL | re.MULTILINE
    )
    return match[1] if match else ""


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_the_example_runs(name, working_folder):
    test = doctest.DocTestParser().get_doctest(
        section(name, "Examples"), {"asdcore": asdcore, "np": np}, name, None, None
    )
    assert test.examples, f"{name}: no line of its section Examples begins with >>>"
    complaints: list[str] = []
    doctest.DocTestRunner(optionflags=FLAGS).run(test, out=complaints.append)
    assert not complaints, "".join(complaints)


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_parameter_is_explained(name):
    """A function in its section Parameters; a class may say Attributes."""
    value = PUBLIC[name]
    if not (inspect.isclass(value) or inspect.isfunction(value)):
        return
    text = section(name, "Parameters") + section(name, "Attributes")
    heads = re.findall(r"^(\*{0,2}\w+(?:, \*{0,2}\w+)*) :", text, re.MULTILINE)
    explained = {word.strip(" *") for head in heads for word in head.split(",")}
    assert sorted(set(inspect.signature(value).parameters) - explained) == []


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_what_a_function_returns_is_explained(name):
    value = PUBLIC[name]
    if inspect.isfunction(value) and value.__annotations__.get("return") != "None":
        assert section(name, "Returns")
