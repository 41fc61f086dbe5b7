"""The page in a real browser: it opens by itself, is drawn, answers the mouse, and fits a phone, a night and paper."""

from __future__ import annotations

import json
import re

import pytest

import asdcore
from asdcore.errors import AsdcoreError
from asdcore.reporting import page

WHOLE = "chart-histogram-unknown"
"""The histogram of all clips, for machines of which nobody knows the domain of test clips."""

WIDTHS = [(1280, False), (1280, True), (390, False), (390, True)]


@pytest.fixture(scope="module")
def report(make_dataset, tmp_path_factory):
    """A report of the demo's portfolio on two machines."""
    folder = tmp_path_factory.mktemp("report")
    data = make_dataset(folder / "data", test=6)
    run = asdcore.run("demo", data, folder / "run", task="dcase2026", store=folder / "store")
    return asdcore.report(run, audio=True)


@pytest.fixture(scope="module")
def blind(make_dataset, tmp_path_factory):
    """A report of a run whose recordings, labels and store are gone."""
    folder = tmp_path_factory.mktemp("blind")
    data = make_dataset(folder / "data", ("fan",))
    run = asdcore.run("logmel-knn", data, folder / "run", task="dcase2026", store=folder / "store")
    for one in ("data", "store"):
        (folder / one).rename(folder / f"was-{one}")
    return asdcore.report(run, folder / "blind.html")


def data_of(path):
    return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text()).group(1))


@pytest.mark.parametrize(("width", "dark"), WIDTHS, ids=lambda one: str(one))
def test_it_opens_without_a_request_or_a_complaint_and_every_chart_is_drawn(browser, report, width, dark):
    browser.open(report, width, dark=dark)
    assert browser.requests == [report.absolute().as_uri()]
    assert browser.complaints == []
    shown = "[...document.querySelectorAll('.chart')].filter((one) => one.offsetHeight)"
    marks = browser.eval(f"{shown}.map((one) => [one.id, one.querySelectorAll('.mark-group path, .mark-text').length])")
    assert {name for name, _ in marks} == {f"chart-{one}" for one in data_of(report)["specs"]} - {WHOLE}
    assert [name for name, count in marks if not count] == []
    assert browser.eval("document.documentElement.scrollWidth") == width


@pytest.mark.parametrize("width", [1280, 390])
def test_no_text_of_a_chart_is_cut_off_at_its_edges(browser, report, width):
    browser.open(report, width)
    cut = """[...document.querySelectorAll('.chart svg')].flatMap((svg) => {
        const {left, right} = svg.getBoundingClientRect();
        return [...svg.querySelectorAll('text')].filter((text) => {
            const at = text.getBoundingClientRect();
            return at.width && (at.left < left - 1 || at.right > right + 1);
        }).map((text) => [svg.closest('.chart').id, text.textContent]);
    })"""
    assert browser.eval(cut) == []


@pytest.mark.parametrize("width", [1280, 390])
def test_bars_of_shares_are_as_long_as_what_they_show(browser, report, width):
    browser.open(report, width)
    shares = """[...document.querySelectorAll('.shares')].map((list) => [...list.querySelectorAll('dd')].slice(1).map(
        (dd) => [dd.querySelector('i').getBoundingClientRect().width, Math.abs(Number(dd.textContent))]))"""
    for bars in browser.eval(shares):
        longest, most = max(bars, key=lambda bar: bar[1])
        assert all(abs(length / longest - value / most) < 0.05 for length, value in bars), bars


def test_ink_follows_the_night(browser, report):
    colours = []
    for dark in (False, True):
        browser.open(report, 1280, dark=dark)
        label = "document.querySelector('#chart-official .role-axis-label text')"
        style = (f"{label}).fill", "document.body).color", "document.body).backgroundColor")
        colours.append([browser.eval(f"getComputedStyle({one}") for one in style])
    assert colours[0][0] == colours[0][1] != colours[1][1] == colours[1][0]
    symbols = "[...document.querySelectorAll('#chart-map .role-legend-symbol path')]"
    fills = browser.eval(f"{symbols}.map((one) => getComputedStyle(one).fill)")
    assert set(fills) == {colours[1][1]}
    assert colours[0][2] != colours[1][2]


def test_hovering_a_cell_shows_its_interval(browser, report):
    browser.open(report, 1280)
    browser.hover("#chart-heat-0 .mark-rect path")
    browser.wait("document.querySelector('#vg-tooltip-element.visible')")
    said = browser.eval("document.querySelector('#vg-tooltip-element').innerText")
    assert "95 % from" in said
    row = data_of(report)["rows"]["heat-0"][0]
    assert row["place"] in said
    assert f"{row['low']:.2f}" in said


