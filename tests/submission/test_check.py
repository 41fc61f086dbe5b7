"""asdcore.submission.check: packages, single systems and zips, held against evaluation data."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest
import typer

from asdcore.cli import submission as commands
from asdcore.errors import DataError, EvaluationError
from asdcore.evidence.labels.files import read_truth
from asdcore.submission.archive import pack
from asdcore.submission.check import check_files, check_submission

GOLDEN = Path(__file__).parents[1] / "golden" / "official_2024"
TEAM = "Zhang_XJTLU"
NAMES = [f"section_00_{i:04d}.wav" for i in range(4)]
MACHINES = ("3DPrinter", "fan")
CLIPS = pl.DataFrame(
    [(f"{machine}/test/{name}", machine, "00", "test") for machine in MACHINES for name in NAMES],
    schema=["clip", "machine", "section", "split"],
    orient="row",
)
META = (
    "submission:\n  label: {label}\n  name: x\n  abbreviation: x\n  authors: []\n"
    "system:\n  description: {{}}\n  complexity: {{}}\n"
)


def add_system(folder, label):
    """Write one correct system into ``folder``."""
    folder.mkdir(parents=True)
    (folder / f"{label}.meta.yaml").write_text(META.format(label=label))
    for machine in MACHINES:
        for kind, values in (("anomaly_score", (0.5, 0.25, 1, 2)), ("decision_result", (0, 0, 1, 1))):
            lines = "".join(f"{name},{value}\n" for name, value in zip(NAMES, values, strict=True))
            (folder / f"{kind}_{machine}_section_00_test.csv").write_text(lines)
    return folder


@pytest.fixture
def package(tmp_path):
    """The folder of a correct package of two systems, and its report."""
    folder = tmp_path / "package"
    for number in (1, 2):
        add_system(folder / "task2" / f"{TEAM}_task2_{number}", f"{TEAM}_task2_{number}")
    (folder / "task2" / f"{TEAM}_task2.technical_report.pdf").write_bytes(b"%PDF")
    return folder


def system(package, number=1):
    return package / "task2" / f"{TEAM}_task2_{number}"


def reasons(listed, package):
    return [f"{one.file.removeprefix(str(package)).removeprefix('/')}: {one.reason}" for one in listed]


def problems(package):
    return reasons(check_files(package, CLIPS, 2024).problems, package)


def test_a_correct_package_is_accepted_as_folder_and_as_zip(package, tmp_path):
    (tmp_path / "x.zip").write_bytes(pack(package))
    for path in (package, package / "task2", tmp_path / "x.zip"):
        verdict = check_files(path, CLIPS, 2024)
        assert (verdict.accepted, verdict.problems, verdict.warnings) == (True, [], [])
        assert verdict.systems == [f"{TEAM}_task2_1", f"{TEAM}_task2_2"]


def test_one_system_is_accepted_by_itself_and_need_not_be_a_package_yet(package, tmp_path):
    verdict = check_files(system(package), CLIPS, 2024)
    assert (verdict.accepted, verdict.warnings, verdict.systems) == (True, [], [f"{TEAM}_task2_1"])
    bare = tmp_path / "baseline"
    bare.mkdir()
    for path in system(package).glob("*.csv"):
        shutil.copy(path, bare)
    verdict = check_files(bare, CLIPS, 2024)
    assert verdict.accepted
    assert reasons(verdict.warnings, bare) == [
        ": found a system labelled 'baseline'; allowed is <Name>_<Institute>_task2_<1-4>",
        ": there is no baseline.meta.yaml; the name must be just so, 'asdcore package' writes one",
    ]


@pytest.mark.parametrize("name", ["plausible", "tied"])
def test_what_the_official_evaluator_scored_is_accepted(name):
    truth = read_truth(GOLDEN)
    clips = truth.select(
        clip=pl.format("{}/test/{}", "machine", "clip"), machine="machine", section="section", split=pl.lit("test")
    )
    verdict = check_files(GOLDEN / "teams" / "teamA" / name, clips, 2024)
    assert verdict.problems == []
    assert sum("scores are" in one.reason for one in verdict.warnings) == (1 if name == "tied" else 0)


def test_every_fault_of_every_system_is_found_at_once(package):
    score, decision = (f"{kind}_fan_section_00_test.csv" for kind in ("anomaly_score", "decision_result"))
    (system(package, 1) / score).write_text("file,score\n" + (system(package, 1) / score).read_text())
    (system(package, 2) / decision).unlink()
    (system(package, 2) / f"{TEAM}_task2_2.meta.yaml").write_text("submission: [")
    first, second = (f"task2/{TEAM}_task2_{number}" for number in (1, 2))
    assert [line.split(": ")[0] for line in problems(package)] == [
        *(f"{first}/{score}", f"{first}/{score}", second, f"{second}/{TEAM}_task2_2.meta.yaml")
    ]


def test_problems_name_file_and_line_as_json_too(package):
    path = system(package) / "anomaly_score_fan_section_00_test.csv"
    path.write_text(path.read_text().replace(",1\n", ",nan\n"))
    said = json.loads(json.dumps(check_files(package, CLIPS, 2024).as_json(), allow_nan=False))
    assert said == {
        "accepted": False,
        "year": 2024,
        "systems": [f"{TEAM}_task2_1", f"{TEAM}_task2_2"],
        "problems": [
            {
                "file": str(path),
                "line": 3,
                "reason": "found 'nan' as the score; allowed is a finite number (and no header line)",
            }
        ],
        "warnings": [],
    }


# --- labels ---


def test_more_than_four_systems_are_refused(package):
    for number in (3, 4):
        add_system(system(package, number), f"{TEAM}_task2_{number}")
    assert problems(package) == []
    add_system(system(package, 5), f"{TEAM}_task2_5")
    found = problems(package)
    assert any("found 5 systems" in line and "allowed are 4" in line for line in found)
    assert any("found a system labelled 'Zhang_XJTLU_task2_5'; allowed is" in line for line in found)


def test_a_folder_of_another_label_is_refused(package):
    system(package, 2).rename(system(package, 3))
    label = f"{TEAM}_task2_3"
    assert problems(package) == [
        f"task2/{label}/{TEAM}_task2_2.meta.yaml: found a meta file of another label than its folder's; "
        f"allowed is {label}.meta.yaml",
        f"task2/{label}/{TEAM}_task2_2.meta.yaml: found '{TEAM}_task2_2' as the label; allowed is '{label}', the name "
        "of its folder",
    ]


def test_a_meta_file_of_another_label_is_refused(package):
    meta = system(package) / f"{TEAM}_task2_1.meta.yaml"
    meta.write_text(META.format(label=f"{TEAM}_task2_2"))
    verdict = check_files(package, CLIPS, 2024)
    assert [(one.file, one.line) for one in verdict.problems] == [(str(meta), 2)]


def test_a_label_twice_is_refused(package):
    shutil.copytree(system(package), package / "again" / f"{TEAM}_task2_1")
    assert sum("more than once; allowed is once" in line for line in problems(package)) == 2


def test_labels_of_two_teams_are_refused(package):
    add_system(package / "task2" / "Li_XJTLU_task2_3", "Li_XJTLU_task2_3")
    assert problems(package) == [": found labels of Li_XJTLU, Zhang_XJTLU; allowed is one team"]


def test_a_package_without_a_meta_file_is_refused(package):
    (system(package) / f"{TEAM}_task2_1.meta.yaml").unlink()
    (line,) = problems(package)
    assert f"there is no {TEAM}_task2_1.meta.yaml; the name must be just so, 'asdcore package' writes one" in line


@pytest.mark.parametrize("name", [f"{TEAM}_task2_1.meta.yml", "meta.yaml", f"{TEAM}_task2_1.Meta.YAML"])
def test_a_misnamed_meta_file_is_named(package, name):
    (system(package) / f"{TEAM}_task2_1.meta.yaml").rename(system(package) / name)
    assert any(f"there is no {TEAM}_task2_1.meta.yaml, but {name};" in line for line in problems(package))


def test_other_recordings_are_guessed_to_be_the_cause(package, make_dataset, tmp_path):
    data = make_dataset(tmp_path / "other", ("gearbox",), source=2, target=1, test=2)
    first = check_submission(package, data, task="dcase2026").problems[0]
    assert first.file == str(data)
    assert "only 0 of the 8 scored here are among them" in first.reason
    assert "Give their folder with --data" in first.reason


def test_development_data_are_no_submission(package, make_dataset, tmp_path):
    data = make_dataset(tmp_path / "dev", ("fan",), source=2, target=1, test=2)
    warnings = check_submission(package, data, task="dcase2026").warnings
    assert any("say normal or anomaly: these are development data" in warning.reason for warning in warnings)


def test_what_holds_no_scores_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    (line,) = problems(tmp_path / "empty")
    assert "holds no score files; allowed are files anomaly_score_*.csv in folders named <Name>" in line


def test_scores_at_the_top_of_a_zip_have_no_label(package, tmp_path):
    (tmp_path / "x.zip").write_bytes(pack(system(package)))
    assert any("found a system labelled ''" in line for line in problems(tmp_path / "x.zip"))


# --- what leads out of the submission ---


def test_a_link_is_a_problem_and_what_it_points_to_is_not_read(package, tmp_path):
    path = system(package) / "anomaly_score_fan_section_00_test.csv"
    path.rename(tmp_path / "elsewhere.csv")
    path.symlink_to(tmp_path / "elsewhere.csv")
    found = problems(package)
    assert any("found a link; allowed are files and folders" in line for line in found)
    assert any("there is no anomaly_score_fan_section_00_test.csv" in line for line in found)


def test_a_damaged_zip_is_a_problem(package, tmp_path):
    (tmp_path / "x.zip").write_bytes(pack(package)[:-30])
    assert "cannot be read as a zip" in problems(tmp_path / "x.zip")[0]


# --- what a person should look at ---


def test_a_package_without_a_report_is_a_warning(package):
    next(package.rglob("*.pdf")).unlink()
    verdict = check_files(package, CLIPS, 2024)
    assert verdict.accepted
    assert "there is no <Name>_<Institute>_task2.technical_report.pdf" in verdict.warnings[0].reason


def test_a_zip_that_is_older_than_its_folder_is_a_warning(package):
    (package / f"{TEAM}.zip").write_bytes(pack(package))
    assert check_files(package, CLIPS, 2024).warnings == []
    with (system(package) / f"{TEAM}_task2_1.meta.yaml").open("a") as meta:
        meta.write("results: {}\n")
    (warning,) = check_files(package, CLIPS, 2024).warnings
    assert warning.file == str(package / f"{TEAM}.zip")
    assert "is not what this folder holds now" in warning.reason


def test_fields_that_are_open_are_a_warning(package):
    meta = system(package) / f"{TEAM}_task2_1.meta.yaml"
    meta.write_text(meta.read_text().replace("name: x", "name: !!null  # fill in: the name"))
    verdict = check_files(package, CLIPS, 2024)
    assert verdict.accepted
    assert [one.reason for one in verdict.warnings] == ["still to be filled in: name (line 3)"]


# --- the evaluation data ---


def test_rules_of_no_year_and_data_without_test_clips_are_wrong_use(package):
    with pytest.raises(EvaluationError, match="2019"):
        check_files(package, CLIPS, 2019)
    with pytest.raises(DataError, match="no test clips"):
        check_files(package, CLIPS.with_columns(split=pl.lit("train")), 2024)


def anonymous(root):
    """Call the test clips of a dataset as in evaluation data."""
    for machine in MACHINES:
        for i, clip in enumerate(sorted((root / machine / "test").iterdir())):
            clip.rename(clip.with_name(f"section_00_{i:04d}.wav"))


def test_names_come_from_the_evaluation_data(make_dataset, package, tmp_path):
    root = make_dataset(tmp_path / "data", source=2, target=1, test=1)
    anonymous(root)
    verdict = check_submission(package, root, task="dcase2026")
    assert (verdict.problems, verdict.warnings, verdict.year) == ([], [], 2026)
    asked = check_submission(package, root, year=2024)
    assert (asked.problems, asked.warnings, asked.year) == ([], [], 2024)
    (warning,) = check_submission(package, root).warnings
    assert "no task was named, so files are asked for as in 2026" in warning.reason
    (root / "fan" / "test" / "section_00_0003.wav").rename(root / "fan" / "test" / "section_00_0009.wav")
    assert len(check_submission(package, root, task="dcase2026").problems) == 2 * 2 * 2


def test_clips_are_not_read_and_only_their_names_can_be_wrong(make_dataset, package, tmp_path):
    root = make_dataset(tmp_path / "data", source=2, target=1, test=1)
    anonymous(root)
    (root / "fan" / "test" / "section_00_0002.wav").write_bytes(b"")
    shutil.rmtree(root / "3DPrinter" / "train")
    assert check_submission(package, root, task="dcase2026").warnings == []
    (root / "fan" / "test" / "recording.wav").write_bytes(b"")
    verdict = check_submission(package, root, task="dcase2026")
    assert verdict.accepted
    (warning,) = verdict.warnings
    assert warning.reason.startswith(
        "1 problems in the evaluation data, the first: fan/test/recording.wav: not named as"
    )


def test_nothing_to_check_is_wrong_use(package, tmp_path):
    with pytest.raises(DataError, match="nowhere does not exist. Give a package's folder"):
        check_submission(tmp_path / "nowhere", tmp_path)
    with pytest.raises(DataError, match="is not a dataset"):
        check_submission(package, tmp_path / "nowhere")


# --- the command ---


def test_the_command_prints_each_problem_and_fails(make_dataset, package, tmp_path, capsys):
    root = make_dataset(tmp_path / "data", source=2, target=1, test=1)
    anonymous(root)
    commands.check_submission(package, root, task="dcase2026", year=None, as_json=False)
    assert capsys.readouterr().out == (
        f"Accepted by the rules of 2026: 0 problems, 0 warnings; systems {TEAM}_task2_1, {TEAM}_task2_2.\n"
    )
    path = system(package) / "anomaly_score_fan_section_00_test.csv"
    path.write_text("".join(f"{line}\n" for line in range(30)))
    with pytest.raises(typer.Exit) as ended:
        commands.check_submission(package, root, task="dcase2026", year=None, as_json=False)
    assert ended.value.exit_code == 1
    printed = capsys.readouterr().out.splitlines()
    assert printed[1].startswith(f"problem: {path}, line 1: found 1 columns ('0')")
    assert printed[-2] == f"problem: {path}: 41 more, --json lists all"
    assert printed[-1].startswith("Not accepted by the rules of 2026: 61 problems, 0 warnings")
    with pytest.raises(typer.Exit):
        commands.check_submission(package, root, task="dcase2026", year=None, as_json=True)
    assert len(json.loads(capsys.readouterr().out)["problems"]) == 61
