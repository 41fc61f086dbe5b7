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

An encoder with ``fit`` is trained, on 16 clips of 1 s; pass a factory of one that trains fast. A dataset reader is
checked on a folder that it can read (a path, or a function that makes one); a few clips of it are copied and changed,
the folder itself is never written to::

    @dataset_checks(MyDataset, Path(__file__).parent / "few_clips")
    def test_my_dataset(check):
        check()

Without pytest, :func:`run_checks` returns a list of :class:`Result` (name, passed, message), and :func:`checks` the
check functions by name. :func:`check_installed` finds a component by its name alone, as ``asdcore check-plugin NAME``
does; a guard that needs the name of a branch gets one. Given a folder of recordings, it also makes a small run around
the component, and makes it again, in fresh processes: with the names of test clips exchanged, and with either half of
the test clips. That finds what reaches beyond its clip from within a process: stack frames, files, the command line.

What is checked
---------------
Whatever the kind, the output for a clip may depend on that clip and on the train normals, and on nothing else. So every
kind is called with its clips permuted, dropped, duplicated and appended, alone and in large batches, beside extreme
outliers, twice, after other batches, and with the global random generators stirred; each time by newly built and fitted
components, so a component that remembers a first batch fails too. Outputs may differ by what arithmetic rounds away,
relative to their scale: 1e-12 for normalizers and guards, 1e-5 for scores and tokens (float32, matrix products) and
1e-6 for waveforms. No difference at all is better: a frozen portfolio promises the same bytes whichever clips are
scored together, so compute scores in float64 and each clip's alone.

A scorer, normalizer, guard or trainable encoder with ``state`` and ``restore`` is restored too: from its state, from
its state's file, and in a new process with a home, a temporary and a working folder of its own. There it must give the
same bits as the one that was fitted, for many clips and for one. A state must not change once it was taken, and restore
must refuse a state that lacks a key. A class that a new process cannot import (from a notebook, a script, the inside of
a function) is checked in this process alone; under its registered name it is checked in both.

A trainable encoder must learn the same bits from the same clips and seed, in one go or stopped after any epoch and
trained on; forget what it was trained on before; ask its clips for audio and labels alone; and learn nothing from sound
that lies beside theirs. Whether it finds its way to test clips by other means (stack frames, files) shows in a small
run, given a folder of recordings.

A failed check says what was observed, why it matters, and the likely cause. Its name says what is wrong:
``check_no_test_set_z_scores``, ``check_left_out_matches_refit``, ``check_restores_exactly``, ...
"""

from __future__ import annotations

from pathlib import Path

from asdcore.authoring.conformance import Result, Root, checks, kind_of, required, run_checks
from asdcore.authoring.conformance.decorators import (
    dataset_checks,
    encoder_checks,
    guard_checks,
    normalizer_checks,
    scorer_checks,
    view_checks,
)
from asdcore.contract.plugins import installed
from asdcore.errors import PluginError
from asdcore.processes.under_way import under_way

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


def check_installed(name: str, kind: str | None = None, root: Root | None = None) -> list[Result]:
    """Run every check on an installed component, as ``asdcore check-plugin NAME`` does.

    Parameters
    ----------
    name : str
        The name of the component.
    kind : {"dataset", "view", "encoder", "scorer", "normalizer", "guard"}, optional
        Its kind. Needed only if several kinds have a component of this name.
    root : Path or callable, optional
        A folder of recordings, or a function that makes one. A dataset reader is checked on it. For any other kind the
        recordings must have a form of the DCASE tasks: a small run around the component is made in fresh processes,
        and made again under other names and with half of the test clips.

    Returns
    -------
    list of Result
        What came of each check.

    Raises
    ------
    PluginError
        If no component has this name, several kinds have it, it needs a parameter, or ``root`` is not a folder.

    Examples
    --------
    >>> from asdcore.testing import check_installed
    >>> all(result.passed for result in check_installed("near"))
    True
    """
    kind = kind_of(name, kind)
    plugins = installed()
    made_up = required(kind, name)
    if needed := [each for each in plugins.needed(plugins.component(kind, name)) if each not in made_up]:
        given = ", ".join(f"{parameter}=..." for parameter in needed)
        raise PluginError(
            f"{kind} {name!r} needs {' and '.join(map(repr, needed))}, which the checks cannot make up, so none was "
            "run. Give it in Python, to asdcore.testing: "
            f"run_checks({kind!r}, lambda: asdcore.load_{kind}({name!r}, {given}))."
        )
    if isinstance(root, Path) and not root.is_dir():
        raise PluginError(f"--data {root} is not a folder. Give the folder that holds the recordings.")
    with under_way(f"{kind} {name!r}", "plugin"):  # it may end the process
        checked = run_checks(kind, name, root if kind == "dataset" else None)
    if kind == "dataset" or root is None:
        return checked
    from asdcore.frozen.rerun.plugin_check import check_in_a_run

    return [*checked, *check_in_a_run(kind, name, root if isinstance(root, Path) else root())]
