"""A chunk of scores is whole, or it says what it lacks."""

from __future__ import annotations

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.store.score_chunks import lacking
from asdcore.store.tables import CHUNK_SCORES, FULL

N_TRAIN, N_TEST, FOLDS = 7, 4, 3


def chunk(one_by_one=True, mirrored=False, references=("pooled", "source"), n_test=N_TEST):
    """Return a chunk as scoring lays it out: left out one by one or by folds, and by folds for a mirror."""
    rows = []
    for reference in references:
        if one_by_one:
            rows += [("oof", i, reference, FULL) for i in range(N_TRAIN)]
        if mirrored or not one_by_one:
            rows += [("oof", i, reference, i % FOLDS) for i in range(N_TRAIN)]
        rows += [("test", i, reference, FULL) for i in range(n_test)]
        if mirrored:
            rows += [("test", i, reference, fold) for fold in range(FOLDS) for i in range(n_test)]
    return pl.DataFrame([(*row, 0.5) for row in rows], schema=CHUNK_SCORES.columns, orient="row")


KINDS = st.tuples(st.booleans(), st.booleans(), st.sampled_from([("pooled",), ("pooled", "source", "target")]))


@given(KINDS, st.sampled_from([0, 1, N_TEST]))
def test_a_whole_chunk_lacks_nothing(kind, n_test):
    assert lacking(chunk(*kind, n_test=n_test), N_TRAIN, n_test) is None


@given(KINDS, st.data())
def test_every_single_row_is_missed(kind, data):
    whole = chunk(*kind)
    row = data.draw(st.integers(0, len(whole) - 1))
    assert lacking(pl.concat([whole[:row], whole[row + 1 :]]), N_TRAIN, N_TEST)


@given(KINDS, st.data())
def test_every_row_of_another_clip_is_noticed(kind, data):
    whole = chunk(*kind)
    row, other = data.draw(st.integers(0, len(whole) - 1)), data.draw(st.sampled_from([-1, 99, 2**31 - 1]))
    changed = whole.with_columns(row=pl.when(pl.int_range(pl.len()) == row).then(other).otherwise("row").cast(pl.Int32))
    assert lacking(changed, N_TRAIN, N_TEST)
    more = pl.concat([whole, whole[row].with_columns(row=pl.lit(other, pl.Int32))])
    assert lacking(more, N_TRAIN, N_TEST)


@given(KINDS)
def test_a_chunk_of_more_or_fewer_clips_is_noticed(kind):
    for sizes in ((N_TRAIN + 1, N_TEST), (N_TRAIN - 1, N_TEST), (N_TRAIN, N_TEST + 1), (N_TRAIN, 0)):
        assert lacking(chunk(*kind), *sizes)


@pytest.mark.parametrize("role", ["oof", "test"])
@pytest.mark.parametrize("one_by_one", [True, False])
def test_a_role_that_is_gone_is_noticed(role, one_by_one):
    whole = chunk(one_by_one)
    assert lacking(whole.filter(pl.col("role") != role), N_TRAIN, N_TEST) == "it lacks the scores of a whole role"
    assert lacking(whole.filter(~((pl.col("role") == role) & (pl.col("reference") == "pooled"))), N_TRAIN, N_TEST)


def test_what_is_lacking_is_said():
    assert lacking(chunk()[1:], N_TRAIN, N_TEST) == "it has 6 'oof' scores of 6 clips by 'pooled', not 7"
    odd = chunk().with_columns(role=pl.lit("train"))
    assert lacking(odd, N_TRAIN, N_TEST)
