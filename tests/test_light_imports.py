"""A portfolio without networks imports no heavy library: that takes longer than scoring a clip."""

from __future__ import annotations

import subprocess
import sys

import pytest

import asdcore

HEAVY = ("librosa", "scipy", "sklearn", "thop", "torch", "torchaudio", "transformers")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("light")
    asdcore.synthesize(root / "data", profile="tiny")
    return root


def imported_by(folder, call):
    """The heavy libraries that a new process has imported after a call."""
    code = (
        "import sys, asdcore\n"
        "if __name__ == '__main__':\n"
        f"    {call}\n"
        f"    print(*[name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    return done.stderr.strip()


def test_nothing_heavy_is_imported_from_the_run_to_the_inference(folder):
    calls = (
        "asdcore.run('default', data='data', task='dcase2026', out='run', store='store')",
        "asdcore.freeze('run', out='frozen.json')",
        "asdcore.verify('frozen.json')",
        "asdcore.infer('frozen.json', data='data', out='final')",
    )
    assert {call: imported_by(folder, call) for call in calls} == dict.fromkeys(calls, "")
