"""The house stands: who may import whom, how long things are, and that nothing names what it must not."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "asdcore"
PLUGINS = ROOT / "plugins" / "asdcore_plugins"

# Top to bottom: a module imports its own room, and rooms of the layers below it, never one above or beside it.
LAYERS = [
    ["__main__"],
    ["cli"],
    ["testing"],
    ["monitor", "reporting"],
    ["explanation"],
    ["detector"],
    ["frozen"],
    ["submission"],
    ["pipeline"],
    ["complexity"],
    ["evidence", "exchange", "preflight"],
    ["cluster"],
    ["stages"],
    ["held_out"],
    ["compute", "runs"],
    ["portfolio"],
    ["components", "fusion"],
    ["authoring", "data", "resources"],
    ["contract"],
    ["store"],
    ["execution"],
    ["basics", "drawing"],
    ["errors", "progress", "version"],
    ["processes"],
]
LOOSE = {"__init__", "__main__", "errors", "execution", "pipeline", "progress", "testing", "version"}
"""The entrance, and leaves that any room may use. Everything else has a room."""

PUBLIC = {"asdcore", "asdcore.testing"}
OF_TOKENS = ("embedding_residual.py", "pseudo_labels.py")
MAX_FILE, MAX_FUNCTION = 300, 40

MAP_FROM = 4
"""A room of so many modules and rooms has a map in its docstring: lines ``module  what it holds`` or ``room/  ...``."""


def modules(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.py") if "templates" not in path.parts)


def name_of(path: Path, top: Path = ROOT) -> str:
    parts = path.relative_to(top).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@functools.cache
def imports(path: Path, *, typing_too: bool = False, whole: frozenset[str] = frozenset()) -> set[str]:
    """Return every asdcore module that a file imports, at its top or inside a function.

    ``from room import module`` counts as the module, and as its room too unless ``whole`` says that it is a module.
    """
    tree = ast.parse(path.read_text())
    if not typing_too:
        for node in ast.walk(tree):
            if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
                node.body = []
    named = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            named |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            members = {f"{node.module}.{alias.name}" for alias in node.names}
            named |= members if members <= whole else {node.module} | members
    return {name for name in named if name.split(".")[0] in ("asdcore", "asdcore_plugins")}


def layer_of(module: str) -> int | None:
    parts = module.split(".")
    if len(parts) < 2:
        return None
    for level, names in enumerate(LAYERS):
        if parts[1] in names:
            return level
    return None


FRAMEWORK = [path for path in modules(PACKAGE) if name_of(path) != "asdcore"]


def test_every_module_belongs_to_a_layer():
    assert [name_of(path) for path in FRAMEWORK if layer_of(name_of(path)) is None] == [], "say in LAYERS to which"


def test_a_module_imports_its_layer_or_below():
    wrong = []
    for path in FRAMEWORK:
        module = name_of(path)
        for other in imports(path):
            theirs = layer_of(other)
            own_room = other.split(".")[:2] == module.split(".")[:2]
            if not (theirs is None or theirs > layer_of(module) or own_room):
                wrong.append(f"{module} imports {other}, which lies not below it")
    assert wrong == []


def test_the_top_holds_the_entrance_and_leaves_alone():
    assert {path.stem for path in PACKAGE.glob("*.py")} == LOOSE


def test_a_stage_imports_no_other_stage():
    """Its parts are named after it: ``score`` may import ``score_jobs``."""
    stages = {path.stem for path in modules(PACKAGE / "stages")} - {"__init__"}
    wrong = []
    for path in modules(PACKAGE / "stages"):
        others = {stage for stage in stages if not f"{stage}_".startswith(f"{path.stem.partition('_')[0]}_")}
        named = {name.rpartition(".")[2] for name in imports(path) if name.startswith("asdcore.stages.")}
        wrong += [f"{path.stem} imports {other}" for other in others & named]
    assert wrong == []


def test_only_evidence_and_what_is_above_it_sees_the_ground_truth():
    truth = {f"asdcore.evidence.{place}" for place in ("evaluations.evaluate", "labels.files", "labels.matching")}
    assert truth <= {name_of(path) for path in FRAMEWORK}
    wrong = []
    for path in FRAMEWORK:
        module = name_of(path)
        allowed = layer_of(module) <= layer_of("asdcore.pipeline") or module.startswith("asdcore.evidence")
        defines = module.startswith(("asdcore.contract", "asdcore.authoring"))
        if not allowed and (truth & imports(path) or ("ground_truth(" in path.read_text() and not defines)):
            wrong.append(module)
    assert wrong == []


def test_the_framework_imports_no_plugin():
    assert [
        name_of(path) for path in FRAMEWORK if any(name.startswith("asdcore_plugins") for name in imports(path))
    ] == []


def test_a_plugin_uses_public_names_and_shared_parts_alone():
    shared = tuple(f"asdcore_plugins.{room}" for room in ("nn", "stats", "trained"))
    wrong = []
    for path in modules(PLUGINS):
        for name in imports(path, typing_too=True):
            # What is made of an encoder's tokens is made by that encoder; imported, it counts as its source.
            of_tokens = path.name in OF_TOKENS and name.startswith("asdcore_plugins.encoders")
            public = name in PUBLIC or name.rpartition(".")[0] in PUBLIC
            if not (public or of_tokens or name.startswith(shared) or ".bases" in name):
                wrong.append(f"{path} imports {name}")
    assert wrong == []


@pytest.mark.parametrize("package", [PACKAGE, PLUGINS], ids=lambda package: package.name)
def test_there_are_no_import_circles(package):
    """Not under TYPE_CHECKING or inside functions either. A face that looks names up on first use is left out."""
    paths = {name_of(path, package.parent): path for path in modules(package) if path != package / "__init__.py"}
    left = {
        name: (imports(path, typing_too=True, whole=frozenset(paths)) & set(paths)) - {name}
        for name, path in paths.items()
    }
    while ends := {name for name, needs in left.items() if not needs & left.keys()}:
        left = {name: needs for name, needs in left.items() if name not in ends}
    assert not left, f"these import one another, or what does: {sorted(left)}"


def test_of_two_rooms_inside_a_room_one_lies_below_the_other():
    paths = {name_of(path): path for path in FRAMEWORK}
    arrows: dict[tuple[str, str], list[str]] = {}
    for name, path in paths.items():
        for other in imports(path, typing_too=True, whole=frozenset(paths)) & set(paths):
            parts, others = name.split("."), other.split(".")
            shared = next((i for i, pair in enumerate(zip(parts, others, strict=False)) if pair[0] != pair[1]), None)
            if shared is not None:
                ends = (".".join(parts[: shared + 1]), ".".join(others[: shared + 1]))
                arrows.setdefault(ends, []).append(f"{name} imports {other}")
    both = [arrows[here, there] + arrows[there, here] for here, there in arrows if (there, here) in arrows]
    assert both == [], "these import one another's modules: move what both need, or what needs both"


def rooms() -> list[Path]:
    """Return the folders that are packages, but not the top: its docstring is for users, its map in CONTRIBUTING."""
    inits = [path for path in (*modules(PACKAGE), *modules(PLUGINS)) if path.name == "__init__.py"]
    return [path.parent for path in inits if path.parent != PACKAGE]


def dotted(room: Path) -> str:
    return f"{dotted(room.parent)}.{room.name}" if (room.parent / "__init__.py").exists() else room.name


def wrong_entries(room: Path) -> list[str]:
    """Return what is wrong with the map in a room's docstring: entries that lack, that lead nowhere, or come twice."""
    purpose, *rest = (ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or "").split("\n")
    named = [entry[1] for line in rest if (entry := re.match(r"(\w+/?) {2,}\S", line))]
    there = {path.stem for path in room.glob("*.py")} - {"__init__"}
    there |= {f"{path.parent.name}/" for path in room.glob("*/__init__.py")}
    if not named and len(there) < MAP_FROM:
        return []
    map_of = f"the docstring of {dotted(room)}"
    return [
        *([] if purpose.endswith(".") else [f"{map_of} does not begin with a sentence that says what the room is for"]),
        *(f"{map_of} has no line for {name}: add '{name}  WHAT IT HOLDS'" for name in sorted(there - set(named))),
        *(f"{map_of} has a line for {name}, which is not there" for name in sorted(set(named) - there)),
        *(f"{map_of} has {named.count(name)} lines for {name}" for name in sorted(there) if named.count(name) > 1),
    ]