def test_choosing_a_machine_and_a_system_changes_charts_and_tail(browser, report):
    browser.open(report, 1280)
    charts = [f"document.getElementById('chart-{one}').innerHTML" for one in ("strip", "histogram-source", "map")]
    before, tail = [browser.eval(one) for one in charts], browser.eval("document.getElementById('tail').innerText")
    browser.eval("(() => { const one = document.querySelector('[data-choose=place]'); one.value = 'fan';"
                 " one.dispatchEvent(new Event('change')); })()")  # fmt: skip
    for chart, drawn in zip(charts, before, strict=True):
        browser.wait(f"{chart} !== {json.dumps(drawn)}")
    assert browser.eval("document.getElementById('lead').textContent").split(". ")[0].endswith(" on fan")
    shown = browser.eval("document.getElementById('tail').innerText")
    system = browser.eval("document.querySelector('[data-choose=system]').value")
    first = data_of(report)["machines"]["fan"][system]["tail"][0]
    assert shown != tail
    assert first["clip"].rpartition("/")[2] in shown


def test_a_click_on_a_cell_chooses_its_machine_and_system(browser, report):
    browser.open(report, 1280)
    rows = data_of(report)["rows"]["heat-0"]
    wanted = next(i for i, row in enumerate(rows) if (row["place"], row["system"]) == ("fan", "plain"))
    browser.click("#chart-heat-0 .mark-rect path", wanted)
    browser.wait("document.querySelector('[data-choose=system]').value === 'plain'")
    assert browser.eval("document.querySelector('[data-choose=place]').value") == "fan"
    assert browser.eval("document.getElementById('lead').textContent").startswith("plain on fan.")


def test_ten_normals_have_a_picture_that_loads_and_a_player(browser, report):
    browser.open(report, 1280)
    images = "[...document.querySelectorAll('#tail img')]"
    browser.wait(f"{images}.length === 10 && {images}.every((one) => one.complete && one.naturalWidth === 120)")
    assert browser.eval("document.querySelectorAll('#tail audio').length") == 10


def test_a_report_of_a_run_without_labels_recordings_and_store_says_what_is_missing(browser, blind):
    browser.open(blind, 390)
    assert browser.complaints == []
    text = browser.eval("document.body.innerText")
    for words in ("no labels", "no longer at", "The ledger is no longer there", "There is no map of features"):
        assert words in text
    assert browser.eval("document.querySelectorAll('#tail li').length") == 10
    assert browser.eval("document.getElementById('chart-official')") is None
    fills = "[...document.querySelectorAll('#chart-strip .mark-rect path')].map((one) => getComputedStyle(one).fill)"
    assert browser.eval(fills) == ["rgb(47, 131, 196)"] * 16, "a tick without a colour is not seen"
    assert shown_groups(browser) == {WHOLE: 2}
    assert "calls" in browser.eval("document.querySelector('.headline').innerText")


def shown_groups(browser):
    """{histogram: how many groups it shows}, of those that are shown."""
    areas = "one.querySelectorAll('.mark-area path').length"
    shown = "[...document.querySelectorAll('[id^=chart-histogram]')].filter((one) => one.offsetHeight)"
    return dict(browser.eval(f"{shown}.map((one) => [one.id, {areas}])"))


def test_the_outermost_bins_of_a_histogram_are_as_wide_as_the_others(browser, report):
    browser.open(report, 1280)
    drawn = browser.eval("document.querySelector('#chart-histogram-source .mark-area path').getAttribute('d')")
    edges = sorted({float(x) for x in re.findall(r"[ML](-?[\d.]+),", drawn)})
    assert edges[0] == 0
    widths = [edges[1] - edges[0], edges[-1] - edges[-2]]
    assert widths == pytest.approx([edges[2] - edges[1]] * 2, abs=0.1)


def test_test_clips_of_unknown_domain_are_shown_in_one_histogram_of_all_clips(browser, report):
    browser.open(report, 1280)
    assert shown_groups(browser) == {"chart-histogram-source": 3, "chart-histogram-target": 3}
    content = data_of(report)
    for systems in content["machines"].values():
        for part in systems.values():
            part["bins"]["counts"] = [
                [group, domain if group == "train normal" else "unknown", bins]
                for group, domain, bins in part["bins"]["counts"]
            ]
    begin, _, rest = report.read_text().partition('<script type="application/json" id="data">')
    own = report.with_name("own.html")
    own.write_text(
        f'{begin}<script type="application/json" id="data">{page._json(content)}{rest[rest.index("</script>") :]}'
    )
    browser.open(own, 1280)
    assert shown_groups(browser) == {WHOLE: 3}


def test_text_of_a_file_name_cannot_become_markup():
    assert "</script" not in page._json({"clip": "</script><script>alert(1)</script>"})
    assert json.loads(page._json({"clip": "<b>"})) == {"clip": "<b>"}


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch, tmp_path):
    monkeypatch.setattr(page, "find_spec", lambda name: None if name == "altair" else name)
    with pytest.raises(AsdcoreError, match=r"needs altair, .*pip install 'asdcore\[report\]'"):
        asdcore.report(tmp_path / "run")
