"""asdcore.submission.package: what the tables say is written, whole or not at all, and the check accepts it."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asdcore.cli import submission as commands
from asdcore.errors import DataError, ResourceError, StoreError
from asdcore.evidence.evaluations.evaluate import read_scores
from asdcore.portfolio import parse_portfolio
from asdcore.runs.writing import write_run
from asdcore.store.tables import CALIBRATED, CLIP_INDEX, SCORES
from asdcore.submission import package as packaging
from asdcore.submission.check import check_files
from asdcore.submission.package import package, write_scores

TEAM = "Zhang_XJTLU"
CLIPS = [
    (f"{machine}/test/section_00_{i:04d}.wav", machine, "00") for machine in ("3DPrinter", "fan") for i in range(3)
]


def clip_index(rows):
    """A clip index of test clips, and one train clip that must not be submitted."""
    train = ("fan/train/section_00_source_train_normal_0000_x.wav", "fan", "00", "train", "source")
    named = [train, *((clip, machine, section, "test", None) for clip, machine, section in rows)]
    facts = (None, 2, 16000, 160000, "0" * 64, None, None)
    return CLIP_INDEX.check(
        pl.DataFrame([(*row, *facts) for row in named], schema=CLIP_INDEX.columns, orient="row").sort("clip")
    )


def tables(rows, scores):
    """Systems and decisions of {system: score of each test clip}."""
    every = [
        (row[0], system, score) for system, values in scores.items() for row, score in zip(rows, values, strict=True)
    ]
    trained = [(clip_index(rows)["clip"][-1], system, 0.0) for system in scores]
    columns = {"clip": pl.String, "system": pl.String, "score": pl.Float64}
    systems = pl.concat(
        pl.DataFrame(part, schema=columns, orient="row").with_columns(
            role=pl.lit(role), base=pl.col("score"), penalty=pl.lit(0.0)
        )
        for part, role in ((every, "test"), (trained, "oof"))
    )
    decisions = systems.filter(role="test").select(
        "clip", "system", "score", threshold=pl.lit(0.5), decision=(pl.col("score") > 0.5).cast(pl.Int8)
    )
    return systems, decisions


def make_run(folder, scores, rows=CLIPS, year=2026, task="dcase2026", inferred=True):
    """Write a finished run whose systems score as told; an inference, unless told otherwise."""
    branch = {"encoder": "logmel", "scorer": "knn"}
    portfolio = {"name": "p", "branches": {"b": branch}, "systems": {name: {"weights": {"b": 1.0}} for name in scores}}
    about = {"portfolio": parse_portfolio(portfolio).model_dump(mode="json"), "task": task, "year": year}
    about |= {"manifest": {"name": "p", "sha256": "0" * 64}} if inferred else {}
    systems, decisions = tables(rows, scores)
    parts = {"clips": clip_index(rows), "scores": pl.DataFrame(schema=SCORES.columns)}
    parts |= {"calibrated": pl.DataFrame(schema=CALIBRATED.columns), "systems": systems, "decisions": decisions}
    return write_run(folder, parts, {**about, "data": "somewhere", "store": "nowhere"})


def values(seed):
    return [((seed * 7 + i * 13) % 29) / 10 for i in range(len(CLIPS))]


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- the score files ---


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=len(CLIPS), max_size=len(CLIPS)))
def test_what_is_written_is_accepted_and_read_back_bit_for_bit(scores):
    index, (systems, decisions) = clip_index(CLIPS), tables(CLIPS, {"A": scores})
    with tempfile.TemporaryDirectory() as folder:
        written = write_scores(Path(folder), index, systems, decisions, "A", 2026)
        assert sorted(written) == sorted(Path(folder).iterdir())
        assert check_files(Path(folder), index, 2026).accepted
        (read,) = read_scores(Path(folder)).values()
    for (clip, machine, section), score in zip(CLIPS, scores, strict=True):
        found = read[machine, section].scores[Path(clip).name]
        assert struct.pack("<d", found) == struct.pack("<d", score)
        assert read[machine, section].decisions[Path(clip).name] == (score > 0.5)


@pytest.mark.parametrize(
    ("year", "rows", "names"),
    [
        (2024, [("fan/test/section_01_0007.wav", "fan", "01")], ["fan_section_01_test"]),
        (2020, [("fan/test/id_01_00000007.wav", "fan", "01")], ["fan_id_01"]),
        (
            2021,
            [(f"fan/test/section_03_{domain}_test_0007.wav", "fan", "03") for domain in ("source", "target")],
            ["fan_section_03_source_test", "fan_section_03_target_test"],
        ),
    ],
)
def test_files_are_named_as_in_their_year(tmp_path, year, rows, names):
    index, (systems, decisions) = clip_index(rows), tables(rows, {"A": [0.25, 1.5][: len(rows)]})
    written = write_scores(tmp_path / "a", index, systems, decisions, "A", year)
    kinds = ["anomaly_score"] if year == 2020 else ["anomaly_score", "decision_result"]
    assert sorted(path.name for path in written) == sorted(f"{kind}_{name}.csv" for kind in kinds for name in names)
    assert written[0].read_bytes() == f"{Path(rows[0][0]).name},0.25\n".encode()
    if year > 2020:
        assert written[-1].read_bytes() == f"{Path(rows[-1][0]).name},{int(len(rows) > 1)}\n".encode()
    assert check_files(tmp_path / "a", index, year).accepted


def test_a_clip_without_a_finite_score_or_a_decision_is_refused(tmp_path):
    index = clip_index(CLIPS)
    systems, decisions = tables(CLIPS, {"A": values(1)})
    for bad in (math.nan, math.inf, None):
        spoilt = systems.with_columns(score=pl.when(pl.col("clip") == CLIPS[4][0]).then(bad).otherwise("score"))
        with pytest.raises(DataError, match=f"'A' has no finite score for 1 of 3 test clips: {CLIPS[4][0]}"):
            write_scores(tmp_path, index, spoilt, decisions, "A", 2024)
    with pytest.raises(DataError, match="'A' has no decision for 1 of 3 test clips"):
        write_scores(tmp_path, index, systems, decisions.filter(pl.col("clip") != CLIPS[4][0]), "A", 2024)
    with pytest.raises(DataError, match="There are no scores of a system 'B'. .*Known: A"):
        write_scores(tmp_path, index, systems, decisions, "B", 2024)
    assert list(tmp_path.iterdir()) == []


# --- the package ---


def test_a_package_is_what_the_check_accepts(tmp_path):
    run = make_run(tmp_path / "run", {name: values(i) for i, name in enumerate("ABCD")})
    made = package([tmp_path / "run"], TEAM)
    labels = [f"{TEAM}_task2_{number}" for number in (1, 2, 3, 4)]
    assert made.systems == dict(zip(labels, "ABCD", strict=True))
    assert (made.folder, made.archive, made.kept) == (
        run.folder / "submission",
        run.folder / "submission" / f"{TEAM}.zip",
        False,
    )
    for path in (made.folder, made.archive, made.folder / "task2" / labels[2]):
        assert check_files(path, run.clips, 2026).problems == []
    scored = read_scores(made.folder / "task2")
    assert {system: read["fan", "00"].scores["section_00_0001.wav"] for system, read in scored.items()} == {
        label: values(i)[4] for i, label in enumerate(labels)
    }
    with zipfile.ZipFile(made.archive) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            name: data for name, data in content(made.folder).items() if not name.endswith(".zip")
        }


def test_the_same_runs_give_the_same_zip(tmp_path):
    scores = {"A": values(1), "B": values(2)}
    first = package([make_run(tmp_path / "a", scores)], TEAM)
    second = package([make_run(tmp_path / "b", scores)], TEAM, out=tmp_path / "elsewhere")
    assert first.archive.read_bytes() == second.archive.read_bytes()


def test_systems_are_chosen_and_numbered_as_asked(tmp_path):
    run = make_run(tmp_path / "run", {name: values(i) for i, name in enumerate("ABCDE")})
    with pytest.raises(
        DataError, match=r"5 systems were given \(A, B, C, D, E\), the challenge takes at most 4. .*--systems A,B,C,D"
    ):
        package([run], TEAM)
    made = package([run], f"{TEAM}_task2_3,{TEAM}_task2_1", systems=["E", "B"])
    assert made.systems == {f"{TEAM}_task2_3": "E", f"{TEAM}_task2_1": "B"}
    for systems, said in ((["F"], "No run given has a system 'F'"), (["A", "A"], "given once"), ([], "at least one")):
        with pytest.raises(DataError, match=said):
            package([run], TEAM, systems=systems, out=tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_systems_of_several_runs_are_told_apart(tmp_path):
    runs = [make_run(tmp_path / name, {"A": values(i), "B": values(i + 1)}) for i, name in enumerate(("near", "far"))]
    made = package(runs, TEAM)
    assert list(made.systems.values()) == ["A", "B", "A", "B"]
    with pytest.raises(DataError, match=rf"2 runs have a system 'A'. Say which .*{re.escape(str(tmp_path))}/far/A"):
        package(runs, TEAM, systems=["A"], out=tmp_path / "x")
    chosen = package(runs, TEAM, systems=["far/A", f"{tmp_path}/near/B"], out=tmp_path / "x")
    first = (chosen.folder / "task2" / f"{TEAM}_task2_1" / "anomaly_score_fan_section_00_test.csv").read_text()
    assert first == "".join(f"section_00_{i:04d}.wav,{values(1)[3 + i]!r}\n" for i in range(3))


def test_runs_of_other_clips_or_years_are_not_packed_together(tmp_path):
    scores = {"A": values(1)}
    first = make_run(tmp_path / "a", scores)
    renamed = [(clip.replace("0002", "0009"), machine, section) for clip, machine, section in CLIPS]
    for other in (make_run(tmp_path / "b", scores, renamed), make_run(tmp_path / "c", scores, year=2025)):
        with pytest.raises(DataError, match="are of other years or other test clips"):
            package([first, other], TEAM)
    with pytest.raises(DataError, match="has no test clips, so there is nothing to submit"):
        package([make_run(tmp_path / "d", {"A": []}, [])], TEAM)


def test_what_a_person_should_know_is_said(tmp_path):
    spelt = [("fan/test/section_00_source_test_normal_0000_x.flac", "fan", "00")]
    notes = package([make_run(tmp_path / "a", {"A": [1.0]}, spelt)], TEAM).notes
    assert [note.split(":")[0] for note in notes] == [
        "the names of the test clips say normal or anomaly",
        "clips in FLAC are named .wav, as the challenge publishes them.",
    ]
    ids = [("fan/test/id_01_00000000.wav", "fan", "01")]
    assert package([make_run(tmp_path / "b", {"A": [1.0]}, ids, year=2020)], TEAM).notes == [
        "2020 asks for no decisions: there are only scores."
    ]
    assert package([make_run(tmp_path / "c", {"A": values(1)})], TEAM).notes == []


def test_a_run_that_no_manifest_vouches_for_is_named(tmp_path):
    (note,) = package([make_run(tmp_path / "run", {"A": values(1)}, inferred=False)], TEAM).notes
    assert note.startswith(f"{tmp_path / 'run'} is a run, not an inference: no manifest pins what made it.")
    assert "asdcore freeze RUN --out NAME.json; asdcore infer NAME.json" in note


def evaluation(folder, auc):
    cells = [{"machine": "fan", "section": "00", "auc_source": auc, "auc_target": auc, "pauc": auc}]
    (folder / "evaluation.json").write_text(json.dumps({"year": 2026, "systems": {"A": {"cells": cells}}}))


def test_development_results_come_from_a_run_of_development_data_alone(tmp_path):
    run = make_run(tmp_path / "run", {"A": values(1)})
    spelt = [("fan/test/section_00_source_test_normal_0000_x.wav", "fan", "00")]
    development = make_run(tmp_path / "dev", {"A": [1.0]}, spelt)
    evaluation(development.folder, 0.75)
    evaluation(run.folder, 0.25)  # of evaluation data, once its truth was published

    def results(made):
        return (
            (made.folder / "task2" / f"{TEAM}_task2_1" / f"{TEAM}_task2_1.meta.yaml")
            .read_text()
            .partition("results:")[2]
        )

    assert "fill in" in results(package([run], TEAM, out=tmp_path / "1"))
    told = package([run], TEAM, out=tmp_path / "2", development=development.folder)
    assert results(told) == results(package([development], TEAM, out=tmp_path / "3"))
    assert "auc_source: 75.0" in results(told)
    (development.folder / "evaluation.json").unlink()
    with pytest.raises(StoreError, match="asdcore evaluate"):
        package([run], TEAM, out=tmp_path / "4", development=development)


def test_parameters_and_macs_are_counted_where_asked(tmp_path, monkeypatch):
    run = make_run(tmp_path / "run", {"A": values(1), "B": values(2)})
    counted = SimpleNamespace(
        systems={
            name: SimpleNamespace(submitted={"total_parameters": n, "macs": 10 * n}) for n, name in enumerate("AB")
        }
    )
    monkeypatch.setattr(packaging, "complexity_of", lambda plan: counted)
    for asked in (True, False):
        made = package([run], TEAM, out=tmp_path / f"{asked}", complexity=asked)
        second = (made.folder / "task2" / f"{TEAM}_task2_2" / f"{TEAM}_task2_2.meta.yaml").read_text()
        assert ("total_parameters: 1\n" in second, "MACS: 10\n" in second) == (asked, asked)


def test_what_cannot_be_counted_is_left_open_and_said(tmp_path, monkeypatch):
    def refuse(plan):
        raise ResourceError("x.pt of beats is not here.")

    monkeypatch.setattr(packaging, "complexity_of", refuse)
    made = package([make_run(tmp_path / "run", {"A": values(1)})], TEAM, complexity=True)
    assert made.notes == [f"parameters and MACs of {tmp_path / 'run'} are left open: x.pt of beats is not here."]


def test_a_real_portfolio_is_counted(tmp_path):
    made = package([make_run(tmp_path / "run", {"A": values(1)})], TEAM, complexity=True)
    text = (made.folder / "task2" / f"{TEAM}_task2_1" / f"{TEAM}_task2_1.meta.yaml").read_text()
    assert "total_parameters: 0\n" in text  # the log-mel has none to learn
    assert re.search(r"MACS: \d+\n", text)


# --- given again ---


def test_given_again_it_keeps_what_a_person_did_and_makes_the_zip_anew(tmp_path):
    run = make_run(tmp_path / "run", {"A": values(1)})
    made = package([run], TEAM)
    meta = made.folder / "task2" / f"{TEAM}_task2_1" / f"{TEAM}_task2_1.meta.yaml"
    meta.write_text(meta.read_text().replace("name: !!null  # fill in: the system's name in tables", "name: Mine"))
    (made.folder / "task2" / f"{TEAM}_task2.technical_report.pdf").write_bytes(b"%PDF")
    again = package([run], TEAM)
    assert again.kept
    with zipfile.ZipFile(again.archive) as archive:
        assert archive.read(meta.relative_to(made.folder).as_posix()) == meta.read_bytes()
        assert f"task2/{TEAM}_task2.technical_report.pdf" in archive.namelist()
    assert "name: Mine" in meta.read_text()
    assert check_files(again.folder, run.clips, 2026).problems == []


@pytest.mark.parametrize("change", ["scores", "label", "systems", "thesis", "lost"])
def test_another_package_or_other_files_are_never_written_over(tmp_path, change):
    run, out = make_run(tmp_path / "run", {"A": values(1), "B": values(1)}), tmp_path / "out"
    label, systems = TEAM, ["A"]
    if change == "thesis":
        out.mkdir()
        (out / "thesis.tex").write_text("")
    else:
        package([run], TEAM, systems=["A"], out=out)
    if change == "scores":
        run = make_run(tmp_path / "run", {"A": values(3), "B": values(1)})
    elif change == "label":
        label = "Li_XJTLU"
    elif change == "systems":
        systems = ["A", "B"]
    elif change == "lost":
        (out / "task2" / f"{TEAM}_task2_1" / f"{TEAM}_task2_1.meta.yaml").unlink()
    before = content(out)
    with pytest.raises(StoreError, match=r"out holds .* Nothing is written over.*choose a new folder with --out"):
        package([run], label, systems=systems, out=out)
    assert content(out) == before


def test_an_empty_folder_is_filled(tmp_path):
    (tmp_path / "out").mkdir()
    made = package([make_run(tmp_path / "run", {"A": values(1)})], TEAM, out=tmp_path / "out")
    assert made.archive.is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "run"]


def test_the_command_says_what_was_written_and_what_comes_next(tmp_path, capsys):
    run = make_run(tmp_path / "run", {name: values(i) for i, name in enumerate("ABC")})
    for said in ("Written", "The zip was made anew"):
        commands.package([run.folder], TEAM, systems="C, A", complexity=False)
        assert capsys.readouterr().out.splitlines() == [
            f"{TEAM}_task2_1: C",
            f"{TEAM}_task2_2: A",
            f"{said}: {run.folder / 'submission' / TEAM}.zip",
            f"Next: asdcore check-submission {run.folder / 'submission'} --data somewhere --task dcase2026",
        ]


# --- whatever happens ---

KILLED = """
import os, signal, sys
from asdcore.submission.package import package

