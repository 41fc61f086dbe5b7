"""With every shipped portfolio rounding costs nothing that counts, and a detector says what the run says."""

from __future__ import annotations

import shutil
import tomllib

import numpy as np
import pytest

import asdcore
from asdcore.basics.rounding import Grid
from asdcore.data.recordings.audio import decode
from asdcore.portfolio import load_portfolio, parse_portfolio, shipped_portfolios


def portfolio(name):
    """A shipped portfolio; networks are small and trained for one epoch, since what they learn does not matter here."""
    values = tomllib.loads(shipped_portfolios()[name].read_text())
    for branch in values["branches"].values():
        if isinstance(branch["encoder"], dict) and branch["encoder"]["name"] == "discriminative":
            branch["encoder"] |= {"epochs": 1, "seconds": 4.5}
            branch["encoder"]["network"]["width"] = 16
        if isinstance(branch["scorer"], dict) and branch["scorer"]["name"] == "autoencoder":
            branch["scorer"]["epochs"] = 1
            values["folds"] = 2  # a network for each
    return parse_portfolio(values)


def needs_no_download(name):
    branches = load_portfolio(name).branches.values()
    return not any("checkpoint" in branch.encoder.parameters for branch in branches)


pytestmark = pytest.mark.filterwarnings("ignore:.*smote_knn has")  # the set is that small

CELL = ["machine", "section"]
NAMES = sorted(filter(needs_no_download, shipped_portfolios()))


def test_there_are_portfolios_to_test():
    assert {"default", "portfolio-2026-small", "baseline/dcase-ae", "asdkit/raw-spec"} <= set(NAMES)


@pytest.fixture(scope="module")
def tiny(tiny_sound, copied, tmp_path_factory):
    root = copied(tiny_sound, tmp_path_factory.mktemp("tiny") / "data")
    shutil.rmtree(root / "SynBearing")  # two machines do, and half of their test clips
    for path in sorted(root.glob("*/test/*"))[::2]:
        path.unlink()
    return root


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One store for all portfolios: many of them share features."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(scope="module", params=NAMES)
def both(request, tiny, store, tmp_path_factory):
    """Two runs of a portfolio: as it is, and without rounding."""
    folder, plan = tmp_path_factory.mktemp("runs"), portfolio(request.param)
    places = {"data": tiny, "task": "dcase2026", "store": store}
    shutil.rmtree(store / "scores", ignore_errors=True)  # unrounded ones of a portfolio with the same branches
    rounded = asdcore.run(plan, out=folder / "rounded", **places)
    shutil.rmtree(places["store"] / "scores")  # rounded ones; features may stay
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Grid, "rounded", lambda self, values: np.array(values, dtype=np.float64))
        unrounded = asdcore.run(plan, out=folder / "unrounded", **places)
    return rounded, unrounded


def test_a_detector_gives_every_clip_what_the_run_gave_it_to_the_last_bit(both, tiny, tmp_path):
    run, _ = both
    asdcore.freeze(run, tmp_path / "frozen.json")
    detector = asdcore.load_detector(asdcore.export(tmp_path / "frozen.json", tmp_path / "frozen.asd"))
    decisions = run.decisions.join(run.clips.select("clip", *CELL), on="clip").partition_by("clip", as_dict=True)
    few = sorted(decisions)[::3]
    for (clip,) in few:
        audio, rate = decode(tiny / clip)
        verdicts = detector.score_all(audio, rate, *decisions[clip,].select(CELL).row(0))
        said = {name: (verdict.score, verdict.threshold, verdict.anomalous) for name, verdict in verdicts.items()}
        rows = decisions[clip,].select("system", "score", "threshold", "decision").rows()
        assert said == {name: (score, limit, bool(decision)) for name, score, limit, decision in rows}
    assert len({clip.split("/")[0] for (clip,) in few}) == 2


def test_official_scores_stay_within_a_hundredth_of_a_percent(both):
    rounded, unrounded = (asdcore.evaluate(run, replicates=0).systems for run in both)
    assert rounded.keys() == unrounded.keys()
    for name, system in rounded.items():
        assert abs(system.official_score - unrounded[name].official_score) <= 1e-4


def spread(values):
    return np.subtract(*np.quantile(values, [0.75, 0.25])) or np.ptp(values)


COLUMNS = {
    "scores": ("score", ["branch", "reference"], ["fold"]),
    "calibrated": ("z", ["branch"], []),
    "systems": ("score", ["system"], []),
}
"""{table: column, what else has its own scale besides machine and section, what else identifies a row}"""


@pytest.mark.parametrize("name", COLUMNS)
def test_clips_keep_their_order_but_for_a_millionth_of_the_spread(both, name):
    column, scale, more = COLUMNS[name]
    frames = (getattr(run, name).sort("clip", "role", *scale, *more) for run in both)
    rounded, unrounded = (frame.select("clip", "role", *scale, column) for frame in frames)
    table = rounded.with_columns(exact=unrounded[column]).join(both[0].clips.select("clip", *CELL), on="clip")
    assert (table[column] != table["exact"]).mean() > 0.5
    for _, cell in table.group_by(*CELL, *scale):
        before, after = cell.sort("exact").select("exact", column).to_numpy().T
        apart = before + 1e-6 * spread(cell.filter(role="oof")["exact"])
        lowest_from = np.minimum.accumulate(after[::-1])[::-1]
        clearly_above = np.searchsorted(before, apart, side="right")
        pairs = clearly_above < len(before)
        assert (after[pairs] < lowest_from[clearly_above[pairs]]).all()
