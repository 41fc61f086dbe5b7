"""A portfolio says everything that determines a result; a wrong one is refused with the key and the remedy."""

from __future__ import annotations

import re
import tomllib

import pytest

from asdcore.errors import PluginError, PortfolioError
from asdcore.portfolio import find_portfolio, load_portfolio, parse_portfolio, shipped_portfolios

GOOD = """
name = "p"
[branches.a]
view = "near"
encoder = { name = "logmel", layer = 0, pooling = "mean", n_mels = 64 }
scorer = { name = "knn", k = 1 }
normalizer = { name = "median_iqr", scope = "pooled" }
[systems.S]
weights = { a = 1.0 }
transform = { name = "softplus", beta = 2.0 }
fusion = { name = "stouffer" }
guards = [{ name = "tail", support = "a", quantile = 0.9, strength = 0.5 }]
[decision]
quantile = 0.9
"""
FUSED = 'fusion = { name = "stouffer" }\n'


def load(text, tmp_path):
    path = tmp_path / "p.toml"
    path.write_text(text)
    return load_portfolio(path)


def test_everything_is_read(tmp_path):
    portfolio = load(GOOD, tmp_path)
    branch, system = portfolio.branches["a"], portfolio.systems["S"]
    assert branch.encoder.parameters == {"n_mels": 64}
    assert (branch.encoder.layer, branch.encoder.pooling.name) == (0, "mean")
    assert branch.normalizer.parameters == {"scope": "pooled"}
    assert system.transform.parameters == {"beta": 2.0}
    assert system.guards[0].parameters == {"support": "a", "quantile": 0.9}
    assert (system.guards[0].strength, portfolio.decision.quantile) == (0.5, 0.9)


def test_defaults_are_filled_in():
    portfolio = parse_portfolio(
        {
            "name": "p",
            "branches": {"a": {"encoder": "logmel", "scorer": "knn"}},
            "systems": {"S": {"weights": {"a": 1}}},
        }
    )
    branch = portfolio.branches["a"]
    assert [branch.view.name, branch.encoder.pooling.name, branch.normalizer.name] == ["near", "mean", "median_iqr"]
    assert portfolio.systems["S"].transform.name == "identity"
    assert portfolio.systems["S"].fusion.name == "sum"
    assert (portfolio.seed, portfolio.folds, portfolio.decision.rule, portfolio.decision.quantile) == (
        0,
        5,
        "ecdf",
        0.95,
    )


def test_a_system_knows_the_branches_it_needs():
    guards = [{"name": "tail", "support": "c"}, {"name": "channel_disagreement", "branches": ["d", "a"]}]
    fusion = {"name": "gate", "weights": {"b": 1.0, "e": 0.0}}
    portfolio = parse_portfolio(
        {
            "name": "p",
            "branches": {name: {"encoder": "logmel", "scorer": "knn"} for name in "abcde"},
            "systems": {"S": {"weights": {"a": 1.0, "e": 0.0}, "fusion": fusion, "guards": guards}},
        }
    )
    system = portfolio.systems["S"]
    assert (system.fused, system.branches) == ({"a", "b"}, {"a", "b", "c", "d"})


def test_a_pooling_has_parameters_and_a_name_alone_is_enough(tmp_path):
    table = load(GOOD.replace('"mean"', '{ name = "rdp", gamma = 16 }'), tmp_path).branches["a"].encoder
    assert (table.pooling.name, table.pooling.parameters) == ("rdp", {"gamma": 16})
    assert table.parameters == {"n_mels": 64}
    assert load(GOOD.replace('"mean"', '{ name = "mean" }'), tmp_path).digest == load(GOOD, tmp_path).digest


def test_digest_says_what_the_portfolio_says_not_how(tmp_path):
    first = load(GOOD, tmp_path).digest
    assert load(GOOD.replace('view = "near"', 'view = { name = "near" }  # the same'), tmp_path).digest == first
    assert load(GOOD.replace("k = 1", "k = 2"), tmp_path).digest != first


def test_a_portfolio_cannot_be_changed(tmp_path):
    with pytest.raises(ValueError, match="frozen"):
        load(GOOD, tmp_path).seed = 3


