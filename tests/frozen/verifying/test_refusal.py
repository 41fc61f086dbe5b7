"""What a failed verification says: a line for a place that has moved, ten of many, and what to type next."""

from __future__ import annotations

import shutil

import pytest

from asdcore.cli.shared import FAILED
from asdcore.frozen.verifying.differences import CHANGED, GROUPS, MISSING, VERSION, Difference, Verification
from asdcore.frozen.verifying.refusal import INFER, NEXT, VERIFY, difference_lines, next_steps, shortened


def verification(*differences, absent=None):
    return Verification("first.json", "0" * 64, 9, differences, absent=absent or {})


def test_every_group_has_a_way_on():
    assert set(NEXT) == set(GROUPS)


@pytest.mark.parametrize(("command", "option"), [(VERIFY, "--data"), (INFER, "--frozen-data")])
def test_moved_recordings_are_one_line_and_one_option(command, option):
    lost = [Difference(MISSING, "audio", f"data/fan/train/{i}.wav") for i in range(310)]
    result = verification(*lost, absent={"data": "/old/sound"})
    assert difference_lines(result, command) == [
        f"recordings: /old/sound holds none of the frozen files. Say where they are with {option} DIR."
    ]
    assert next_steps(result, command) == [f"Next: asdcore {command.name} first.json {option} DIR"]


def test_long_lists_end_after_ten():
    lost = [Difference(CHANGED, "audio", f"data/fan/train/{i:03d}.wav") for i in range(12)]
    lines = difference_lines(verification(*lost), VERIFY)
    assert lines[0] == "recordings: 12 differences"
    assert len(lines) == 12
    assert lines[-1] == "  ... and 2 more; 'asdcore verify --json' lists all"
    assert shortened(["a"]) == ["  a"]


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (Difference(CHANGED, "plugin", "plugin/mine/mine.py"), "Plugins: install the pinned version or undo the edit"),
        (Difference(VERSION, "environment", "environment"), "Environment: install the pinned versions"),
        (Difference(CHANGED, "code", "asdcore/runs.py"), "asdcore's source: install the pinned version"),
        (Difference(CHANGED, "features", "store/features/x.parquet"), "asdcore verify first.json --recompute --store"),
    ],
)
def test_every_refusal_ends_with_what_to_type(difference, said):
    steps = next_steps(verification(difference), INFER)
    assert any(said in step for step in steps)
    assert steps[-1].startswith("To freeze anew: asdcore run PORTFOLIO")


def test_other_packages_are_told_with_the_command_that_brings_them_back():
    details = ("packages: dask: 2026.8.0, here absent", "packages: numpy: 2.4.6, here 2.5.0", "libc: glibc 2, here x")
    differing = [Difference(VERSION, "environment", "environment", detail) for detail in details]
    assert "The packages as they were: pip install --no-deps dask==2026.8.0 numpy==2.4.6" in next_steps(
        verification(*differing), VERIFY
    )


@pytest.mark.parametrize(("root", "option"), [("data", "--data"), ("run", "--run"), ("store", "--store")])
def test_a_moved_folder_is_told_by_verify_in_a_few_lines(frozen, asdcore_command, root, option):
    shutil.move(frozen.home / root, frozen.home / "elsewhere")
    done = asdcore_command("verify", frozen.path)
    assert done.code == FAILED
    assert f"{frozen.home / root} holds none of the frozen files. Say where they are with {option} DIR." in done.out
    assert len(done.out.splitlines()) < 15
    assert asdcore_command("verify", frozen.path, option, frozen.home / "elsewhere").code == 0


def test_a_folder_of_which_one_file_is_left_is_no_moved_one(frozen):
    kept = frozen.clip
    for clip in (frozen.home / "data").rglob("*.wav"):
        if clip != kept:
            clip.unlink()
    result = frozen.verify()
    assert result.absent == {}
    assert len(difference_lines(result, VERIFY)) == 12
