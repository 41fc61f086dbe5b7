"""Remarks on a clip index that a user should read, though no error: repeated sounds, very different lengths."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

import polars as pl

from asdcore.data.clip_index.levels import levels_of, remarks_on_levels
from asdcore.data.clip_index.noticed import Noticed

UNEQUAL = 2.0
"""A remark on lengths is made if a machine's longest clip is more than this many times as long as its shortest."""

EXAMPLES = 3
"""Clips that a remark names."""

SILENCE = {
    "train": (
        "silence is normal to what learns from it",
        "Leave such clips out.",
        "Leave such clips out, or the channel by another view.",
    ),
    "test": (
        "a score says nothing of the machine",
        "Such clips are scored all the same.",
        "Such clips are scored all the same; another view leaves a channel out.",
    ),
}
"""By split, what a clip without sound means, and what can be done: about all channels, about some. A challenge wants a
score of every test clip."""


def remarks_on(clips: pl.DataFrame, noticed: Noticed | None = None) -> list[str]:
    """Return a sentence for each remark on a clip index, machine by machine.

    clips : the clip index. Clips whose sound is unknown yet (null digest or length) are passed over.
    noticed : what was noticed while they were listed. Clips whose sound nobody digested are compared by their bytes.
    """
    noticed = noticed or Noticed()
    heard = clips if "sound" in clips.columns else noticed.with_sounds(clips)
    heard = heard.with_columns(sound=pl.coalesce("sound", "sha256"))
    remarks = [*_in_both_splits(heard), *_repeated(heard), *_unequal(clips), *_still(clips, noticed.still)]
    remarks += remarks_on_levels(clips, noticed.levels, levels_of(clips, noticed.levels))
    return [*remarks, *_with_rest(noticed.rests)]


def _still(clips: pl.DataFrame, still: Mapping[str, int]) -> Iterator[str]:
    """Yield the machines whose clips have channels without any sound."""
    silent: dict[tuple[str, str, str], list[str]] = defaultdict(list)
    rows = clips.filter(pl.col("clip").is_in(list(still))).select("machine", "split", "clip", "channels").rows()
    for machine, split, clip, channels in rows:
        silent[machine, split, _which(still[clip], channels)].append(clip)
    for (machine, split, which), names in silent.items():
        means, of_all, of_some = SILENCE[split]
        yield (
            f"{machine}: {_count(len(names), f'{split} clip')} {_have(len(names))} one value throughout{which} (such "
            f"as {', '.join(names[:EXAMPLES])}), as of a dead microphone: {means}. {of_some if which else of_all}"
        )


def _which(bits: int, channels: int) -> str:
    """Name the channels of a number's bits; "" for all of them."""
    named = [str(channel + 1) for channel in range(channels) if bits >> channel & 1]
    if len(named) == channels:
        return ""
    return f" in channel{'s' * (len(named) > 1)} {', '.join(named)}"


def _with_rest(rests: Mapping[str, int]) -> Iterator[str]:
    """Yield the files whose last bytes make no whole sample."""
    if rests:
        such = ", ".join(f"{clip}: {_count(n, 'byte')}" for clip, n in sorted(rests.items())[:EXAMPLES])
        yield (
            f"{_count(len(rests), 'wav file')} {'ends' if len(rests) == 1 else 'end'} in a part of a sample (such as "
            f"{such}), which is left out. Whatever wrote them may have cut them there."
        )


def _in_both_splits(clips: pl.DataFrame) -> Iterator[str]:
    """Yield the test clips that are train clips too: they are scored against themselves."""
    train, test = (clips.filter(pl.col("split") == split) for split in ("train", "test"))
    originals = (
        train.select("sound", bytes="sha256", original="clip")
        .drop_nulls()
        .unique("sound", keep="first", maintain_order=True)
    )
    both = test.join(originals, on="sound", how="inner", maintain_order="left")
    for (machine,), rows in both.group_by("machine", maintain_order=True):
        pairs = [f"{clip} is {original}" for clip, original in rows.select("clip", "original").head(EXAMPLES).rows()]
        what = "bytes" if (rows["sha256"] == rows["bytes"]).all() else "sound"
        yield (
            f"{machine}: {_count(len(rows), 'test clip')} {_have(len(rows))} the very {what} of a train clip "
            f"({'; '.join(pairs)}): such a clip is scored against itself. Take it out of one of the two."
        )


def _repeated(clips: pl.DataFrame) -> Iterator[str]:
    """Yield the machines that have train clips of equal sound."""
    train = clips.filter(pl.col("split") == "train", pl.col("sound").is_not_null())
    alike = train.filter(pl.len().over("machine", "section", "sound") > 1)
    for (machine, section), rows in alike.group_by("machine", "section", maintain_order=True):
        n_sounds = rows["sound"].n_unique()
        first = rows.filter(pl.col("sound") == rows["sound"][0])["clip"].head(EXAMPLES).to_list()
        how = "byte for byte" if rows["sha256"].n_unique() == n_sounds else "sample for sample, in other files"
        yield (
            f"{machine} section {section}: {len(rows)} train clips repeat {_count(n_sounds, 'sound')} {how} "
            f"(such as {', '.join(first)}). A repeat looks perfectly normal beside its double, so thresholds come out "
            "too low. Keep one of each."
        )


def _unequal(clips: pl.DataFrame) -> Iterator[str]:
    """Yield the machines whose clips are of very different lengths."""
    seconds = pl.col("n_samples") / pl.col("sample_rate")
    for (machine,), rows in clips.group_by("machine", maintain_order=True):
        lengths = rows.select(seconds.alias("seconds"))["seconds"].drop_nulls().to_list()
        shortest, longest = min(lengths, default=0.0), max(lengths, default=0.0)
        if longest > UNEQUAL * shortest:
            yield (
                f"{machine}: clips last from {shortest:.3g} to {longest:.3g} s. Short clips are noisier and "
                "score higher, whatever they hold: compare clips of one length, or cut them alike."
            )


def _count(n: int, what: str) -> str:
    return f"{n} {what}{'s' * (n != 1)}"


def _have(n: int) -> str:
    return "has" if n == 1 else "have"
