"""Real recordings of DCASE 2023, where they are at hand: the figures are known, and everything decodes."""

from __future__ import annotations

import pytest

import asdcore
from asdcore.portfolio import find_portfolio

# Time mean of the official baseline's log-mel and 1-NN over all train normals, in percent: computed independently of
# this project from the official definitions.
EUCLIDEAN = {"auc_source": 68.1, "auc_target": 37.1, "pauc": 49.3}
COSINE = {"auc_source": 68.6, "auc_target": 47.0, "pauc": 48.4}


@pytest.mark.parametrize(("metric", "expected", "official"), [("euclidean", EUCLIDEAN, 48.4), ("cosine", COSINE, 53.1)])
def test_toycar_comes_out_at_the_reference_figures(shared, tmp_path_factory, tmp_path, metric, expected, official):
    data = shared("data", "dcase2023_toycar_small")
    portfolio = find_portfolio("logmel-knn").read_text().replace("euclidean", metric)
    path = tmp_path / "portfolio.toml"
    path.write_text(portfolio)
    store = tmp_path_factory.getbasetemp() / "toycar-store"
    run = asdcore.run(path, data, tmp_path / "run", task="dcase2023", store=store)
    result = asdcore.evaluate(run).systems["knn"]
    (cell,) = result.cells
    for name, figure in expected.items():
        assert 100 * cell[name] == pytest.approx(figure, abs=0.1)
    assert 100 * result.official_score == pytest.approx(official, abs=0.1)


def test_the_default_portfolio_says_why_one_channel_is_not_enough(shared, tmp_path):
    data = shared("data", "dcase2023_toycar_small")
    with pytest.raises(asdcore.DataError, match=r"ToyCar/.*view 'w1'.*needs a near and a far channel.*has 1"):
        asdcore.run("demo", data, tmp_path / "run", task="dcase2023")
    assert not (tmp_path / "run").exists()
