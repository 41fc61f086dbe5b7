"""Checks that a plugin must pass, for its author's own tests.

One decorator for each kind turns one test into one test for each check::

    from asdcore.testing import scorer_checks
    from asdcore_my_scorer import MyScorer

    @scorer_checks(MyScorer)
    def test_my_scorer(check):
        check()

What is passed is a class, a factory without arguments, or the registered name of a component. For parameters, pass a
factory::

    @encoder_checks(lambda: MyEncoder(bands=32))
    def test_my_encoder(check):
        check()

Trainable encoders are checked as their factory returns them: let it return a fitted one. A dataset reader is checked
on a folder that it can read (a path, or a function that makes one); a few clips of it are copied and changed, the
folder itself is never written to::

    @dataset_checks(MyDataset, Path(__file__).parent / "few_clips")
    def test_my_dataset(check):
        check()

Without pytest, :func:`run_checks` returns a list of :class:`Result` (name, passed, message), and :func:`checks` the
check functions by name. :func:`check_installed` finds a component by its name alone, as ``asdcore check-plugin NAME``
does; a guard that needs the name of a branch gets one.

What is checked
---------------
Whatever the kind, the output for a clip may depend on that clip and on the train normals, and on nothing else. So every
kind is called with its clips permuted, dropped, duplicated and appended, alone and in large batches, beside extreme
outliers, twice, after other batches, and with the global random generators stirred; each time by newly built and fitted
components, so that remembering a first batch is found out as well. What may differ is what float32 arithmetic
rounds away: 1e-5 of the outputs' scale (1e-6 for waveforms). Better is nothing at all: a frozen portfolio promises the
same bytes whichever clips are scored together, so compute scores in float64 and each clip's alone.

A failed check says what was found, why it matters, and what is the likely cause. Its name says what is wrong:
``check_no_test_set_z_scores``, ``check_left_out_matches_refit``, ``check_input_unchanged``, ...
"""

from __future__ import annotations

from asdcore.contract.conformance import (
    Result,
    check_installed,
    checks,
    dataset_checks,
    encoder_checks,
    guard_checks,
    normalizer_checks,
    run_checks,
    scorer_checks,
    view_checks,
)

__all__ = [
    "Result",
    "check_installed",
    "checks",
    "dataset_checks",
    "encoder_checks",
    "guard_checks",
    "normalizer_checks",
    "run_checks",
    "scorer_checks",
    "view_checks",
]
