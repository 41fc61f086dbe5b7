"""Starts a new plugin: a distribution with a small working component, its tests, and a page on how to use it."""

from __future__ import annotations

import importlib.util
import keyword
import re
import shlex
import shutil
import sys
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from string import Template

from asdcore.basics.paths import given_path
from asdcore.contract.interfaces import KINDS
from asdcore.contract.plugins import installed
from asdcore.errors import PluginError, did_you_mean
from asdcore.store.disk.atomic import fresh_folder

LONGEST = 50
NAME = re.compile(r"[a-z]([a-z0-9_]*[a-z0-9])?")


@dataclass(frozen=True)
class _Kind:
    """What the templates say of one kind. ``make`` builds a component in the tests, ``data`` is what a check needs."""

    what: str
    use: str
    make: str = "$class_name"
    test: str = "test.py"
    data: str = ""


_BRANCH = """\
In a portfolio:

```toml
[branches.mine]
view = "near"
encoder = { name = "logmel", pooling = "mean_std" }
scorer = { name = "knn" }
normalizer = { name = "median_iqr" }
```"""

_SYSTEM = """\
In a portfolio:

```toml
[systems.A]
weights = { some_branch = 1.0 }
guards = [ { name = "$name", support = "another_branch", strength = 0.25 } ]
```"""

_KINDS = {
    "dataset": _Kind(
        what="A dataset reader",
        use="On the command line:\n\n```\nasdcore run PORTFOLIO.toml --data ROOT --task $name --out RUN\n```",
        test="test_dataset.py",
        data=" --data ROOT",
    ),
    "view": _Kind(what="A view", use=_BRANCH.replace('view = "near"', 'view = "$name"')),
    "encoder": _Kind(what="An encoder", use=_BRANCH.replace('"logmel"', '"$name"')),
    "scorer": _Kind(what="A scorer", use=_BRANCH.replace('"knn"', '"$name"')),
    "normalizer": _Kind(what="A normalizer", use=_BRANCH.replace('"median_iqr"', '"$name"')),
    "guard": _Kind(what="A guard", use=_SYSTEM, make='lambda: $class_name(support="another_branch")'),
}


OWN = ("pooling", "transform", "fusion")
"""Steps between sound and score that no plugin can add."""


def new_plugin(kind: str, name: str, folder: Path, *, trainable: bool = False) -> Path:
    """Write the distribution ``asdcore-<name>`` into ``folder`` and return where it lies.

    Hyphens in the name become underscores. trainable : an encoder that is trained. Raises PluginError for an invalid
    name or kind, or a name that is taken.
    """
    if kind not in KINDS:
        own = f" A {kind} is a function of asdcore itself: CONTRIBUTING.md says where it goes." if kind in OWN else ""
        raise PluginError(f"There is no kind of plugin {kind!r}. {did_you_mean(kind, KINDS)}{own}")
    if trainable and kind != "encoder":
        raise PluginError(f"--trainable is for encoders: every {kind} that has a fit is fitted already. Leave it out.")
    name = _checked(kind, name.replace("-", "_"))
    distribution = "asdcore-" + name.replace("_", "-")
    destination = given_path(folder, "the folder") / distribution
    if destination.exists() or destination.is_symlink():
        raise PluginError(f"{destination} exists already. Choose another name or folder, or remove it.")
    with fresh_folder(destination) as temporary:
        whole = temporary / distribution
        for file, text in _files(kind, name, distribution, trainable).items():
            (whole / file).parent.mkdir(parents=True, exist_ok=True)
            (whole / file).write_text(text, encoding="utf-8", newline="\n")
        whole.replace(destination)
    return destination


def install_command(path: Path) -> str:
    """Return the command that installs a plugin at ``path`` for development into the environment of this Python.

    This environment has all that a new plugin depends on. If it has the build backend too, pip needs no network.
    """
    offline = "--no-build-isolation " if importlib.util.find_spec("hatchling") else ""
    return f"{command('pip')} install {offline}--no-deps -e {shlex.quote(str(path))}"


def command(name: str) -> str:
    """Return how to call a command of this Python's environment: by its name, if that leads there."""
    path = shutil.which(name)
    # Without following links: in an environment python is a link to another's.
    is_ours = path is not None and Path(path).parent == Path(sys.executable).parent
    return name if is_ours else f"{shlex.quote(sys.executable)} -m {name}"


def _checked(kind: str, name: str) -> str:
    if not NAME.fullmatch(name) or len(name) > LONGEST or keyword.iskeyword(name):
        raise PluginError(
            f"Invalid plugin name {name!r}. A name starts with a lower-case letter, goes on with lower-case letters, "
            "digits and underscores, does not end with an underscore, is not a keyword of Python and has at most "
            f"{LONGEST} characters, as in 'band_energy'."
        )
    taken = installed().components(kind)
    if name in taken:
        raise PluginError(
            f"The name {name!r} is taken: {taken[name].distribution} has a component of kind {kind!r} by that name. "
            f"Choose another: 'my_{name}'?"
        )
    if importlib.util.find_spec(f"asdcore_{name}") is not None:
        raise PluginError(f"There is a module asdcore_{name} already. Choose another name: 'my_{name}'?")
    return name


def _files(kind: str, name: str, distribution: str, trainable: bool) -> dict[str, str]:
    """Return {path in the new distribution: its text}."""
    module, about = f"asdcore_{name}", _KINDS[kind]
    words = {"kind": kind, "name": name, "distribution": distribution, "module": module}
    words |= {"what": about.what, "data": about.data, "class_name": _class_name(kind, name)}
    words |= {"use": Template(about.use).substitute(words), "make": Template(about.make).substitute(words)}
    sources = {
        "pyproject.toml": "pyproject.toml",
        "README.md": "README.md",
        f"{module}.py": f"{'trainable_' * trainable}{kind}.py",
        f"tests/test_{name}.py": about.test,
    }
    templates = resources.files("asdcore.authoring") / "templates" / "new_plugin"
    return {
        file: Template((templates / f"{source}.template").read_text(encoding="utf-8")).substitute(words)
        for file, source in sources.items()
    }


def _class_name(kind: str, name: str) -> str:
    """band_energy -> BandEnergyEncoder; my_encoder -> MyEncoder."""
    words = "".join(word.capitalize() for word in name.split("_"))
    return words if words.endswith(kind.capitalize()) else words + kind.capitalize()
