"""A portfolio without networks imports no heavy library: that takes longer than scoring a clip."""

from __future__ import annotations

import pytest

import asdcore

HEAVY = {"librosa", "scipy", "sklearn", "thop", "torch", "torchaudio", "transformers"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("light")
    asdcore.synthesize(root / "data", profile="tiny")
    return root


def test_nothing_heavy_is_imported_from_the_run_to_the_inference(imported_by, folder):
    calls = (
        "asdcore.run('default', data='data', task='dcase2026', out='run', store='store')",
        "asdcore.freeze('run', out='frozen.json')",
        "asdcore.verify('frozen.json')",
        "asdcore.infer('frozen.json', data='data', out='final')",
    )
    imported = {call: imported_by(f"import asdcore; {call}", folder) & HEAVY for call in calls}
    assert not any(imported.values()), imported
