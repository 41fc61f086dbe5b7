"""The portfolios that come with asdcore: they run where they say they run, and are built as their pages say."""

from __future__ import annotations

import collections
import itertools
from pathlib import Path

import numpy as np
import pytest
import soundfile

import asdcore
from asdcore.portfolio import load_portfolio, parse_portfolio, shipped_portfolios
from asdcore.resources.registry import open_registry
from benchmarks import robustness

PAGES = Path(__file__).parents[1] / "manifests"
FAMILY = ("portfolio-2026", "portfolio-2026-small", "portfolio-2026-small-mn04")
WITHOUT_DOWNLOADS = ("default", "portfolio-2026-small")


@pytest.mark.parametrize("name", WITHOUT_DOWNLOADS)
@pytest.mark.parametrize("channels", [1, 2])
def test_what_needs_no_download_runs_on_one_channel_and_on_two(make_dataset, tmp_path, name, channels):
    data = make_dataset(tmp_path / "data", machines=("fan",), source=12, target=4, test=2, channels=channels)
    systems = asdcore.run(name, data, tmp_path / "run", store=tmp_path / "store").systems
    assert np.isfinite(systems["score"].to_numpy()).all()
    assert len(systems.filter(role="test")) == 8 * len(load_portfolio(name).systems)


def test_the_default_hears_a_fault_in_both_domains(make_dataset, tmp_path):
    data = make_dataset(tmp_path / "data", machines=("fan",), source=30, target=6, test=6)
    run = asdcore.run("default", data, tmp_path / "run", store=tmp_path / "store")
    (cell,) = asdcore.evaluate(run).systems["default"].cells
    assert cell["auc_source"] == cell["auc_target"] == 1.0


def test_the_recorders_gain_does_not_matter_to_the_default(make_dataset, tmp_path):
    """The same recordings at a quarter of the amplitude, as floats: nothing is rounded anew."""
    data = make_dataset(tmp_path / "loud", machines=("fan",), source=12, target=4, test=3)
    scores = []
    for folder, gain in (("same", 1.0), ("soft", 0.25)):
        for path in data.rglob("*.wav"):
            softer = tmp_path / folder / path.relative_to(data)
            softer.parent.mkdir(parents=True, exist_ok=True)
            sound, rate = soundfile.read(path, dtype="float32")
            soundfile.write(softer, np.float32(gain) * sound, rate, subtype="FLOAT")
        run = asdcore.run("default", tmp_path / folder, tmp_path / f"run-{folder}", store=tmp_path / "store")
        scores.append(run.systems.sort("role", "clip")["score"].to_numpy())
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-3, atol=1e-3)


def test_the_default_hears_the_near_channel_alone_with_one_encoder():
    portfolio = load_portfolio("default")
    assert list(portfolio.systems) == ["default"]
    assert {branch.view.name for branch in portfolio.branches.values()} == {"near"}
    assert {branch.encoder.name for branch in portfolio.branches.values()} == {"logmel"}
    assert set(portfolio.systems["default"].weights.values()) == {1.0}


def test_the_default_gives_pooled_scales_and_scales_by_domain_the_same_say():
    chosen = [
        (one.scorer.name, one.normalizer.parameters["scope"]) for one in load_portfolio("default").branches.values()
    ]
    assert sorted(chosen) == sorted(itertools.product(("knn", "mahalanobis"), ("domain_min", "pooled")))
    # One scorer for both scales: its scores are computed once.
    assert len({one.scorer.model_dump_json() for one in load_portfolio("default").branches.values()}) == 2


def test_the_pretrained_default_is_the_default_and_the_same_parts_of_another_encoder():
    plain, mn04 = load_portfolio("default"), load_portfolio("default-mn04")
    assert plain.branches.items() <= mn04.branches.items()
    assert mn04.systems["default"].fusion == plain.systems["default"].fusion
    assert set(mn04.systems["default"].weights.values()) == {1.0}
    for name, branch in plain.branches.items():
        other = mn04.branches[name.replace("logmel", "maps")]
        # A network hears a gain in a way of its own, and its features suit the cosine.
        scorer = other.scorer.model_copy(update={"metric": "euclidean"}) if other.scorer.name == "knn" else other.scorer
        assert (other.encoder.name, scorer, other.normalizer) == ("efficientat", branch.scorer, branch.normalizer)


def test_every_encoder_has_as_much_say_as_the_next_in_equal():
    portfolio = load_portfolio("three-encoders")
    assert list(portfolio.systems) == ["default", "equal"]
    say = collections.defaultdict(float)
    for branch, weight in portfolio.systems["equal"].weights.items():
        say[portfolio.branches[branch].encoder.name] += weight
    assert len(set(say.values())) == 1


