"""The table of what can be written as ONNX names every bundled component, on the side where the code has it."""

from __future__ import annotations

import re

import pytest

from asdcore.contract.plugins import installed
from asdcore.data.features.pooling import POOLINGS
from asdcore.detector.as_onnx.branches import able
from asdcore.detector.as_onnx.poolings import WRITTEN
from asdcore.fusion import FUSIONS
from asdcore.fusion.transforms import TRANSFORMS
from docs.examples import PAGES

ROWS = {
    row[1]: tuple(set(re.findall(r"`(\w+)`", cell)) for cell in row[2:4])
    for line in (PAGES / "monitor.md").read_text().partition("| part | can be written |")[2].splitlines()
    if len(row := [cell.strip() for cell in line.split("|")]) == 5
}


@pytest.mark.parametrize("kind", ["view", "encoder", "scorer", "normalizer", "guard"])
def test_components_stand_where_the_code_has_them(kind):
    plugins = installed()
    bundled = {name for name, each in plugins.components(kind).items() if each.distribution == "asdcore"}
    written = bundled & set(able(plugins, kind))
    assert ROWS[kind] == (written, bundled - written)


# That each of these can be written, tests/detector/as_onnx/test_parts.py shows.
@pytest.mark.parametrize(
    ("part", "names"),
    [("pooling", POOLINGS), ("transform", TRANSFORMS), ("fusion", FUSIONS)],
    ids=lambda each: str(each)[:9],
)
def test_every_pooling_transform_and_fusion_is_named(part, names):
    assert ROWS[part] == (set(names), set())
    assert WRITTEN.keys() == POOLINGS.keys()
