"""Whether a logger's file is read here as where the detector was frozen: by the same version of its library.

A detector needs no such library for WAV and FLAC, so none is asked for when it is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from asdcore.basics.recording_parts import recording_path
from asdcore.contract.source_code.files import module_file
from asdcore.contract.source_code.imports import imported_at_run_time
from asdcore.data.formats import by_ending
from asdcore.frozen.pinning.packages import packages_with, tops_of


def other_reader(path: Path, frozen: Mapping[str, str]) -> str:
    """Return why a file cannot be read as where a detector was frozen, "" if it can.

    Parameters
    ----------
    path : Path
        A recording, or a part of one.
    frozen : mapping of str to str
        {distribution: version} where the detector was frozen. What was not installed there may have any version.

    Examples
    --------
    >>> from pathlib import Path
    >>> from asdcore.detector.readers import other_reader
    >>> other_reader(Path("night.wav"), {"asammdf": "1.0"})
    ''
    """
    ending = recording_path(path).suffix.lower()
    if ending not in by_ending.MODULES:
        return ""
    module = module_file(f"{by_ending.__package__}.{by_ending.MODULES[ending]}")
    here = packages_with(tops_of(module, imported_at_run_time(module))) if module else {}
    others = {name: version for name, version in here.items() if frozen.get(name, version) != version}
    if not others:
        return ""
    listed = ", ".join(f"{name} {version}, not {frozen[name]}" for name, version in others.items())
    install = " ".join(f"{name}=={frozen[name]}" for name in others)
    return (
        f"files that end in {ending} are read here with {listed}, by which the detector was frozen, so samples may "
        f"differ. Convert them to WAV, or type: pip install --no-deps {install}"
    )
