"""Checks of dataset readers.

The rows of a dataset are files: they are created in another order, removed, repeated and added in copies of the folder
that the author names.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections import Counter
from pathlib import Path, PurePosixPath

from asdcore.authoring.conformance.bench.dataset_folders import DatasetBench, Table, files, read_clips
from asdcore.authoring.conformance.bench.driver import require
from asdcore.basics.recording_parts import part_digest, recording_path
from asdcore.contract.interfaces import Dataset

COLUMNS = {
    "clip": "String",
    "machine": "String",
    "section": "String",
    "split": "String",
    "domain": "String",
    "attributes": "String",
    "channels": "Int32",
    "sample_rate": "Int32",
    "n_samples": "Int64",
    "sha256": "String",
}
OPTIONAL = {"order": "Float64", "recording": "String"}
"""Columns that a reader may leave out: which train clips lie side by side."""

LABEL_WORDS = re.compile(r"(?<![a-z])(label|anomaly|anomalous|abnormal)(?![a-z])")
WHY_FILES = "the facts about one clip must not depend on which other files there are."
CAUSE_FILES = (
    "names counted or numbered by position, facts taken from the first file, or a list kept from another call."
)


def check_rows_permuted(bench: DatasetBench) -> None:
    """The order in which the files came to be does not matter, neither for the rows nor for their order."""
    forward, backward = bench.copy(), bench.copy(last_first=True)
    gap = _gap(bench.clips(forward), bench.clips(backward)) or _gap(bench.truth(forward), bench.truth(backward))
    cause = "files are taken in the order in which the file system lists them; sort them."
    require(not gap, f"With its files created in another order, {gap}.", WHY_FILES, cause)
    ordered = list(bench.clips(forward)) == list(bench.clips(backward))
    require(ordered, "With its files created in another order, the rows change places.", WHY_FILES, cause)


def check_rows_dropped(bench: DatasetBench) -> None:
    """Removing one file removes one row and changes no other."""
    gone, _ = bench.two_clips()
    copied = bench.copy()
    (copied / gone).unlink()
    clips, truth, truth_after = bench.clips(), bench.truth(), bench.truth(copied)
    del clips[gone]
    gap = _gap(clips, bench.clips(copied))
    require(not gap, f"After {gone} was removed, {gap}.", WHY_FILES, CAUSE_FILES)
    # Whether the ground truth still has the clip depends on where the labels are kept.
    truth.pop(gone, None)
    truth_after.pop(gone, None)
    gap = _gap(truth, truth_after)
    require(not gap, f"After {gone} was removed, in the ground truth {gap}.", WHY_FILES, CAUSE_FILES)


def check_rows_appended(bench: DatasetBench) -> None:
    """A file that comes later adds one row and changes no other, for a reader that saw the folder without it."""
    late, copied, dataset = _read_without_a_clip(bench)
    shutil.copyfile(bench.root / late, copied / late)
    gap = _gap(bench.clips(), read_clips(dataset, copied))
    require(not gap, f"After {late} came into the folder, {gap}.", WHY_FILES, CAUSE_FILES)


def check_rows_duplicated(bench: DatasetBench) -> None:
    """Two files of the same content are two rows with the same digest, and no other row changes."""
    original, other = bench.two_clips()
    copied = bench.copy()
    shutil.copyfile(bench.root / original, copied / other)
    before, after = bench.clips(), bench.clips(copied)
    twin = {name: before[original][name] for name in ("channels", "sample_rate", "n_samples", "sha256")}
    before[other] = {**before[other], **twin}
    gap = _gap(before, after)
    require(
        not gap, f"After {other} was given the content of {original}, {gap}.", WHY_FILES, "rows are matched by content."
    )


def check_no_memory_between_calls(bench: DatasetBench) -> None:
    """One reader gives for each folder what a new reader gives, whatever it has read before."""
    _, copied, dataset = _read_without_a_clip(bench)
    gap = _gap(bench.clips(), read_clips(dataset, bench.root)) or _gap(bench.clips(copied), read_clips(dataset, copied))
    cause = "a cache that is not keyed by the folder and its files."
    require(not gap, f"After another folder was read, {gap}.", WHY_FILES, cause)


def check_deterministic(bench: DatasetBench) -> None:
    """Two readers give the same rows in the same order."""
    for read in (bench.clips, bench.truth):
        first, second = read(), read()
        gap = _gap(first, second) or ("" if list(first) == list(second) else "the rows change places")
        why = "a manifest pins the clip index."
        require(not gap, f"Read twice, {gap}.", why, "the order of a set, or a random choice.")


def check_input_unchanged(bench: DatasetBench) -> None:
    """Reading creates, changes and removes no file under the root."""
    copied = bench.copy()
    before = _contents(copied)
    bench.clips(copied)
    bench.truth(copied)
    after = _contents(copied)
    touched = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    observed = f"Reading changed {', '.join(touched[:3])} under the root."
    require(
        not touched,
        observed,
        "data may be read-only, and its digest is pinned.",
        "a cache file written beside the data.",
    )


def check_clip_index_columns(bench: DatasetBench) -> None:
    """The clip index has its columns with their types; ``order`` and ``recording`` may be left out."""
    schema = {name: str(dtype) for name, dtype in bench.frame().schema.items()}
    expected = COLUMNS | {name: dtype for name, dtype in OPTIONAL.items() if name in schema}
    wrong = sorted(set(schema.items()) ^ set(expected.items()))
    observed = f"The clip index differs from its schema in {wrong}."
    require(
        not wrong, observed, "every stage reads these columns.", "asdcore.index_clips(root, entries) makes the table."
    )


def check_clip_paths(bench: DatasetBench) -> None:
    """Clips are unique, relative POSIX paths of files under the root."""
    clips = bench.frame()["clip"].to_list()
    repeated = sorted(clip for clip, times in Counter(clips).items() if times > 1)
    cause = "absolute paths, backslashes, or one file found by two patterns; use path.relative_to(root).as_posix()."
    require(not repeated, f"Clips that occur twice: {repeated[:3]}.", "a clip is the key of every table.", cause)
    for clip in clips:
        path = PurePosixPath(clip)
        good = not path.is_absolute() and ".." not in path.parts and "\\" not in clip and str(path) == clip
        observed = f"{clip!r} is not a relative POSIX path of a file under the root."
        require(good and recording_path(bench.root / clip).is_file(), observed, "runs move between machines.", cause)


def check_audio_facts(bench: DatasetBench) -> None:
    """sha256 is the digest of the file's bytes, and channels, sample_rate and n_samples are positive."""
    for clip, row in bench.clips().items():
        digest = part_digest(clip, hashlib.sha256(recording_path(bench.root / clip).read_bytes()).hexdigest())
        good = row["sha256"] == digest and min(row["channels"], row["sample_rate"], row["n_samples"]) > 0
        observed = f"{clip} has {row['channels']} channels, {row['n_samples']} samples and sha256 {row['sha256']}."
        why = "features are kept by this digest, and a manifest pins it."
        require(good, observed, why, "facts made up or taken from another file; asdcore.index_clips reads them.")