def test_the_map_of_every_room_names_what_is_in_it():
    assert [message for room in rooms() for message in wrong_entries(room)] == []


def test_a_stale_map_is_told_by_room_and_module(tmp_path):
    (room := tmp_path / "hall").mkdir()
    (room / "__init__.py").write_text('"""For guests.\n\ndoor   oak\nlamp   lit\ndoor   oak\ntower  tall\n"""\n')
    (room / "tower").mkdir()
    for name in ("door", "roof", "tower/__init__"):
        (room / f"{name}.py").touch()
    assert wrong_entries(room) == [
        "the docstring of hall has no line for roof: add 'roof  WHAT IT HOLDS'",
        "the docstring of hall has no line for tower/: add 'tower/  WHAT IT HOLDS'",
        "the docstring of hall has a line for lamp, which is not there",
        "the docstring of hall has a line for tower, which is not there",
        "the docstring of hall has 2 lines for door",
    ]


def test_contributing_has_a_row_for_every_room_of_the_house():
    table = (ROOT / "CONTRIBUTING.md").read_text().split("\n## The house\n")[1].split("\n## ")[0]
    named = {name for row in table.split("\n") if row.startswith("| `") for name in re.findall(r"`(\w+)`", row)}
    assert {name for names in LAYERS for name in names} - named == {"__main__", "version"}


def test_files_and_functions_fit_on_a_screen_or_two():
    wrong = []
    for path in (*modules(PACKAGE), *modules(PLUGINS)):
        if (length := path.read_text().count("\n")) > MAX_FILE:
            wrong.append(f"{path} has {length} lines, and at most {MAX_FILE} are allowed")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef) and lines_of(node) > MAX_FUNCTION:
                wrong.append(f"{path}:{node.lineno} {node.name} has {lines_of(node)} lines: at most {MAX_FUNCTION}")
    assert wrong == []


def lines_of(function: ast.FunctionDef) -> int:
    """Return how many lines a function has without its docstring: examples must not make it too long."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return function.end_lineno - function.lineno + 1 - (first.end_lineno - first.lineno + 1 if documented else 0)
