"""A worker works only with the code, the libraries, the store and the recordings that a run was planned with."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from asdcore.cluster import worker
from asdcore.cluster.needs import head_digest, written_down
from asdcore.cluster.worker import Call, perform, prove, unseen
from asdcore.contract.plugins import installed
from asdcore.portfolio import load_portfolio

pytest.importorskip("distributed")


@pytest.fixture
def needs(simple, dataset, tmp_path, monkeypatch):
    """What a run needs, whose store and recordings lie here."""
    monkeypatch.setattr(worker, "WAIT", 0.0)
    (tmp_path / "store").mkdir()
    with written_down(load_portfolio(simple), tmp_path / "store", [next(dataset.rglob("*.wav"))], None) as needs:
        yield needs


def changed(needs, what, value):
    return replace(needs, code=tuple((key, value if key.startswith(what) else was) for key, was in needs.code))


def test_a_worker_that_has_everything_works_and_its_proof_is_seen(needs):
    proof = prove(needs)
    assert (proof.troubles, proof.worker, unseen(proof.worker, needs)) == ((), worker.WORKER, [])
    assert unseen("another", needs) == [
        f"what it writes into the store {needs.folder.parents[1]} is not seen here: it has a copy of its own"
    ]
    answer = pickle.loads(pickle.loads(pickle.dumps(Call(perform, needs, str.upper, "a"))))
    assert (answer.value, answer.error) == ("A", None)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda needs: replace(needs, python="2.7"), "and the run has 2.7"),
        (lambda needs: changed(needs, "asdcore", "?"), "it has loaded other code of asdcore"),
        (lambda needs: changed(needs, "scipy", "0.1"), "it has scipy .*, and the run has 0.1"),
        (lambda needs: changed(needs, "encoder", "?"), "its encoder 'logmel' is not that of the run, in its code or"),
        (lambda needs: replace(needs, uses=(("scorer", "gone", "{}"),)), "No scorer is named 'gone'"),
        (
            lambda needs: replace(needs, uses=tuple(("scorer", "gone", f'{{"k": {k}}}') for k in range(3))),
            "No scorer is named 'gone'",
        ),
        (lambda needs: replace(needs, only=("gone",)), "The plugin 'gone' is not installed"),
        (lambda needs: replace(needs, nonce="?"), "it does not see the store .*/store, which must lie on a disk"),
        (lambda needs: replace(needs, folder=Path("/nowhere/a/b")), "it does not see the store /nowhere"),
        (lambda needs: replace(needs, recordings=((Path("/no.wav"), ""),)), "it does not read the recording /no.wav"),
        (lambda needs: replace(needs, recordings=((needs.recordings[0][0], "0:1"),)), "its recording .* is another"),
    ],
)
def test_what_a_worker_lacks_is_named_and_it_does_nothing(needs, change, told, tmp_path):
    other = change(replace(needs, run="other"))
    (trouble,) = prove(other).troubles
    assert re.search(told, trouble), trouble
    answer = pickle.loads(perform(other, Path.touch, tmp_path / "done"))
    assert answer.proof.troubles == (trouble,)
    assert not (tmp_path / "done").exists()


def test_other_kernels_are_noted(needs, monkeypatch):
    monkeypatch.setattr(worker, "kernel_changes", lambda *_: ["x"])
    monkeypatch.setattr(worker, "in_short", lambda changes: "AVX2 for AVX512")
    (note,) = prove(replace(needs, run="kernels")).notes
    assert note.startswith("other kernels compute there (AVX2 for AVX512): the last bits")


def names(_):
    return sorted(installed().components("scorer"))


def test_which_plugins_may_be_loaded_travels_with_each_chunk_and_is_undone(needs, simple):
    before = names(None)
    only = tuple(
        sorted(installed().component(kind, name).plugin for kind, name in (("encoder", "logmel"), ("scorer", "knn")))
    )
    views = {installed().component("view", use[1]).plugin for use in needs.uses if use[0] == "view"}
    few = replace(needs, run="few", only=tuple(sorted({*only, *views})))
    first, second, third = (pickle.loads(perform(each, names, None)) for each in (few, needs, few))
    assert [first.error, first.value, third.value] == [None, ["knn"], ["knn"]]
    assert second.value == before == names(None)


def test_chunks_of_one_process_take_turns(needs):
    inside, most = [], []

    def work(_):
        inside.append(1)
        most.append(len(inside))
        threading.Event().wait(0.02)
        inside.pop()

    threads = [threading.Thread(target=perform, args=(needs, work, i)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1, 1]


PROOF = """
import pickle, sys
from asdcore.cluster import worker
worker.WAIT = 0.0
proof = pickle.loads(pickle.load(open(sys.argv[1], "rb")))
print(proof.worker, *proof.troubles, sep="|")
"""


@pytest.mark.parametrize(
    ("mounts", "told"),
    [
        ("mount -t tmpfs none {store}", "it does not see the store"),
        (
            "mount -t tmpfs none {spare} && mkdir {spare}/up {spare}/work && mount -t overlay overlay "
            "-o lowerdir={store},upperdir={spare}/up,workdir={spare}/work {store}",
            "",
        ),
    ],
    ids=["another disk of the same name", "a copy on write"],
)
def test_a_machine_with_other_disks_is_found_out(needs, tmp_path, mounts, told):
    """By mount namespaces: in one, paths lead elsewhere, as on another machine."""
    script = tmp_path / "proof.py"
    script.write_text(PROOF)
    call = tmp_path / "call"
    call.write_bytes(pickle.dumps(pickle.dumps(Call(prove, needs))))
    (spare := tmp_path / "spare").mkdir()
    places = {"store": needs.folder.parents[1], "spare": spare, "data": needs.recordings[0][0].parent}
    inside = f'{mounts.format(**places)} || exit 77; exec "$@"'
    command = ["unshare", "--mount", "sh", "-c", inside, "sh", sys.executable, script, call]
    try:
        done = subprocess.run(command, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"there is no unshare here ({error})")
    if done.returncode in (1, 77) and "proof.py" not in done.stderr:
        pytest.skip(f"this machine allows no mounts in a namespace: {done.stderr.strip()}")
    name, _, trouble = done.stdout.strip().partition("|")
    assert trouble.startswith(told), done.stdout + done.stderr
    if not told:
        assert unseen(name, needs)  # it takes itself for one of us, and nothing of it arrives


def test_a_recording_is_compared_by_its_begin_and_its_size(tmp_path):
    path = tmp_path / "x"
    digests = set()
    for content in (b"", b"a", b"b", b"a" * (1 << 20), b"a" * ((1 << 20) + 1)):
        path.write_bytes(content)
        digests.add(head_digest(path))
    assert len(digests) == 5
