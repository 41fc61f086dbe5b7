"""Which files of features are read for which machines, found without a set of a million names."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asdcore.errors import ManifestError
from asdcore.frozen.pinning.clips_by_sound import ClipsBySound

SOUNDS = [f"{i:062x}{end}" for i in range(4) for end in ("00", "01", "ff")]
CLIP = st.tuples(
    st.sampled_from(SOUNDS), st.sampled_from(["fan", "pump"]), st.sampled_from(["00", "01"]), st.booleans()
)


def index(clips):
    rows = [
        {"sha256": sound, "machine": machine, "section": section, "split": "train" if train else "test"}
        for sound, machine, section, train in clips
    ]
    return pl.DataFrame(rows)


@given(
    clips=st.lists(CLIP, min_size=1),
    shards=st.lists(st.lists(st.sampled_from([*SOUNDS, "of no clip", "A" * 64]), unique=True), max_size=5),
    machine=st.sampled_from(["", "fan"]),
    train=st.booleans(),
    cut=st.integers(1, 5),
)
def test_it_finds_what_sets_of_names_find(clips, shards, machine, train, cut):
    frame = index(clips)
    by_sound = ClipsBySound.of(frame.iter_slices(cut))
    named = [(Path(str(i)), names) for i, names in enumerate(shards)]
    held, lost = by_sound.held_in(named, by_sound.wanted(machine, train=train))

    wanted = [clip for clip in clips if machine in ("", clip[1]) and (clip[3] or not train)]
    last = {name: path for path, names in named for name in names}
    expected = {}
    for sound, of_machine, section, _ in wanted:
        if sound in last:
            expected.setdefault(last[sound], set()).add((of_machine, section))
    assert {path: set(cells) for path, cells in held.items()} == expected
    assert all(len(cells) == len(set(cells)) for cells in held.values())
    assert lost == len({sound for sound, *_ in wanted} - last.keys())


@pytest.mark.parametrize("digest", ["", "a" * 63, "g" * 64, f" {'a' * 62} "])
def test_a_digest_that_is_none_is_refused(digest):
    with pytest.raises(ManifestError, match="audio digests that no run writes"):
        ClipsBySound.of([index([("a" * 64, "fan", "00", True), (digest, "fan", "00", True)])])