@pytest.mark.parametrize(
    ("old", "new", "error", "said"),
    [
        ('name = "p"', 'name = "p"\nsed = 1', PortfolioError, r"sed: no such key. Did you mean 'seed'\?"),
        ('view = "near"', 'veiw = "near"', PortfolioError, r"branches.a.veiw: no such key. Did you mean 'view'\?"),
        ("weights =", "wieghts =", PortfolioError, r"systems.S.wieghts: no such key. Did you mean 'weights'\?"),
        ("quantile = 0.9\n", "quantil = 0.9\n", PortfolioError, r"Did you mean 'quantile'\?"),
        ("quantile = 0.9\n", "quantile = 1.9\n", PortfolioError, r"decision.quantile: .*less than 1, got 1.9"),
        ("{ a = 1.0 }", "{ b = 1.0 }", PortfolioError, r"branch 'b', which does not exist. Did you mean|Known: a"),
        ("{ a = 1.0 }", "{ a = -1.0 }", PortfolioError, r"weights.a: .*greater than or equal to 0, got -1.0"),
        ("{ a = 1.0 }", "{ a = nan }", PortfolioError, r"weights.a: "),
        ("{ a = 1.0 }", "{ a = 0.0 }", PortfolioError, r"all weights are 0"),
        ("{ a = 1.0 }", "{ a = 1e300 }", PortfolioError, r"a weight is 1e\+300; 0 and 1e-100 to 1e\+100 are allowed"),
        ("{ a = 1.0 }", "{ a = 1e-300 }", PortfolioError, r"a weight is 1e-300"),
        ('support = "a"', 'support = "eat"', PortfolioError, r"supported by the branch 'eat', which does not exist"),
        ("strength = 0.5", "strength = 2.5", PortfolioError, r"strength: .*less than or equal to 1, got 2.5"),
        ('"mean"', '"maen"', PortfolioError, r"no pooling is named 'maen'. Did you mean 'mean'\?"),
        ('"mean"', '{ name = "maen" }', PortfolioError, r"encoder.pooling: no pooling is named 'maen'."),
        ('"mean"', "{ gamma = 3 }", PortfolioError, r"encoder.pooling.name: this key is needed"),
        (
            '"mean"',
            '{ name = "rdp", gama = 3 }',
            PortfolioError,
            r"'rdp' takes no parameter 'gama'. Did you mean 'gamma'",
        ),
        ('"mean"', '{ name = "rdp", gamma = -1 }', PortfolioError, r"gamma must be a number from 0 to 1000, got -1"),
        ('"mean"', '{ name = "mean", p = 2 }', PortfolioError, r"'mean' takes no parameter 'p'. Known: clean_up."),
        ('"near"', '"naer"', PluginError, r"branches.a: No view is named 'naer'. Did you mean 'near'\?"),
        ('"logmel"', '"logml"', PluginError, r"branches.a: No encoder is named 'logml'. Did you mean 'logmel'\?"),
        ('"knn"', '"kmn"', PluginError, r"branches.a: No scorer is named 'kmn'. Did you mean 'knn'\?"),
        ('"tail"', '"tial"', PluginError, r"systems.S: No guard is named 'tial'. Did you mean 'tail'\?"),
        ('"softplus"', '"softpuls"', PortfolioError, r"No transform is named 'softpuls'. Did you mean 'softplus'\?"),
        ("beta", "bata", PortfolioError, r"'softplus' takes no parameter 'bata'. Did you mean 'beta'\?"),
        ("n_mels", "n_mel", PluginError, r"encoder 'logmel' takes no parameter 'n_mel'. Did you mean 'n_mels'\?"),
        ("k = 1", "k = 0", PluginError, r"scorer 'knn' refuses its parameters .*k must be .* from 1 .*got 0"),
        ("k = 1", "metric = 'l1'", PluginError, r"metric must be one of cosine, euclidean, got 'l1'"),
        ('"pooled"', '"poled"', PluginError, r"scope must be one of pooled, .*domain_soft, got 'poled'"),
        ('name = "p"', 'name = "p"\ntask = "dcase1999"', PluginError, r"task: No dataset is named 'dcase1999'"),
        ('name = "p"', 'name = "../p"', PortfolioError, r"name: "),
        ('name = "p"', "name = [", PortfolioError, r"is not TOML"),
        (
            FUSED,
            'fusion = "stoufer"\n',
            PortfolioError,
            r"systems.S: No fusion is named 'stoufer'. Did you mean 'stouffer'",
        ),
        (FUSED, 'fusion = { name = "gate" }\n', PortfolioError, r"systems.S: .*needs weights = .*, got nothing"),
        (
            FUSED,
            'fusion = { name = "gate", weights = { b = 1.0 } }\n',
            PortfolioError,
            r"systems.S.fusion names the branch 'b', which does not exist. .*Known: a",
        ),
        (
            FUSED,
            'fusion = { name = "copula", shrinkage = 2 }\n',
            PortfolioError,
            r"systems.S: fusion 'copula': shrinkage must be between 0 and 1, not 2",
        ),
        (
            'name = "tail", support = "a", quantile = 0.9',
            'name = "channel_disagreement", branches = ["a", "b"]',
            PortfolioError,
            r"'channel_disagreement' is supported by the branch 'b', which does not exist",
        ),
        (
            'encoder = { name = "logmel", layer = 0, pooling = "mean", n_mels = 64 }',
            "",
            PortfolioError,
            "encoder: this key",
        ),
    ],
)
def test_a_mistake_is_named_with_what_is_allowed(tmp_path, old, new, error, said):
    assert old in GOOD
    with pytest.raises(error, match=said):
        load(GOOD.replace(old, new, 1), tmp_path)