def check_splits_and_domains(bench: DatasetBench) -> None:
    """Every split is train or test, and every train clip's domain source, target or null."""
    for clip, row in bench.clips().items():
        good = row["split"] in ("train", "test") and row["domain"] in ("source", "target", None)
        observed = f"{clip} has split {row['split']!r} and domain {row['domain']!r}."
        require(
            good, observed, "scorers are fitted by split and domain.", "another spelling, or another split's folder."
        )


def check_test_domain_hidden(bench: DatasetBench) -> None:
    """The domain of every test clip is null, even if its name tells it."""
    with_domain = [clip for clip, row in bench.clips().items() if row["split"] == "test" and row["domain"] is not None]
    observed = f"{len(with_domain)} test clips have a domain, {with_domain[:1]} first."
    why = "the domain of a test clip is unknown in the challenge; to use it is to leak."
    require(
        not with_domain,
        observed,
        why,
        "the domain is parsed from the name for both splits; it belongs to the ground truth.",
    )


def check_order_of_train_clips_alone(bench: DatasetBench) -> None:
    """Order and recording are null for every test clip; either is known of all train clips of a domain or of none."""
    why = "names of test clips may tell a label, and a recording may be named after a fault."
    lacking: dict[tuple[str, ...], set[bool]] = {}
    for clip, row in bench.clips().items():
        for name in OPTIONAL:
            value = row.get(name)
            observed = f"The {name} of the test clip {clip} is {value!r}."
            cause = "it is parsed from the name for both splits; asdcore.index_clips drops it."
            require(row["split"] != "test" or value is None, observed, why, cause)
            if row["split"] == "train":
                lacking.setdefault((row["machine"], row["section"], str(row["domain"]), name), set()).add(value is None)
    partly = [" ".join(place) for place, lacks in lacking.items() if len(lacks) > 1]
    observed = f"Some train clips have what others lack: {partly[:2]}."
    why = "only a clip with a known place can be scored without its neighbours."
    require(not partly, observed, why, "some names have no index; give it for all of them or for none.")


