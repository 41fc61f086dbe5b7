"""The command that says why a recording has its score."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdcore.basics.digits import fixed
from asdcore.cli.freeze import PublicKey, failing
from asdcore.cli.shared import Json, Machine, Section, System, print_json, print_lines, progress

if TYPE_CHECKING:
    from asdcore.detector.verdict import Verdict
    from asdcore.explanation.band_shares import BandShares
    from asdcore.explanation.explanation import Explanation


def explain(
    detector: Annotated[Path, typer.Argument(help="A detector (.asd), or the folder of a run.")],
    clip: Annotated[Path, typer.Argument(help="A recording, one clip; of a run also a clip as its tables name it.")],
    machine: Machine = None,
    section: Section = None,
    system: System = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of the recordings that were learnt from. Default: of a run its own.")
    ] = None,
    times: Annotated[int, typer.Option(help="Into how many stretches of time the clip is cut.")] = 10,
    bands: Annotated[int, typer.Option(help="Into how many bands of frequency.")] = 8,
    picture: Annotated[
        Path | None, typer.Option(help="Also draw it, into this new file (.png or .svg; extra report).")
    ] = None,
    key: PublicKey = None,
    as_json: Json = False,
) -> None:
    """Say why a recording has its score.

    Reads a detector and one recording. Prints what every branch and guard adds to the score, how many train normals
    score as high, which of them sounds most alike, and which bands and seconds raised the score. What bands add to a
    branch is exact where its score is a sum over them. For the fused score each part of the sound is replaced, and the
    clip scored again. With --data a part is replaced by that train normal, else by the clip's own background.

    Example: asdcore explain first.asd clip.wav --machine SynFan --data sound
    """
    from asdcore.explanation.explained_file import explain_file

    with failing():
        explained = explain_file(
            detector,
            clip,
            machine,
            section,
            system=system,
            data=data,
            times=times,
            bands=bands,
            picture=picture,
            public_key=key,
            progress=progress(),
        )
    if as_json:
        print_json({"file": str(clip), **explained.as_json()})
    else:
        print_lines(lines_of(explained, str(clip)))
        if picture is not None:
            typer.echo(f"Picture: {picture}")


def lines_of(explained: Explanation, clip: str) -> list[str]:
    """Return an explanation as lines of text."""
    verdict = explained.verdict
    return [
        f"{clip}: {'anomalous' if verdict.anomalous else 'not anomalous'}",
        f"{verdict.machine} section {verdict.section}, system {verdict.system}: score {fixed(verdict.score, 4)}, "
        f"threshold {fixed(verdict.threshold, 4)}",
        _normals(explained),
        *_nearest(verdict),
        "",
        *_made_of(verdict),
        "",
        *_exact(explained),
        *_sound(explained),
    ]


def _normals(explained: Explanation) -> str:
    """Return how many train normals score as high."""
    high, n = explained.n_as_high, explained.n_normals
    if not high:
        return f"None of {n} train normals scores as high: at most 1 in {n + 1} normals does (p = {_p(explained)})"
    verb = "scores" if high == 1 else "score"
    return f"{high} of {n} train normals {verb} as high: 1 in {explained.one_in:.3g} normals (p = {_p(explained)})"


def _p(explained: Explanation) -> str:
    return f"{explained.verdict.p_value:.3g}"


def _nearest(verdict: Verdict) -> list[str]:
    """Return the train normal that sounds most alike, if a branch compares distances."""
    if (near := verdict.nearest) is None:
        return []
    by = next(name for name, branch in verdict.branches.items() if branch.nearest is near)
    return [f"Sounds most like {near.clip} (distance {near.distance:.4g} by {by})"]


def _made_of(verdict: Verdict) -> list[str]:
    """Return a table whose numbers add up to the score."""
    parts = sorted(verdict.branches.items(), key=lambda item: -abs(item[1].share))
    rows = [("every branch as usual", fixed(verdict.usual, 4))]
    rows += [(f"branch {name}", fixed(branch.share, 4, signed=True)) for name, branch in parts]
    rows += [(f"guard {name}", fixed(taken, 4, signed=True)) for name, taken in verdict.guards.items()]
    return _columns([("What adds up to the score", ""), *rows, ("score", fixed(verdict.score, 4))])


def _exact(explained: Explanation) -> list[str]:
    """Return the table of what each band adds to the scores of branches, high bands first, where that is exact."""
    grid = explained.grid
    on_grid = {name: shares.on(grid) for name, shares in explained.exact.items()}
    lines = []
    if on_grid:
        hertz = [f"{low:.0f}-{high:.0f}" for low, high in pairwise(grid.hertz)]
        rows = [["Hz", *on_grid]]
        for i in reversed(range(len(hertz))):
            rows.append([hertz[i], *(_percent(shares, slice(i, i + 1)) for shares in on_grid.values())])
        rows.append(["all", *(_percent(shares, slice(None)) for shares in on_grid.values())])
        lines += ["What each band adds to the score of a branch, exactly, in % of it (in brackets: what is usual)"]
        lines += [*_columns(rows), ""]
    by_reason: dict[str, list[str]] = {}
    for name, reason in explained.not_exact.items():
        by_reason.setdefault(reason, []).append(name)
    lines += [f"Not divided exactly: {', '.join(names)}, for {reason}" for reason, names in by_reason.items()]
    return [*lines, ""] if by_reason else lines


def _percent(shares: BandShares, bands: slice) -> str:
    """Return the share of some bands in the score, and what it usually is, both in percent of this score."""
    whole = abs(shares.score) or 1.0
    now = f"{100 * shares.parts[bands].sum() / whole:z.0f}"
    return now if shares.usual is None else f"{now} {f'({100 * shares.usual[bands].sum() / whole:z.0f})':>5}"


def _sound(explained: Explanation) -> list[str]:
    """Return the table of bands by seconds, high bands first."""
    import numpy as np

    raised, grid = explained.raised, explained.grid
    other = {"nearest normal": "that of the nearest train normal", "own background": "the clip's own background"}
    instead = other[explained.replaced_by]
    if explained.is_flat:
        return [
            f"No part of the sound raises the score above what {instead} would. The score may be as high as it gets: "
            "--json has the same of every branch."
        ]
    values = np.block([[raised.parts, raised.bands[:, None]], [raised.times, raised.everything]])
    digits = max(0, 1 - int(np.floor(np.log10(np.abs(raised.parts).max() or 1.0))))
    hertz = [f"{low:.0f}-{high:.0f}" for low, high in pairwise(grid.hertz)]
    order = [*reversed(range(len(hertz))), len(hertz)]
    rows = [["Hz", *(f"{start:.3g} s" for start in grid.seconds[:-1]), "whole"]]
    rows += [[[*hertz, "all"][i], *(f"{value:z.{digits}f}" for value in values[i])] for i in order]
    lines = _columns(rows)
    return [f"How much higher each part of the sound makes the score than {instead} would", *lines]


def _columns(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines, the first column to the left, others to the right."""
    first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join([name.ljust(first), *map(str.rjust, cells, others)]).rstrip() for name, *cells in rows]