run, out, left = sys.argv[1], sys.argv[2], int(sys.argv[3])

def step(event, arguments):
    global left
    if event in ("open", "os.rename", "os.mkdir", "os.remove") and "packed" in str(arguments[0]):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(step)
package([run], "Zhang_XJTLU", out=out)
print(left)
"""
MANY = 10**6


def package_killed_after(steps, run, out):
    """Package in a process that is killed after so many changes on disk; return how many it made, None if killed."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(run), str(out), str(steps)], capture_output=True, text=True, env=os.environ
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return steps - int(done.stdout) if done.returncode == 0 else None


def test_a_kill_at_any_moment_leaves_no_package_or_a_whole_one(tmp_path):
    make_run(tmp_path / "run", {"A": values(1)})
    run, out = tmp_path / "run", tmp_path / "packed"
    total = package_killed_after(MANY, run, tmp_path / "packed-whole")
    whole = content(tmp_path / "packed-whole")
    assert total > 10
    for steps in sorted({0, 1, total // 2, total - 2, total - 1}):
        assert package_killed_after(steps, run, out) is None
        assert not out.exists() or content(out) == whole
        if out.exists():
            break
    package([run], TEAM, out=out)
    assert content(out) == whole
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".writing") and "whole" not in path.name]


def test_a_kill_while_the_zip_is_made_anew_leaves_the_old_one_or_the_new(tmp_path):
    make_run(tmp_path / "run", {"A": values(1)})
    run, out = tmp_path / "run", tmp_path / "packed"
    old = package([run], TEAM, out=out).archive.read_bytes()
    (out / "task2" / "report.pdf").write_bytes(b"%PDF")
    shutil.copytree(out, tmp_path / "packed-whole")
    total = package_killed_after(MANY, run, tmp_path / "packed-whole")
    new = (tmp_path / "packed-whole" / f"{TEAM}.zip").read_bytes()
    assert new != old
    for left in (4, 3, 2, 1):  # the last steps are those that write
        assert package_killed_after(total - left, run, out) is None
        assert (out / f"{TEAM}.zip").read_bytes() in (old, new)
    package([run], TEAM, out=out)
    assert (out / f"{TEAM}.zip").read_bytes() == new


def test_a_disk_that_takes_no_more_leaves_nothing(tmp_path):
    def no_file_beyond_100_bytes():
        import resource

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    make_run(tmp_path / "run", {"A": values(1)})
    code = "import sys; from asdcore.submission.package import package; package(sys.argv[1:2], 'a_b', out=sys.argv[2])"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "run"), str(tmp_path / "out")],
        capture_output=True,
        text=True,
        preexec_fn=no_file_beyond_100_bytes,
    )
    assert "StoreError: Cannot write" in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]
