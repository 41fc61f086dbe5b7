"""asdcore.store.digests.hash_chain: whatever is done to a log, or to the process that writes it, is seen."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from asdcore.errors import StoreError
from asdcore.store.digests import hash_chain
from asdcore.store.digests.hash_chain import append, head_of, read_chain


@pytest.fixture
def log(tmp_path):
    return tmp_path / "new" / "log.jsonl"


@pytest.fixture
def five(log):
    for i in range(5):
        append(log, lambda _, i=i: {"n": i, "text": "ä\n", "value": 0.1})
    return log


def numbers(log):
    return [line.entry.get("n") for line in read_chain(log).lines]


def lines(log):
    return log.read_bytes().splitlines(keepends=True)


def test_a_log_that_was_let_alone_has_no_problem(five):
    found = read_chain(five)
    assert found.problems == []
    assert numbers(five) == [0, 1, 2, 3, 4]
    assert [line.number for line in found.lines] == [1, 2, 3, 4, 5]
    assert found.head == {"entries": 5, "hash": json.loads(lines(five)[-1])["hash"]}
    assert json.loads(head_of(five).read_bytes()) == found.head


def test_no_log_is_an_empty_one(log):
    assert read_chain(log).lines == ()
    assert read_chain(log).problems == []
    assert read_chain(log).head == {"entries": 0, "hash": None}


def with_new_hash(line, **changes):
    """Return a line as a careful forger writes it: changed, and its own hash made right."""
    entry = {**json.loads(line), **changes}
    entry["hash"] = hash_chain._digest(entry)
    return hash_chain.canonical_json(entry) + b"\n"


FORGERIES = {
    "edited": (lambda rows: [*rows[:1], rows[1].replace(b"0.1", b"0.9"), *rows[2:]], "line 2 has been edited"),
    "edited with its hash": (
        lambda rows: [*rows[:1], with_new_hash(rows[1], value=0.9), *rows[2:]],
        "line 3 does not follow",
    ),
    "the last edited with its hash": (
        lambda rows: [*rows[:4], with_new_hash(rows[4], value=0.9)],
        "the end is not what it was: entry 5",
    ),
    "spaces": (lambda rows: [*rows[:3], rows[3].replace(b":", b": "), *rows[4:]], "line 4 has been edited"),
    "first removed": (lambda rows: rows[1:], "line 1 does not follow"),
    "removed": (lambda rows: [*rows[:2], *rows[3:]], "line 3 does not follow"),
    "swapped": (lambda rows: [rows[0], rows[2], rows[1], *rows[3:]], "line 2 does not follow"),
    "repeated": (lambda rows: [*rows, rows[-1]], "line 6 does not follow"),
    "added": (lambda rows: [*rows[:3], b'{"n": 9}\n', *rows[3:]], "line 5 does not follow"),
    "added at the end": (lambda rows: [*rows, b'{"n": 9}\n'], "line 6 is not an entry of this log"),
    "made unreadable": (lambda rows: [*rows[:2], b"gone\n", *rows[3:]], "line 4 does not follow"),
    "last removed": (lambda rows: rows[:-1], "the end is not what it was: entry 5"),
    "all removed": (lambda _: [], "the end is not what it was: entry 5"),
    "last cut": (lambda rows: [*rows[:4], rows[4][:20]], "the end is not what it was: entry 5"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_changed_log_is_found_and_the_line_named(five, forgery):
    change, said = FORGERIES[forgery]
    five.write_bytes(b"".join(change(lines(five))))
    assert any(problem.startswith(said) for problem in read_chain(five).problems), read_chain(five).problems


@pytest.mark.parametrize("forgery", FORGERIES)
def test_writing_on_does_not_cover_it_up(five, forgery):
    change, said = FORGERIES[forgery]
    five.write_bytes(b"".join(change(lines(five))))
    before = read_chain(five)
    for n in (7, 8):
        append(five, lambda _, n=n: {"n": n})
    problems = read_chain(five).problems
    assert len(read_chain(five).lines) == len(before.lines) + 2
    if said.startswith("line 6 is not an entry"):  # from now on it stands between two entries, and cannot be moved
        assert problems == []
        five.write_bytes(b"".join(line for line in lines(five) if line != b'{"n": 9}\n'))
        assert read_chain(five).problems
    else:
        assert any(said in problem for problem in problems), problems


def test_a_log_that_is_gone_is_missed(five):
    five.unlink()
    assert read_chain(five).problems[0].startswith("the end is not what it was: entry 5")


@pytest.mark.parametrize(
    ("head", "said"), [(None, "the head file is gone"), (b"{", "cannot be read"), (b'{"entries": 5}', "cannot be read")]
)
def test_a_head_that_is_gone_or_damaged(five, head, said):
    head_of(five).unlink() if head is None else head_of(five).write_bytes(head)
    assert said in read_chain(five).problems[0]
    append(five, lambda _: {"n": 5})
    (problem,) = read_chain(five).problems
    assert problem.startswith("line 6 was written when this was found:")
    assert said in problem


def test_rewriting_everything_shows_only_against_a_hash_kept_elsewhere(five):
    kept = read_chain(five).head
    five.unlink()
    head_of(five).unlink()
    for i in range(4):
        append(five, lambda _, i=i: {"n": i})
    assert read_chain(five).problems == []
    assert read_chain(five).head != kept


def test_lines_of_an_older_version_are_read_on_and_pinned(log):
    log.parent.mkdir()
    old = b'{"what": "run of demo", "truth": "t"}\n{"what": "run of demo", "truth": "u"}\n'
    log.write_bytes(old)
    assert read_chain(log).problems == []
    append(log, lambda found: {"n": len(found.lines)})
    assert numbers(log) == [None, None, 2]
    assert [line.chained for line in read_chain(log).lines] == [False, False, True]
    assert read_chain(log).problems == []
    log.write_bytes(log.read_bytes().replace(b'"u"', b'"v"'))
    assert read_chain(log).problems == ["line 3 does not follow what stands before it: edited, removed, added or moved"]


def test_writers_at_once_make_one_chain(log):
    with ThreadPoolExecutor(8) as pool:
        numbered = list(pool.map(lambda i: append(log, lambda found: {"n": i, "before": len(found.lines)}), range(60)))
    found = read_chain(log)
    assert found.problems == []
    assert sorted(line.entry["n"] for line in found.lines) == list(range(60))
    assert [line.entry["before"] for line in found.lines] == list(range(60))
    assert sorted(line.number for line in numbered) == list(range(1, 61))


def test_a_writer_waits_for_the_one_before_it(log):
    log.parent.mkdir()
    with ThreadPoolExecutor(1) as pool:
        with log.open("ab") as held:
            fcntl.flock(held, fcntl.LOCK_EX)
            line = pool.submit(append, log, lambda _: {"n": 0})
            with pytest.raises(TimeoutError):
                line.result(timeout=0.2)
            assert log.read_bytes() == b""
        assert line.result(timeout=10).number == 1


def die_while(step):
    """Stop this process at a step of writing, without any clean-up."""
    if step == "the line is half written":
        hash_chain._write = lambda file, line, _: (file.write(line[: len(line) // 2]), os._exit(9))
    elif step == "the line is not written yet":
        hash_chain._write = lambda *_: os._exit(9)
    elif step == "the disk has no line yet":
        os.fsync = lambda _: os._exit(9)
    else:
        hash_chain.write_json = lambda *_: os._exit(9)


# {step: how many lines are there afterwards}; the first line has a head before it, where the same steps come sooner.
STEPS = {
    "the line is not written yet": 0,
    "the line is half written": 0,
    "the head is not written yet": 1,
    "the disk has no line yet": 1,
}


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_at_any_step_breaks_nothing(log, step, before):
    for i in range(before):
        append(log, lambda _, i=i: {"n": i})
    child = os.fork()
    if child == 0:
        die_while(step)
        append(log, lambda _: {"n": 100})
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
    assert read_chain(log).problems == []
    for n in (200, 201):
        append(log, lambda _, n=n: {"n": n})
    assert read_chain(log).problems == []
    written = [n for n in numbers(log) if n is not None]
    at_first_head = before == 0 and step in ("the head is not written yet", "the disk has no line yet")
    assert written == [*range(before), *[100] * (STEPS[step] and not at_first_head), 200, 201]


def test_kills_at_any_time_lose_nothing_that_was_told(log):
    code = (
        "import itertools, sys; from pathlib import Path; from asdcore.store.digests.hash_chain import append\n"
        "for i in itertools.count(): print(append(Path(sys.argv[1]), lambda _: {'text': 'x' * 5000}).entry['hash'])"
    )
    told = []
    for delay in (0.05, 0.1, 0.15):
        process = subprocess.Popen([sys.executable, "-u", "-c", code, log], stdout=subprocess.PIPE, text=True)
        told.append(process.stdout.readline().strip())
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        told += process.communicate()[0].split()
    found = read_chain(log)
    assert found.problems == []
    assert len(told) > 3
    assert {one for one in told if len(one) == 64} <= {line.entry.get("hash") for line in found.lines}


def test_a_full_disk_leaves_the_log_as_it_was(five):
    import resource

    before = five.read_bytes()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 50, len(before) + 50))
        try:
            append(five, lambda _: {"text": "x" * 500})
        except StoreError as error:
            os._exit(3 if "Cannot write the log" in str(error) else 4)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    assert five.read_bytes() == before
    assert read_chain(five).problems == []


def test_a_log_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreError, match=r"Cannot write the log .*log\.jsonl: .*Choose a store .* with ASDCORE_STORE"):
        append(tmp_path / "file" / "log.jsonl", lambda _: {})


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.mkdir()])
@pytest.mark.parametrize("which", [lambda log: log, head_of])
def test_what_is_not_a_file_is_named_and_holds_nobody_up(tmp_path, make, which):
    log = tmp_path / "log.jsonl"
    make(which(log))
    for attempt in (lambda: read_chain(log), lambda: append(log, lambda _: {"a": 1})):
        with pytest.raises(StoreError, match=r"Cannot (read|write) the log .*not a regular file"):
            attempt()
