"""No process stores what old code computed under the name of new code, however long it lives."""

from __future__ import annotations

import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import pytest

import asdcore
from asdcore.compute.code_in_use import check_loaded
from asdcore.contract.plugins import installed, restrict, restricted
from asdcore.errors import PluginError
from asdcore.portfolio import load_portfolio
from asdcore.stages.embedding import embed
from asdcore.stages.scoring import score
from asdcore.stages.scoring.score_jobs import SCORING_CODE
from asdcore.store.cache import Store

PLUGIN = """
import numpy as np
from asdcore import Tokens, hookimpl
EDIT = ""

class Encoder:
    sample_rate, layers = 16000, (0,)

    def __init__(self, gain=1.0):
        self.gain = gain

    def encode(self, audio, layers=(0,)):
        exec(EDIT)
        bands = self.gain * 1.0 * np.abs(audio[:, :4000]).reshape(len(audio), 10, 1, 400)[..., :8]
        return {0: Tokens(bands.astype(np.float32))}

class Scorer:
    def fit(self, features, domain):
        self.mean = features.mean(0)
        return self

    def score(self, features):
        return {"pooled": 1.0 * np.square(features - self.mean).sum(1).astype(float)}

@hookimpl
def register_encoders(register):
    register("lasting", Encoder)

@hookimpl
def register_scorers(register):
    register("lasting", Scorer)
"""

PORTFOLIO = """
name = "lasting"
[branches.a]
encoder = { name = "lasting" }
scorer = "lasting"
[systems.s]
weights = { a = 1.0 }
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    """The file of a plugin that is installed for this test and for processes that it starts."""
    info = tmp_path / "site" / "lasting-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lasting\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[asdcore]\nlasting = lasting_plugin\n")
    path = info.parent / "lasting_plugin.py"
    path.write_text(PLUGIN)
    monkeypatch.syspath_prepend(info.parent)
    forget()
    yield path
    forget()


@pytest.fixture(scope="session")
def few(tmp_path_factory, make_dataset):
    return make_dataset(tmp_path_factory.mktemp("few"), ("fan",), source=4, target=2, test=1)


@pytest.fixture
def portfolio(tmp_path):
    path = tmp_path / "lasting.toml"
    path.write_text(PORTFOLIO)
    return path


def forget():
    """Forget what was imported, as a new process would."""
    sys.modules.pop("lasting_plugin", None)
    restrict(None)


def shards(tmp_path):
    return {path for path in tmp_path.rglob("*.parquet") if path.parent.name != "recordings"}


def planned(portfolio, root, store):
    """Plan as a new process would: the jobs that embed and that score."""
    forget()
    plan = load_portfolio(portfolio)
    clips = asdcore.load_dataset("dcase2026").clips(root)
    some = plan.branches
    return (
        embed.plan(clips, root, some, store, installed(), None),
        score.plan(clips, "a", plan, store, installed(), None),
    )


def test_plugins_that_are_looked_up_anew_are_as_old_as_their_modules(plugin, portfolio, few, tmp_path):
    """A notebook, or a worker of a cluster, restricts plugins for one run and not for the next."""
    with restricted(["lasting"]):
        installed().component("scorer", "lasting").imported()
    plugin.write_text(PLUGIN.replace("1.0 * np.square", "2.0 * np.square"))
    restrict(None)  # Python keeps the module
    plan = load_portfolio(portfolio)
    clips = asdcore.load_dataset("dcase2026").clips(few)
    (cell,) = score.plan(clips, "a", plan, Store(tmp_path / "kept"), installed(), None)
    with pytest.raises(PluginError, match="scorer 'lasting': its code changed while"):
        check_loaded(cell.code, cell.uses, SCORING_CODE, installed())


def test_a_worker_that_outlives_an_edit_stores_nothing_under_the_new_name(plugin, portfolio, few, tmp_path):
    store = Store(tmp_path / "kept")
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as worker:
        (chunk,), (cell,) = planned(portfolio, few, store)
        assert worker.submit(embed.embed, chunk).result() == len(chunk.clips)
        worker.submit(score.score_together, (cell,)).result()
        before = shards(tmp_path)
        assert len(before) == 3  # features, ranges, scores
        plugin.write_text(PLUGIN.replace("* 1.0", "* 2.0").replace("1.0 * np.square", "2.0 * np.square"))
        (chunk,), (cell,) = planned(portfolio, few, store)
        with pytest.raises(PluginError, match="encoder 'lasting': its code changed while"):
            worker.submit(embed.embed, chunk).result()
        embed.embed(chunk)  # this process has loaded the new one
        made = shards(tmp_path)
        with pytest.raises(PluginError, match="scorer 'lasting': its code changed while"):
            worker.submit(score.score_together, (cell,)).result()
        assert shards(tmp_path) == made
        assert len(made) == len(before) + 1


def test_a_process_that_goes_on_after_an_edit_is_told_to_start_anew(plugin, portfolio, few, tmp_path):
    asdcore.run(portfolio, few, tmp_path / "run")
    before = shards(tmp_path)
    plugin.write_text(PLUGIN.replace("* 1.0", "* 2.0"))
    portfolio.write_text(PORTFOLIO.replace('"lasting" }', '"lasting", gain = 3.0 }'))
    with pytest.raises(PluginError, match=r"encoder 'lasting': its code changed.*started anew"):
        asdcore.run(portfolio, few, tmp_path / "other")
    assert shards(tmp_path) == before
    forget()
    assert asdcore.run(portfolio, few, tmp_path / "other").systems.height


def test_an_edit_between_loading_and_the_first_use_is_noticed(plugin, portfolio, few, tmp_path):
    forget()
    assert "lasting" in installed().components("encoder")
    plugin.write_text(PLUGIN.replace("* 1.0", "* 2.0"))
    with pytest.raises(PluginError, match="encoder 'lasting': its code changed"):
        asdcore.run(portfolio, few, tmp_path / "run")
    assert shards(tmp_path) == set()


def test_an_edit_while_a_chunk_is_computed_is_noticed(plugin, portfolio, few, tmp_path):
    """What a plugin imports inside its functions may be of before the edit or of after."""
    helper = plugin.with_name("lasting_helper.py")
    helper.write_text("gain = 1\n")
    late = f"import lasting_helper, pathlib; pathlib.Path({str(helper)!r}).write_text('gain = 2')"
    plugin.write_text(PLUGIN.replace('EDIT = ""', f'EDIT = ""\nif 0: import lasting_helper\nEDIT = {late!r}'))
    forget()
    with pytest.raises(PluginError, match="encoder 'lasting': its code changed"):
        asdcore.run(portfolio, few, tmp_path / "run")
    assert shards(tmp_path) == set()


@pytest.mark.parametrize(("what", "said"), [("numpy", "numpy: its code"), ("asdcore", "asdcore: its code")])
def test_a_job_of_another_asdcore_or_library_is_refused(plugin, portfolio, few, tmp_path, what, said):
    (chunk,), (cell,) = planned(portfolio, few, Store(tmp_path / "kept"))
    for job, work in ((chunk, embed.embed), (cell, lambda job: score.score_together((job,)))):
        if job is cell:
            embed.embed(chunk)
        before = shards(tmp_path)
        other = replace(job, code=tuple((name, "0" if name == what else value) for name, value in job.code))
        with pytest.raises(PluginError, match=said):
            work(other)
        assert shards(tmp_path) == before
    assert work(cell)
