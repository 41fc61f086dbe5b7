"""Draws an explanation as one picture: the clip and the nearest train normal, which parts raised the score, and shares.

Altair lays it out and vl-convert draws it, without a browser (extra ``report``).
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from asdcore.contract.long_sound import Sound
from asdcore.drawing.colours import BLUE, GREY, ORANGE
from asdcore.drawing.spectrograms import BRIGHTEST, DARKEST, LOWEST, png, spectrogram_of
from asdcore.errors import AsdcoreError, DataError
from asdcore.explanation.band_shares import BandShares
from asdcore.explanation.explanation import Explanation
from asdcore.explanation.sounds import learnt_sound
from asdcore.store.disk.atomic import write_bytes

SUFFIXES = (".png", ".svg")
WIDTH, HEIGHT = 420, 190
"""Pixels of each of the four panels."""

SCALE = 2.0
"""Pixels of a PNG for each pixel of the layout."""


def check_place(path: Path) -> Path:
    """Return the path of a picture; AsdcoreError unless a new file of this name can be drawn here."""
    if path.suffix.lower() not in SUFFIXES:
        raise AsdcoreError(f"{path} is not the name of a picture. Choose one that ends in {' or '.join(SUFFIXES)}.")
    if path.exists() or path.is_symlink():
        raise AsdcoreError(f"{path} exists and is not written over. Choose another name with --picture, or remove it.")
    try:
        import altair  # noqa: F401
        import vl_convert  # noqa: F401
    except ImportError:
        raise AsdcoreError("A picture needs the extra 'report': pip install 'asdcore[report]'.") from None
    return path


def draw(
    explained: Explanation,
    sound: Sound,
    sample_rate: int,
    path: Path,
    *,
    data: str | Path | None = None,
    title: str = "",
) -> None:
    """Draw an explanation.

    Parameters
    ----------
    explained : Explanation
        What :func:`asdcore.explain` returned.
    sound : Sound
        The clip, (n_channels, n_samples) in [-1, 1]; its first channel is drawn.
    sample_rate : int
        Hz.
    path : path
        The picture: ``.png`` or ``.svg``.
    data : path, optional
        The folder of the train normals, to draw the nearest one, too.
    title : str
        What the clip is called.
    """
    import vl_convert

    chart = _chart(explained, {"clip": _drawn(sound, sample_rate), **_nearest(explained, data)}, title)
    if path.suffix.lower() == ".svg":
        write_bytes(path, vl_convert.vegalite_to_svg(chart).encode())
    else:
        write_bytes(path, vl_convert.vegalite_to_png(chart, scale=SCALE))


class _Drawn(NamedTuple):
    """The levels of a sound's first channel, its length (s), and its sample rate (Hz)."""

    levels: NDArray[np.float64]
    seconds: float
    sample_rate: int


def _drawn(sound: Sound, sample_rate: int) -> _Drawn:
    levels = spectrogram_of(lambda start, stop: sound.read(start, stop)[0], len(sound), sample_rate)
    return _Drawn(levels, len(sound) / sample_rate, sample_rate)


def _nearest(explained: Explanation, data: str | Path | None) -> dict[str, _Drawn]:
    """Return the nearest train normal, if its recording is at hand."""
    near = explained.verdict.nearest
    if near is None or data is None:
        return {}
    try:
        with learnt_sound(Path(data) / near.clip, None) as (sound, rate):
            return {"nearest train normal": _drawn(sound, rate)}
    except DataError:
        return {}


def _chart(explained: Explanation, sounds: Mapping[str, _Drawn], title: str) -> dict[str, Any]:
    import altair as alt

    dark, bright = np.quantile(np.concatenate([drawn.levels for drawn in sounds.values()]), [DARKEST, BRIGHTEST])
    pictures = [
        _spectrogram(png(drawn.levels, dark, bright), drawn.seconds, drawn.sample_rate, name)
        for name, drawn in sounds.items()
    ]
    verdict, high = explained.verdict, explained.n_as_high
    headline = f"{title}: {'anomalous' if verdict.anomalous else 'not anomalous'}, score {verdict.score:.4g}, "
    headline += f"threshold {verdict.threshold:.4g}"
    below = f"{verdict.machine} section {verdict.section}, system {verdict.system}. {high} of {explained.n_normals} "
    below += f"train normals score as high (p = {verdict.p_value:.3g})."
    if verdict.nearest is not None:
        below += f" Sounds most like {verdict.nearest.clip}."
    below_them = alt.hconcat(_parts(explained), _shares(explained), spacing=30).resolve_legend(color="independent")
    rows = [alt.hconcat(*pictures, spacing=30), below_them.resolve_scale(color="independent")]
    if explained.exact:
        rows.append(_bands(explained))
    chart = alt.vconcat(*rows, spacing=24).resolve_legend(color="independent").resolve_scale(color="independent")
    chart = chart.properties(title=alt.TitleParams(headline, subtitle=below, anchor="start", offset=14))
    spec: dict[str, Any] = chart.configure(background="white").configure_view(stroke=None).to_dict()
    return spec


