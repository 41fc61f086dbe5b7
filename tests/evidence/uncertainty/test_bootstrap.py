"""asdcore.evidence.uncertainty.bootstrap: a plain loop gives the same, and intervals cover what they should."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest
from scipy.integrate import quad
from scipy.stats import binom, norm

from asdcore.errors import EvaluationError
from asdcore.evidence.evaluations.evaluate import evaluate_table
from asdcore.evidence.metrics import cells, harmonic_mean, official_score, rule
from asdcore.evidence.uncertainty import delong, intervals
from asdcore.evidence.uncertainty.interval import acceleration, bca, percentile
from asdcore.evidence.uncertainty.resample import bootstrap_weights
from asdcore.evidence.uncertainty.section_arrays import sections_of

KINDS = [("source", 0), ("target", 0), ("source", 1), ("target", 1)]


def joined(rng, machines, systems=("A", "B"), clips=12, shift=1.0, sections=("00",), digits=1):
    """Binormal scores: normals N(0, 1), anomalies N(shift, 1), ``clips`` of each domain and label."""
    parts = []
    for machine in machines:
        for section in sections:
            domains, labels = (np.repeat(column, clips) for column in zip(*KINDS, strict=True))
            for system in systems:
                scores = np.round(rng.normal(size=len(labels)) + shift * labels, digits)
                frame = {"machine": machine, "section": section, "system": system, "score": scores}
                names = [f"{i:04d}.wav" for i in range(len(labels))]
                parts.append(pl.DataFrame({**frame, "clip": names, "label": labels, "domain": domains}))
    return pl.concat(parts)


def loop(table, year, weights):
    """Official score of one system where each clip of a (machine, section) counts as often as its weight says."""
    found = {}
    for (machine, section), rows in table.group_by("machine", "section", maintain_order=True):
        often = np.repeat(np.arange(len(rows)), weights[machine, section].astype(int))
        scores, labels, domains = (rows[name].to_numpy()[often] for name in ("score", "label", "domain"))
        found[machine, section] = cells(scores, labels, domains, year)
    return official_score(found, year), found


@pytest.mark.parametrize("year", [2020, 2021, 2026])
def test_intervals_are_those_of_a_plain_loop(year):
    table = joined(np.random.default_rng(year), ("fan", "pump"), sections=("00", "01"), clips=8)
    sure = intervals(table, year, replicates=120, seed=5)
    own = table.filter(system="B").sort("machine", "section", "clip")
    _, sections = sections_of(table, year)
    drawn = {(one.machine, one.section): bootstrap_weights(one.strata, 120, 5) for one in sections}
    replicates = [loop(own, year, {name: every[:, b] for name, every in drawn.items()}) for b in range(120)]
    ones = {name: np.ones(len(every)) for name, every in drawn.items()}
    estimate, point = loop(own, year, ones)
    left_out, strata, cells_left_out = [], [], {}
    for one in sections:
        strata += [(name, len(left_out) + clips) for name, clips in one.strata]
        for i in range(len(one.anomalous)):
            without = loop(own, year, ones | {(one.machine, one.section): 1.0 - (np.arange(len(one.anomalous)) == i)})
            left_out.append(without[0])
            cells_left_out.setdefault((one.machine, one.section), []).append(without[1][one.machine, one.section])
    scores = np.array([score for score, _ in replicates])
    expected = {
        "percentile": percentile(estimate, scores, 0.95),
        "bca": bca(estimate, scores, acceleration(np.array(left_out), strata), 0.95),
    }
    for method, interval in sure.official["B"].items():
        assert vars(interval) == pytest.approx(vars(expected[method]), abs=1e-12)
    for one, row in zip(sections, sure.cells["B"], strict=True):
        key = one.machine, one.section
        assert list(row) == ["machine", "section", *(cell.name for cell in rule(year).cells)]
        for name, value in point[key].items():
            skewness = acceleration(np.array([values[name] for values in cells_left_out[key]]), one.strata)
            every = np.array([found[key][name] for _, found in replicates])
            assert vars(row[name]) == pytest.approx(vars(bca(value, every, skewness, 0.95)), abs=1e-12)


@pytest.mark.parametrize("year", range(2020, 2027))
def test_estimates_are_the_evaluators_in_every_year(year):
    table = joined(np.random.default_rng(year), ("fan", "pump", "valve"))
    evaluated, sure = evaluate_table(table, year), intervals(table, year, replicates=100)
    for system, result in evaluated.systems.items():
        assert sure.official[system]["bca"].estimate == pytest.approx(result.official_score, abs=1e-12)
        assert sure.machines[system].estimate == pytest.approx(result.official_score, abs=1e-12)
        for row, cell in zip(sure.cells[system], result.cells, strict=True):
            for name in (one.name for one in rule(year).cells):
                assert row[name].estimate == pytest.approx(cell[name], abs=1e-12)
                assert row[name].low <= row[name].estimate <= row[name].high


def test_rows_may_stand_in_any_order_and_systems_do_not_touch_one_another():
    table = joined(np.random.default_rng(0), ("fan", "pump"))
    sure = intervals(table, 2026, replicates=100)
    assert intervals(table.sample(fraction=1, shuffle=True, seed=1), 2026, replicates=100) == sure
    assert intervals(table.filter(system="B"), 2026, replicates=100).official["B"] == sure.official["B"]
    assert intervals(table, 2026, replicates=100, seed=1).official != sure.official


def test_a_machine_more_does_not_move_the_intervals_of_the_others_cells():
    table = joined(np.random.default_rng(0), ("fan", "pump"))
    fan, both = (intervals(one, 2026, replicates=100) for one in (table.filter(machine="fan"), table))
    assert fan.cells["A"][0] == both.cells["A"][0]
    assert fan.machines == {}


def test_the_spread_over_machines_tells_how_unlike_they_are():
    rng = np.random.default_rng(1)
    alike = pl.concat([joined(rng, (f"m{i}",), clips=60, shift=1.0) for i in range(6)])
    unlike = pl.concat([joined(rng, (f"m{i}",), clips=60, shift=0.5 * i) for i in range(6)])
    widths = [
        (spread := intervals(one, 2026, replicates=100).machines["A"]).high - spread.low for one in (alike, unlike)
    ]
    assert widths[1] > 2 * widths[0]


def test_the_closed_form_of_delong_is_about_as_wide():
    table = joined(np.random.default_rng(6), ("fan", "pump", "valve"), "A", clips=60, digits=9)
    for row in intervals(table, 2026, replicates=1000).cells["A"]:
        clips = table.filter(machine=row["machine"])
        for domain in ("source", "target"):
            own = clips.filter((pl.col("domain") == domain) | (pl.col("label") == 1))
            one, other = delong(own["score"], own["label"]), row[f"auc_{domain}"]
            assert other.estimate == pytest.approx(one.estimate, abs=1e-12)
            assert other.high - other.low == pytest.approx(one.high - one.low, rel=0.1)


def test_no_domain_is_one_stratum_a_label_under_the_rules_of_2020():
    table = joined(np.random.default_rng(2), ("fan",)).with_columns(domain=pl.lit(None, dtype=pl.String))
    _, (section,) = sections_of(table, 2020)
    assert sorted(len(clips) for _, clips in section.strata) == [24, 24]
    assert set(intervals(table, 2020, replicates=100).cells["A"][0]) == {"machine", "section", "auc", "pauc"}


def test_what_cannot_be_resampled_is_said():
    table = joined(np.random.default_rng(3), ("fan",))
    with pytest.raises(EvaluationError, match="replicates is 99; an interval needs at least 100, better 2000"):
        intervals(table, 2026, replicates=99)
    with pytest.raises(
        EvaluationError, match=r"fan section 00: Among 36 clips there are no normal clips of domain target"
    ):
        intervals(table.filter((pl.col("label") == 1) | (pl.col("domain") == "source")), 2026)
    with pytest.raises(EvaluationError, match="system A has scores of 47 clips, of 48"):
        intervals(table[1:], 2026)
    other = table.with_columns(
        label=pl.when(pl.col("system") == "B", pl.col("clip") == "0000.wav").then(1).otherwise("label")
    )
    with pytest.raises(EvaluationError, match=r"1 clips have another label or domain .* such as 0000\.wav"):
        intervals(other, 2026)


# --- coverage: simulated machines whose true values are known ---

SHIFT = 1.0
TRUE_AUC = norm.cdf(SHIFT / math.sqrt(2))
TRUE_PAUC = 0.5 * (1 + (quad(lambda fpr: norm.cdf(SHIFT + norm.ppf(fpr)), 0, 0.1)[0] - 0.005) / 0.095)


def within_luck(covered, trials):
    """Whether so many of the trials covered could be 95 %: all but one in a thousand such counts lie within."""
    low, high = binom.ppf([0.0005, 0.9995], trials, 0.95)
    return low <= covered <= high


def test_intervals_of_cells_cover_the_truth_in_95_of_100_cases():
    trials = 200
    table = joined(np.random.default_rng(4), [f"m{i:03d}" for i in range(trials)], "A", clips=40, shift=SHIFT, digits=9)
    rows = intervals(table, 2026, replicates=400).cells["A"]
    for name, true in (("auc_source", TRUE_AUC), ("auc_target", TRUE_AUC), ("pauc", TRUE_PAUC)):
        assert within_luck(sum(row[name].low <= true <= row[name].high for row in rows), trials)
    halved = [(row["auc_source"].low + row["auc_source"].estimate) / 2 <= TRUE_AUC for row in rows]
    assert not within_luck(sum(halved), trials), "a bound half as far away would go unnoticed"


def test_intervals_of_the_official_score_cover_the_truth_in_95_of_100_cases():
    rng, trials, covered = np.random.default_rng(5), 120, {"bca": 0, "percentile": 0}
    true = harmonic_mean([TRUE_AUC, TRUE_AUC, TRUE_PAUC])
    for _ in range(trials):
        table = joined(rng, ("fan", "pump", "valve"), "A", clips=30, shift=SHIFT, digits=9)
        for method, interval in intervals(table, 2026, replicates=300).official["A"].items():
            covered[method] += interval.low <= true <= interval.high
    assert within_luck(covered["bca"], trials), covered
    assert within_luck(covered["percentile"], trials), covered


def windows_of_recordings(rng, recordings=12, windows=8):
    """Windows whose scores differ between recordings more than within one; normal and faulty ones alike: AUC 0.5."""
    rows = []
    for label in (0, 1):
        for number in range(recordings):
            level = rng.standard_normal()
            for second in range(windows):
                name = f"{label}-{number}.wav#t={second}-{second + 1}"
                rows.append(("mill", "00", name, "A", level + 0.3 * rng.standard_normal(), label, None))
    columns = ("machine", "section", "clip", "system", "score", "label", "domain")
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(domain=pl.lit(None, dtype=pl.String))


def test_intervals_count_recordings_and_not_their_windows():
    rng, covered, covered_by_windows = np.random.default_rng(0), 0, 0
    for _ in range(40):
        table = windows_of_recordings(rng)
        alone = table.with_columns(clip=pl.col("clip").str.replace("#", "_", literal=True))
        for hits, given in (("recordings", table), ("windows", alone)):
            interval = intervals(given, 2020, replicates=200).cells["A"][0]["auc"]
            inside = interval.low <= 0.5 <= interval.high
            covered += inside and hits == "recordings"
            covered_by_windows += inside and hits == "windows"
    assert covered >= 33
    assert covered_by_windows <= 28


def test_clips_in_files_of_their_own_count_as_the_recording_that_the_truth_names():
    windows = windows_of_recordings(np.random.default_rng(1), recordings=6)
    recording = pl.col("clip").str.split("#").list.first()
    files = windows.with_columns(recording=recording, clip=pl.col("clip").str.replace("#", "_", literal=True))
    drawn_together = intervals(windows, 2020, replicates=200)
    assert intervals(files, 2020, replicates=200) == drawn_together
    assert intervals(files.drop("recording"), 2020, replicates=200) != drawn_together
    some = files.with_columns(recording=pl.when(pl.col("label") == 1).then("recording"))
    assert intervals(some, 2020, replicates=200) != drawn_together
