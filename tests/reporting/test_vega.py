"""The script that every page holds is bundled once for each version, and never taken damaged."""

from __future__ import annotations

import shutil
import sys
from types import SimpleNamespace

import pytest

from asdcore.reporting import vega


@pytest.fixture
def bundled(tmp_path, monkeypatch):
    """How often a script was bundled; every call of :func:`script` is as if by a new process."""
    calls = []

    def bundle():
        calls.append(1)
        return "const vega = '§'; </script>\r\n"

    monkeypatch.setenv("ASDCORE_STORE", str(tmp_path / "store"))
    monkeypatch.setitem(sys.modules, "vl_convert", SimpleNamespace(javascript_bundle=bundle))
    yield calls
    vega.libraries.cache_clear()


def script():
    vega.libraries.cache_clear()
    return vega.libraries()


def test_a_script_is_bundled_once(bundled):
    assert script() == script() == "const vega = '§'; </script>\r\n"
    assert len(bundled) == 1


@pytest.mark.parametrize("damage", [b"", b"no line", b"\xff\n\xff", b"0\nconst vega = 1"])
def test_a_damaged_script_is_bundled_again(bundled, damage):
    whole = script()
    kept = vega.place().read_bytes()
    vega.place().write_bytes(damage)
    assert script() == whole
    assert len(bundled) == 2
    assert vega.place().read_bytes() == kept


def test_another_version_has_another_script(bundled, monkeypatch):
    script()
    monkeypatch.setattr(vega, "version", lambda _: "0.0.1")
    script()
    assert len(bundled) == 2


def test_without_a_place_to_keep_it_there_is_a_script_too(bundled, tmp_path):
    whole = script()
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "store").write_text("a file where the folder belongs")
    assert script() == whole
    assert len(bundled) == 2