def test_shipped_portfolios_stand_among_the_single_scorers():
    names = ("default", "three-encoders", "logmel-knn")
    portfolio = parse_portfolio(robustness.with_singles(names))
    portfolio.check_components()
    singles = [name for name in portfolio.systems if name.startswith(robustness.SINGLE)]
    assert list(portfolio.systems) == [*names, *singles]
    assert len(singles) == 56
    for name in names:
        ours = load_portfolio(name)
        assert {f"{name}.{branch}": one for branch, one in ours.branches.items()}.items() <= portfolio.branches.items()
        first = next(iter(ours.systems.values()))
        weights = {f"{name}.{branch}": weight for branch, weight in first.weights.items()}
        assert (portfolio.systems[name].weights, portfolio.systems[name].fusion) == (weights, first.fusion)


@pytest.mark.parametrize("name", robustness.SETTINGS)
def test_a_made_up_machine_sounds_the_same_from_the_same_seed_and_breaks_as_it_should(name):
    setting = robustness.SETTINGS[name]
    drawn = [robustness.Machine(setting, np.random.default_rng(3)) for _ in range(2)]
    first, again = ([one.clip("source", "train", i, anomalous=False) for i in range(8)] for one in drawn)
    assert np.array_equal(first, again)
    correlation = [abs(np.corrcoef(left, right)[0, 1]) for left, right in itertools.pairwise(first)]
    assert (max(correlation) > 0.9) == (setting.repeated > 0)


@pytest.mark.parametrize("name", FAMILY)
def test_no_guard_of_the_2026_family_supports_itself(name):
    systems = load_portfolio(name).systems
    proxy = set(systems["A"].weights)
    for system in (systems["A"], systems["C"]):
        assert set(system.weights) == proxy
        assert not proxy & {branch for guard in system.guards for branch in guard.branches}


@pytest.mark.parametrize("name", FAMILY)
def test_the_2026_family_is_a_guard_its_mirror_a_second_guard_and_a_gate(name):
    a, b, c, d = (load_portfolio(name).systems[system] for system in "ABCD")
    assert b.out_of_fold_mirror_of == "A"
    assert c.guards[: len(a.guards)] == a.guards
    assert len(c.guards) == len(a.guards) + 1
    assert (d.fusion.name, d.guards) == ("gate", ())
    assert set(d.fusion.parameters["weights"]) == set(a.weights) | {guard.parameters["support"] for guard in a.guards}


@pytest.mark.parametrize("name", FAMILY)
def test_in_the_gate_the_guards_encoder_has_as_much_say_as_the_proxy(name):
    system = load_portfolio(name).systems["D"]
    second = system.fusion.parameters["weights"]
    proxy = sum(second[branch] for branch in system.weights)
    assert sum(second.values()) == 2 * proxy == sum(system.weights.values())


def test_the_2026_family_has_one_structure_and_one_set_of_numbers():
    full, small = load_portfolio("portfolio-2026"), load_portfolio("portfolio-2026-small")
    for system in "ACD":
        assert full.systems[system].transform == small.systems[system].transform
        both = zip(full.systems[system].guards, small.systems[system].guards, strict=True)
        for theirs, ours in both:
            assert theirs.strength == ours.strength
            assert {**theirs.parameters, "support": ""} == {**ours.parameters, "support": ""}
    normalizers = {branch.normalizer.model_dump_json() for one in (full, small) for branch in one.branches.values()}
    assert len(normalizers) == 1
    assert full.decision == small.decision


@pytest.mark.parametrize("name", [*FAMILY, "default-mn04"])
def test_every_checkpoint_is_registered_for_the_encoder_that_loads_it(name):
    registry = open_registry()
    for branch in load_portfolio(name).branches.values():
        if checkpoint := branch.encoder.parameters.get("checkpoint"):
            assert registry.resources[checkpoint].plugin == branch.encoder.name


def test_every_shipped_portfolio_stands_in_the_list_of_them():
    page = (PAGES / "README.md").read_text()
    for name in shipped_portfolios():
        folder, slash, _ = name.partition("/")
        assert f"`{name}`" in page or (slash and f"`{folder}/*`" in page)


def test_a_link_of_the_pages_leads_somewhere():
    for page in PAGES.glob("*.md"):
        for target in page.read_text().split("](")[1:]:
            link = target.partition(")")[0].partition("#")[0]
            assert link.startswith("http") or (page.parent / link).exists(), f"{page.name}: {link}"
