"""Clips and cells by number: in any order of rows the stages give what they give for a table in order."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest

from asdcore.compute.scoring.clip_order import BranchRows, ClipOrder, bounds_of, cells_of
from asdcore.contract.plugins import installed
from asdcore.portfolio import load_portfolio
from asdcore.stages.calibrate import calibrate, mirror
from asdcore.stages.decide import decide
from asdcore.stages.fuse import fuse
from asdcore.store.tables import CALIBRATED, DECISIONS, FULL, SYSTEMS

PLAN = load_portfolio("demo")


def tables(folds: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Scores of two machines by every branch, whose numbers of references differ, and the clip index."""
    rng, rows, clips = np.random.default_rng(0), [], []
    for machine in ("gear", "fan"):
        for i in range(40):
            split, role = ("train", "oof") if i < 24 else ("test", "test")
            domain = ("target" if i % 4 == 0 else "source") if i < 24 else None
            name = f"{machine}/{split}/{i:02}.wav"
            clips.append((name, machine, "00", split, domain, f"{rng.integers(1 << 60):064x}"))
            for number, branch in enumerate(PLAN.branches):
                for reference in ("pooled", "source", "target")[: 3 if number % 2 else 1]:
                    scored = [FULL] if role == "test" or not folds else []
                    scored += (range(folds) if role == "test" else [i % folds]) if folds else []
                    rows += [
                        (name, machine, "00", split, domain, branch, reference, fold, role, rng.gamma(2.0))
                        for fold in scored
                    ]
    columns = ["clip", "machine", "section", "split", "domain", "branch", "reference", "fold", "role", "score"]
    scores = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"fold": pl.Int32})
    return scores, pl.DataFrame(clips, schema=[*columns[:5], "sha256"], orient="row")


def results(scores: pl.DataFrame, clips: pl.DataFrame) -> list[pl.DataFrame]:
    plugins = installed()
    calibrated = calibrate(scores, clips, PLAN.branches, plugins)
    systems = fuse(calibrated, clips, PLAN.systems, plugins)
    frames = [calibrated, systems, decide(systems, clips, PLAN.decision)]
    return [frame.sort(table.key) for table, frame in zip((CALIBRATED, SYSTEMS, DECISIONS), frames, strict=True)]


@pytest.mark.parametrize("by", ["clip", "branch", "score"])
@pytest.mark.parametrize("folds", [0, 3])
def test_the_order_of_the_rows_changes_no_result(folds, by):
    scores, clips = tables(folds)
    ordered = results(scores.sort(by), clips.sort("sha256"))
    assert all(one.equals(other) for one, other in zip(ordered, results(scores, clips), strict=True))


@pytest.mark.parametrize("by", ["clip", "score"])
def test_a_mirror_in_any_order_of_rows(by):
    scores, clips = tables(3)
    key = ["clip", "branch", "role", "fold"]
    plain, ordered = (mirror(rows, clips, PLAN.branches, installed()).sort(key) for rows in (scores, scores.sort(by)))
    assert ordered.equals(plain)
    assert plain.filter(role="test")["fold"].unique().sort().to_list() == [0, 1, 2]


def test_rows_of_clips_that_the_index_does_not_name_are_left_out():
    scores, clips = tables()
    fans = clips.filter(machine="fan")
    of_fans, of_all = results(scores, fans), results(scores, clips)
    for some, every in zip(of_fans, of_all, strict=True):
        assert some.equals(every.filter(pl.col("clip").str.starts_with("fan/")))


def test_branches_whose_rows_stand_together_are_slices_and_others_are_looked_up():
    table = pl.DataFrame({"branch": ["b", "b", "a"], "z": [1, 2, 3]})
    for rows in (table, pl.concat([table, table])):
        by_branch = BranchRows(rows)
        assert by_branch.names == ["b", "a"]
        assert by_branch["a"].equals(rows.filter(branch="a"))
        assert by_branch["b"].equals(rows.filter(branch="b"))


@pytest.mark.parametrize("cuts", [[], [1], [3], [1, 2, 3, 4, 5], [2, 2, 4]])
def test_a_table_in_pieces_has_the_same_cells_and_branches(cuts):
    machine = ["fan", "fan", "gear", "gear", "slider", "fan"]
    rows = pl.DataFrame({"branch": machine, "machine": machine, "section": ["00", "01", "01", "01", "01", "01"]})
    bounds = [0, *cuts, len(rows)]
    pieces = pl.concat([rows[start:stop] for start, stop in itertools.pairwise(bounds)], rechunk=False)
    numbers, cells = cells_of(pieces)
    assert numbers.tolist() == [0, 1, 2, 2, 3, 1]
    assert cells == rows.select("machine", "section").unique(maintain_order=True).rows()
    assert BranchRows(pieces).names == ["fan", "gear", "slider"]


def test_branches_share_the_names_of_their_clips():
    scores, clips = tables()
    calibrated = calibrate(scores.sort("branch", maintain_order=True), clips, PLAN.branches, installed())
    pieces = [piece.to_arrow(compat_level=pl.CompatLevel.newest()) for piece in calibrated["clip"].get_chunks()]
    held = {piece.buffers()[1].address for piece in pieces}
    assert (len(pieces), len(held)) == (len(PLAN.branches), 2), "once for each number of references"


def test_nothing_has_no_branch_cell_or_run():
    assert BranchRows(pl.DataFrame(schema={"branch": pl.String})).names == []
    numbers, cells = cells_of(pl.DataFrame(schema={"machine": pl.String, "section": pl.String}))
    assert (len(numbers), cells, bounds_of(numbers)) == (0, [], [])


def test_an_index_that_names_a_clip_twice_is_refused():
    order = ClipOrder(pl.DataFrame({"clip": ["a", "a"], "sha256": ["0", "1"]}))
    with pytest.raises(pl.exceptions.ComputeError):
        order.places(pl.Series(["a"]))


@pytest.mark.parametrize(
    "digests",
    [
        [f"{n:064x}" for n in (3, 1, 2)],
        ["ff" * 32, "0a" * 32, "a0" * 32],
        ["b", "a", "10"],
        ["AB" * 32, "ab" * 32, "0c" * 32],
        ["0f" * 32, "0f" * 32, "00" * 32],
        ["0f" * 8 + "1", "0f" * 8 + "0", "e" * 17],
    ],
    ids=["last digits differ", "first digits differ", "no digests", "capitals", "the same audio", "other lengths"],
)
def test_clips_are_sorted_by_the_text_of_their_digests(digests):
    clips = pl.DataFrame({"clip": ["z", "x", "y"], "sha256": digests})
    assert ClipOrder(clips).clips.equals(clips.sort("sha256", "clip"))