def test_all_mistakes_are_said_at_once(tmp_path):
    with pytest.raises(PortfolioError) as caught:
        load(GOOD.replace('view = "near"', "veiw = 1").replace("weights =", "wieghts ="), tmp_path)
    assert "veiw" in str(caught.value)
    assert "wieghts" in str(caught.value)


def test_shipped_portfolios_load_by_name():
    assert {"demo", "logmel-knn"} <= set(shipped_portfolios())
    for name, path in shipped_portfolios().items():
        assert load_portfolio(name).name == name.rpartition("/")[2]
        assert tomllib.loads(path.read_text())["name"] == name.rpartition("/")[2]


def test_the_default_portfolio_has_what_it_promises():
    demo = load_portfolio("demo")
    assert len(demo.branches) >= 4
    assert len({branch.view.name for branch in demo.branches.values()}) >= 2
    assert len({branch.scorer.name for branch in demo.branches.values()}) >= 2
    assert any(system.guards for system in demo.systems.values())


def test_a_portfolio_that_is_not_there():
    with pytest.raises(PortfolioError, match=r"There is no portfolio 'dem'.*Did you mean 'demo'\?"):
        find_portfolio("dem")


@pytest.mark.parametrize("name", ["..", ".", "a/b", "a b", ""])
def test_a_system_is_named_so_that_a_folder_can_be(name):
    values = {"name": "p", "branches": {"b": {"encoder": "logmel", "scorer": "knn"}}}
    with pytest.raises(PortfolioError, match="systems"):
        parse_portfolio({**values, "systems": {name: {"weights": {"b": 1}}}})


@pytest.mark.parametrize(
    ("where", "long"), [("name", "x" * 101), ("branches", "x" * 101), ("systems", "x" * 101), ("systems", "ä" * 51)]
)
def test_a_name_is_no_longer_than_names_of_files_can_bear(where, long):
    def portfolio(name):
        names = {"name": "p", "branches": "b", "systems": "s", where: name}
        return {
            "name": names["name"],
            "branches": {names["branches"]: {"encoder": "logmel", "scorer": "knn"}},
            "systems": {names["systems"]: {"weights": {names["branches"]: 1}}},
        }

    parse_portfolio(portfolio("x" * 100))
    with pytest.raises(PortfolioError, match=rf"{where}.*: a name of 1\d\d bytes is too long, .*; 100 are allowed"):
        parse_portfolio(portfolio(long))


MIRROR = {
    "name": "p",
    "branches": {"x": {"encoder": "logmel", "scorer": "knn"}, "y": {"encoder": "logmel", "scorer": "mahalanobis"}},
    "systems": {
        "A": {"weights": {"x": 1.0}, "guards": [{"name": "tail", "support": "y"}]},
        "B": {"out_of_fold_mirror_of": "A"},
    },
}


