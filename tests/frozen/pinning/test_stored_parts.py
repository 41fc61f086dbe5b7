"""A freeze pins every file of features and every state that its run took from the store, and names what is gone."""

from __future__ import annotations

import polars as pl
import pytest

from asdcore.contract.plugins import installed
from asdcore.errors import ManifestError, StoreError
from asdcore.frozen.pinning.stored_parts import StoredParts
from asdcore.portfolio import parse_portfolio
from asdcore.runs.portions import TablePortions
from asdcore.store.fitted_state import pack, unpack


@pytest.fixture
def parts(frozen):
    run = frozen.run()
    return StoredParts(TablePortions(run), parse_portfolio(run.about["portfolio"]), installed(), frozen.home / "store")


def test_every_branch_and_machine_has_its_state(parts, frozen):
    states = parts.states
    assert states.keys() == {"near_knn", "far_gauss"}
    names = {name for cells in states.values() for of_cell in cells.values() for name in of_cell}
    assert names == {subject.name for subject in frozen.manifest.of_kind("fitted")}
    assert names == {frozen.name_of(path) for path in (frozen.home / "store" / "fitted").iterdir()}
    assert all(cells.keys() == {"fan/00", "3DPrinter/00"} for cells in states.values())


def test_every_file_of_features_is_listed_with_the_machines_that_are_read_from_it(parts, frozen):
    shards = parts.shards()
    names = {name for of_branch in shards.values() for name in of_branch}
    assert names == {subject.name for subject in frozen.manifest.of_kind("features")}
    cells = dict(parts.run.clips.select("sha256", pl.concat_list("machine", "section")).rows())
    for of_branch in shards.values():
        for name, read in of_branch.items():
            held = pl.read_parquet(frozen.home / name)["audio_sha256"]
            assert sorted(read) == sorted({tuple(cells[digest]) for digest in held})


def test_a_missing_state_is_named_with_what_to_do(parts, frozen):
    next((frozen.home / "store" / "fitted").iterdir()).unlink()
    with pytest.raises(ManifestError, match=r"lacks what 1 scorers of branch '\w+' have learnt. Run the port"):
        _ = parts.states


def cut_short(content, _):
    return content[:-1]


def of_another_scorer(_, other):
    return other


def without_a_part(content, _):
    kept = unpack(content, "it")
    return pack({"state": kept.state["state"]}, kept.about)


@pytest.mark.parametrize("change", [cut_short, of_another_scorer, without_a_part])
def test_a_damaged_or_exchanged_state_is_not_frozen(parts, frozen, change):
    mine, other = sorted((frozen.home / "store" / "fitted").iterdir())[:2]
    mine.write_bytes(change(mine.read_bytes(), other.read_bytes()))
    with pytest.raises(StoreError, match=f"{mine.name}.*Remove it with 'rm {mine}' and run again"):
        _ = parts.states


def test_a_missing_file_of_features_is_named_with_what_to_do(parts, frozen):
    frozen.shard.unlink()
    with pytest.raises(ManifestError, match=r"lacks the features of \d+ clips of this run. Run the portfolio again"):
        parts.shards()
