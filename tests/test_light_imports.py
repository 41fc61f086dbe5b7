"""A portfolio without networks imports no heavy library: that takes longer than scoring a clip."""

from __future__ import annotations

import pytest

HEAVY = {"librosa", "pandas", "scipy", "sklearn", "thop", "torch", "torchaudio", "transformers"}


@pytest.fixture(scope="module")
def folder(dataset, copied, tmp_path_factory):
    root = tmp_path_factory.mktemp("light")
    copied(dataset, root / "data")
    return root


def test_nothing_heavy_is_imported_from_the_run_to_the_inference(imported_by, folder):
    calls = (
        "asdcore.run('default', data='data', task='dcase2026', out='run', store='store')",
        "asdcore.evaluate('run')",
        "asdcore.freeze('run', out='frozen.json')",
        "asdcore.verify('frozen.json')",
        "asdcore.infer('frozen.json', data='data', out='final')",
    )
    imported = {call: imported_by(f"import asdcore; {call}", folder) & HEAVY for call in calls}
    assert not any(imported.values()), imported


def test_a_recipe_of_mel_spectra_imports_no_network_library(imported_by, folder):
    call = "asdcore.run('asdkit/raw-spec', data='data', task='dcase2026', out='raw', store='raw-store')"
    # Its k-means is scikit-learn's, which imports pandas where it is installed.
    used = imported_by(f"import asdcore, warnings; warnings.simplefilter('ignore'); {call}", folder)
    assert not used & (HEAVY - {"pandas", "scipy", "sklearn"})