def test_a_mirror_has_all_of_what_it_mirrors_and_is_written_as_it_was():
    plan = parse_portfolio(MIRROR)
    assert plan.systems["B"].weights == {"x": 1.0}
    assert plan.mirrored == {"x", "y"}
    said = plan.model_dump(mode="json")
    assert said["systems"]["B"] == {"out_of_fold_mirror_of": "A"}
    assert "out_of_fold_mirror_of" not in said["systems"]["A"]
    assert parse_portfolio(said) == plan
    assert parse_portfolio(said).digest == plan.digest


@pytest.mark.parametrize(
    ("mirror", "said"),
    [
        ({"out_of_fold_mirror_of": "a"}, "B mirrors the system 'a', which does not exist. Known: A."),
        ({"out_of_fold_mirror_of": "B"}, "B mirrors the system 'B', which is a mirror itself"),
        ({"out_of_fold_mirror_of": "A", "transform": "log1p"}, "Remove transform"),
        ({}, "a system needs the key 'weights'"),
        ({"out_of_fold_mirror": "A"}, "Did you mean 'out_of_fold_mirror_of'?"),
    ],
)
def test_a_mirror_of_nothing_is_refused(mirror, said):
    with pytest.raises(PortfolioError, match=re.escape(said)):
        parse_portfolio(MIRROR | {"systems": MIRROR["systems"] | {"B": mirror}})


def branch(**values):
    encoder = {"name": "logmel", "layer": values.pop("layer", None)}
    return parse_portfolio(
        {"name": "p", "branches": {"x": {"encoder": encoder, "scorer": "knn", **values}}, "systems": MIRROR["systems"]}
        | {"systems": {"A": {"weights": {"x": 1}}}}
    ).branches["x"]


def test_a_branch_names_every_feature_set_it_is_made_of():
    both = branch(layer=[5, 10], residual={"view": "far", "alpha": 0.3})
    said = [[(part.view.name, part.layer, weight) for part, weight in terms] for terms in both.features]
    assert said == [[("near", 5, 1.0), ("far", 5, -0.3)], [("near", 10, 1.0), ("far", 10, -0.3)]]
    assert [(part.view.name, part.layer) for part in branch().parts] == [("near", None)]
    assert branch(residual={"view": "far"}).residual.alpha == 0.5


@pytest.mark.parametrize(
    "wrong",
    [{"layer": []}, {"residual": {"alpha": 1.0}}, {"residual": {"view": "far", "alpha": 0.0}}, {"residual": "far"}],
)
def test_a_branch_whose_features_cannot_be_is_refused(wrong):
    with pytest.raises(PortfolioError, match=r"branches\.x"):
        branch(**wrong)


def test_train_normals_are_left_out_by_auto_and_a_name_alone_says_another_way(tmp_path):
    assert (load(GOOD, tmp_path).out_of_fold.by, load(GOOD, tmp_path).out_of_fold.range) == ("auto", None)
    short = load(GOOD.replace("[branches.a]", 'out_of_fold = "clip"\n[branches.a]'), tmp_path)
    long = load(GOOD + '[out_of_fold]\nby = "clip"\n', tmp_path)
    assert short.out_of_fold.by == "clip"
    assert short.digest == long.digest != load(GOOD, tmp_path).digest
    said = load(GOOD + '[out_of_fold]\nby = "neighbours"\nrange = 30\n', tmp_path).out_of_fold
    assert (said.by, said.range) == ("neighbours", 30)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ('by = "block"', r"out_of_fold.by: Input should be 'auto', 'recording', .* or 'clip', got 'block'"),
        ("range = 3", r"out_of_fold: 'range' counts neighbours, but by is 'auto'. Set by = 'neighbours'"),
        ('by = "neighbours"\nrange = 0', "out_of_fold.range: .* greater than or equal to 1, got 0"),
        ('bye = "clip"', "out_of_fold.bye: no such key. Did you mean 'by'"),
    ],
)
def test_a_wrong_way_to_leave_out_is_refused(tmp_path, table, message):
    with pytest.raises(PortfolioError, match=message):
        load(f"{GOOD}[out_of_fold]\n{table}\n", tmp_path)
