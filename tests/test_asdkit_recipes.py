"""The 13 recipes of ASDKit: every setting of each portfolio, against the table of what its code does."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from asdcore.errors import ResourceError
from asdcore.portfolio import load_portfolio, shipped_portfolios
from asdcore.preflight.complexity import complexity

ROOT = Path(__file__).parents[1]
PUBLISHED = json.loads((ROOT / "tests" / "golden" / "trained" / "published_scores_fig2.json").read_text())
PAGE = ROOT / "docs" / "asdkit.md"

ADACOS = {"name": "adacos", "trainable": False, "dynamic": False}
SCAC_FIXED = {"name": "sub_cluster_adacos", "sub_clusters": 16, "trainable": False}
SCAC = {**SCAC_FIXED, "trainable": True}
SUBSPACE = {"name": "subspace", "sub_clusters": 16, "weight": 1.0, "trainable": False}
FEATEX = {"name": "featex", "sub_clusters": 16, "weight": 1.0, "probability": 0.5, "trainable": False}

ONE = {"name": "multi_branch", "fft": True, "stft": [1024], "width": 128}
THREE = {**ONE, "stft": [256, 1024, 4096]}
LORA = {"rank": 64, "alpha": 8, "dim": 256}
BEATS = {"name": "beats_lora", "targets": ["q_proj", "v_proj"], "pooling": "statistics", **LORA}
EAT = {"name": "eat_lora", "targets": ["qkv"], "pooling": "cls", **LORA}

CNN = {"epochs": 16, "batch": 64, "learning_rate": 1e-3, "weight_decay": 0.01}
FINE = {"epochs": 25, "batch": 8, "learning_rate": 1e-4, "weight_decay": 0.01, "warm_up": 5000}
TRAINED = {
    "dis-spec-adacos-fixed-wo-mixup": (ONE, ADACOS, CNN),
    "dis-spec-adacos-fixed": (ONE, ADACOS, CNN),
    "dis-spec-scac-fixed": (ONE, SCAC_FIXED, CNN),
    "dis-spec-scac-trainable": (ONE, SCAC, CNN),
    "dis-spec-subspaceloss": (ONE, SUBSPACE, CNN),
    "dis-spec-featex": (ONE, FEATEX, CNN),
    "dis-multispec-scac-trainable": (THREE, SCAC, CNN),
    "dis-beats-scac-trainable": ({**BEATS, "layer_drop": 0.05, "gradient_decay": 0.6}, SCAC, FINE),
    "dis-eat-scac-trainable": ({**EAT, "drop_path": 0.1}, SCAC, FINE),
}
CHECKPOINTS = {"dis-beats-scac-trainable": "beats-iter3", "dis-eat-scac-trainable": "eat-base-epoch10-pretrain"}
MIXUP = [{"name": "mixup", "probability": 0.5}]
SCORERS = {
    "smote": ("smote_knn", {"k": 1, "ratio": 0.2, "neighbours": 2, "metric": "cosine", "seed": 0}),
    "knn": ("knn", {"k": 1, "metric": "cosine"}),
}


def test_all_thirteen_are_there_by_the_names_that_were_published():
    published = {name.replace("_", "-") for name, row in PUBLISHED.items() if "hmean" in row}
    shipped = {name.removeprefix("asdkit/") for name in shipped_portfolios() if name.startswith("asdkit/")}
    assert len(published) == 13
    assert shipped == published


@pytest.mark.parametrize("name", TRAINED)
def test_a_trained_recipe_has_the_settings_of_the_code(name):
    network, loss, optimizer = TRAINED[name]
    expected = {
        "seconds": 18,
        "labels": {"by": ["machine", "section", "attribute", "domain"]},
        "network": network,
        "loss": loss,
        **({} if name.endswith("wo-mixup") else {"augment": MIXUP}),
        **optimizer,
        **({"checkpoint": CHECKPOINTS[name]} if name in CHECKPOINTS else {}),
    }
    portfolio = load_portfolio(f"asdkit/{name}")
    assert portfolio.name == name
    assert portfolio.seed == 0
    assert {system: list(portfolio.systems[system].weights) for system in SCORERS} == {
        "smote": ["smote"],
        "knn": ["knn"],
    }
    for branch, (scorer, parameters) in SCORERS.items():
        assert portfolio.branches[branch].encoder.name == "discriminative"
        assert portfolio.branches[branch].encoder.parameters == expected
        assert (portfolio.branches[branch].scorer.name, portfolio.branches[branch].scorer.parameters) == (
            scorer,
            parameters,
        )


def test_the_autoencoder_has_the_settings_of_the_code():
    """It names no seed, so that of the portfolio reaches it: each trial is another network."""
    portfolio = load_portfolio("asdkit/ae")
    branch = portfolio.branches["mse"]
    assert portfolio.seed_of("mse") == 0
    assert branch.encoder.parameters == {"seconds": [6, 18], "log": True}
    assert branch.encoder.pooling.name == "frames"
    assert branch.scorer.name == "autoencoder"
    assert branch.scorer.parameters == {
        "score": "mse",
        "epochs": 50,
        "optimizer": "adamw",
        "held_out": 0.0,
    }


@pytest.mark.parametrize(("name", "layer"), [("raw-beats", "mean_all"), ("raw-eat", "cls")])
def test_a_frozen_network_is_scored_by_the_four_back_ends(name, layer):
    spec, portfolio = load_portfolio("asdkit/raw-spec"), load_portfolio(f"asdkit/{name}")
    assert list(portfolio.systems) == list(spec.systems)
    for branch in spec.branches:
        assert portfolio.branches[branch].scorer == spec.branches[branch].scorer
        assert portfolio.branches[branch].encoder.pooling.name == layer


@pytest.mark.parametrize(("name", "parameters"), [("scac-trainable", 2_626_640), ("multispec", 5_131_504)])
def test_a_network_is_counted_before_it_is_trained(name, parameters):
    whole = "dis-multispec-scac-trainable" if name == "multispec" else "dis-spec-scac-trainable"
    cost = complexity(f"asdkit/{whole}", seconds=18).branches["knn"]
    assert cost.parameters == parameters
    assert cost.features == (512 if name == "multispec" else 256)


@pytest.mark.parametrize("name", [*CHECKPOINTS, "raw-eat", "raw-beats"])
def test_without_its_checkpoint_a_recipe_says_where_to_get_it(name, tmp_path, monkeypatch):
    monkeypatch.setenv("ASDCORE_STORE", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(ResourceError, match=r"asdcore registry (fetch beats-iter3|add EAT-base_epoch10_pt\.pt --id)"):
        complexity(f"asdkit/{name}")


def test_the_page_has_the_published_scores_of_every_recipe():
    rows = dict(re.findall(r"^\| `([\w-]+)` \| (.+) \|$", PAGE.read_text(), re.MULTILINE))
    for name, row in PUBLISHED.items():
        if "hmean" not in row:
            continue
        spread = row.get("sd") or {}
        cells = [f"{mean:.2f}" + (f" ({spread[column]:.2f})" if spread else "") for column, mean in row["mean"].items()]
        assert rows[name.replace("_", "-")].split(" | ") == [*cells, f"{row['hmean']:.2f}", f"{row['amean']:.2f}"]


def test_the_page_names_every_portfolio_with_its_cost():
    page = PAGE.read_text()
    assert all(f"| `{name}` |" in page for name in shipped_portfolios() if name.startswith("asdkit/"))