def check_no_label_in_the_index(bench: DatasetBench) -> None:
    """Neither a column nor an attribute of the clip index tells whether a test clip is an anomaly."""
    why = "nothing but the evaluation may know a label."
    named = [
        name
        for name in bench.frame().columns
        if name not in {**COLUMNS, **OPTIONAL} and LABEL_WORDS.search(name.lower())
    ]
    require(not named, f"The clip index has the columns {named}.", why, "the label belongs to ground_truth.")
    for clip, row in bench.clips().items():
        tells = row["split"] == "test" and LABEL_WORDS.search(str(row["attributes"] or "").lower())
        observed = f"The attributes of {clip} are {row['attributes']!r}."
        require(not tells, observed, why, "attributes are cut from a name that also spells the label.")


def check_ground_truth(bench: DatasetBench) -> None:
    """The ground truth is None, or holds test clips only, with label 0 or 1 and domain source, target or null."""
    frame = bench.build().ground_truth(bench.root)
    if frame is None:
        return
    why = "it is matched with scores by clip, and with nothing else."
    columns = sorted(set(frame.columns) - {"recording"})
    require(columns == ["clip", "domain", "label"], f"The ground truth has {columns}.", why, "another column name.")
    clips, seen = bench.clips(), set()
    for row in frame.to_dicts():
        is_new_test = clips.get(row["clip"], {}).get("split") == "test" and row["clip"] not in seen
        good = is_new_test and row["label"] in (0, 1) and row["domain"] in ("source", "target", None)
        cause = "train clips among them, a clip twice, another path than in the clip index, or labels as words."
        require(good, f"The ground truth has the row {row}.", why, cause)
        seen.add(row["clip"])


CHECKS = (
    check_clip_index_columns,
    check_clip_paths,
    check_audio_facts,
    check_splits_and_domains,
    check_test_domain_hidden,
    check_order_of_train_clips_alone,
    check_no_label_in_the_index,
    check_ground_truth,
    check_rows_permuted,
    check_rows_dropped,
    check_rows_duplicated,
    check_rows_appended,
    check_no_memory_between_calls,
    check_input_unchanged,
    check_deterministic,
)


def _read_without_a_clip(bench: DatasetBench) -> tuple[str, Path, Dataset]:
    """Return a clip, a copy of the folder without it, and a reader that has read that copy."""
    clip, _ = bench.two_clips()
    copied = bench.copy()
    (copied / clip).unlink()
    dataset: Dataset = bench.build()
    read_clips(dataset, copied)
    return clip, copied, dataset


def _gap(expected: Table, actual: Table) -> str:
    """Name the first clip whose row differs; empty if none does."""
    for clip in sorted({*expected, *actual}):
        if clip not in actual or clip not in expected:
            return f"{clip} is {'missing' if clip in expected else 'new'}"
        for column, value in expected[clip].items():
            if actual[clip].get(column) != value:
                return f"{column} of {clip} is {actual[clip].get(column)!r} instead of {value!r}"
    return ""


def _contents(root: Path) -> dict[str, str]:
    return {file.relative_to(root).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest() for file in files(root)}