def _spectrogram(content: bytes, seconds: float, rate: int, title: str) -> Any:
    """Return a panel that holds a picture of levels, low frequencies at the bottom."""
    import altair as alt

    uri = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    place = [{"url": uri, "x": seconds / 2, "y": float(np.sqrt(LOWEST * rate / 2))}]
    return (
        alt.Chart(alt.Data(values=place), width=WIDTH, height=HEIGHT, title=title)
        .mark_image(width=WIDTH, height=HEIGHT, aspect=False)
        .encode(
            url="url:N",
            x=alt.X("x:Q", title="s", scale=alt.Scale(domain=[0, seconds], nice=False)),
            y=alt.Y("y:Q", title="Hz", scale=alt.Scale(type="log", domain=[LOWEST, rate / 2], nice=False)),
        )
    )


def _parts(explained: Explanation) -> Any:
    """Return the panel of the parts that raised the score (orange) or lowered it (blue)."""
    import altair as alt

    grid, parts = explained.grid, explained.raised.parts
    lowest = min(LOWEST, grid.hertz[1] / 2)
    rows = [
        {
            "from": grid.seconds[t],
            "to": grid.seconds[t + 1],
            "low": max(lowest, grid.hertz[b]),
            "high": grid.hertz[b + 1],
            "raised": float(parts[b, t]),
        }
        for b in range(parts.shape[0])
        for t in range(parts.shape[1])
    ]
    most = float(np.abs(parts).max()) or 1.0
    colour = alt.Scale(domain=[-most, 0, most], range=[BLUE, "#f4f4f2", ORANGE], interpolate="rgb")
    y = alt.Scale(type="log", domain=[lowest, grid.hertz[-1]], nice=False)
    title = f"what raises the score, against the {explained.replaced_by}"
    return (
        alt.Chart(alt.Data(values=rows), width=WIDTH, height=HEIGHT, title=title)
        .mark_rect(stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("from:Q", title="s", scale=alt.Scale(domain=[0, grid.seconds[-1]], nice=False)),
            x2="to:Q",
            y=alt.Y("low:Q", title="Hz", scale=y),
            y2="high:Q",
            color=alt.Color("raised:Q", scale=colour, title=None, legend=alt.Legend(gradientLength=HEIGHT - 10)),
        )
    )


def _shares(explained: Explanation) -> Any:
    """Return the panel of what adds up to the score."""
    import altair as alt

    verdict = explained.verdict
    rows = [{"part": "as usual", "adds": verdict.usual}]
    rows += [{"part": name, "adds": branch.share} for name, branch in verdict.branches.items()]
    rows += [{"part": f"guard {name}", "adds": taken} for name, taken in verdict.guards.items()]
    return (
        alt.Chart(alt.Data(values=rows), width=WIDTH - 110, height=HEIGHT, title="what adds up to the score")
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            x=alt.X("adds:Q", title="adds to the score"),
            y=alt.Y("part:N", sort=None, title=None, axis=alt.Axis(labelLimit=170)),
            color=alt.condition(alt.datum.adds > 0, alt.value(ORANGE), alt.value(BLUE)),
        )
    )


def _bands(explained: Explanation) -> Any:
    """Return the panel of what each band adds to a branch: of those that are exact, the one that adds most.

    One whose usual shares are known goes first, since only then is it seen what is new.
    """
    import altair as alt

    branches = explained.verdict.branches
    name = max(explained.exact, key=lambda branch: (explained.exact[branch].usual is not None, branches[branch].share))
    shares = explained.exact[name]
    edges = _edges(shares)
    lowest = max(LOWEST, edges[0])
    whole = abs(shares.score) or 1.0
    parts = {"this clip": shares.parts.sum(axis=1)}
    if shares.usual is not None:
        parts["usual"] = shares.usual.sum(axis=1)
    rows = [
        {"low": max(lowest, low), "high": high, "part": part, "percent": 100 * float(value) / whole}
        for part, values in parts.items()
        for low, high, value in zip(edges[:-1], edges[1:], values, strict=True)
        if high > lowest
    ]
    title = f"what each band adds to the score of branch {name}, exactly: {shares.score:.3g} against {shares.reference}"
    colour = alt.Scale(domain=list(parts), range=[ORANGE, GREY])
    return (
        alt.Chart(alt.Data(values=rows), width=2 * WIDTH + 60, height=HEIGHT * 2 // 3, title=title)
        .mark_rect(opacity=0.75)
        .encode(
            x=alt.X(
                "low:Q",
                title="Hz",
                scale=alt.Scale(type="log", domain=[lowest, edges[-1]], nice=False),
                axis=alt.Axis(grid=False),
            ),
            x2="high:Q",
            y=alt.Y("percent:Q", title="% of the score"),
            y2=alt.datum(0),
            color=alt.Color("part:N", scale=colour, title=None, legend=alt.Legend(orient="top-left")),
        )
    )


def _edges(shares: BandShares) -> list[float]:
    """Return the frequencies (Hz) between which bands are drawn; bands may overlap, so halfway between middles."""
    middles = shares.hertz.mean(axis=1)
    between: list[float] = ((middles[1:] + middles[:-1]) / 2).tolist()
    return [float(shares.hertz[0, 0]), *between, float(shares.hertz[-1, 1])]
