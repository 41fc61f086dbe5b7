"""Turns the joined table into arrays, one section at a time, and computes its cells for any weighting of clips."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from asdcore.basics.recording_parts import recording_name
from asdcore.errors import located
from asdcore.evidence.labels.scores_with_truth import check_joined
from asdcore.evidence.metrics import cells, rule
from asdcore.evidence.uncertainty.curves import Weights, cell_values
from asdcore.evidence.uncertainty.resample import Indices, Stratum

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Section:
    """The test clips of one (machine, section), in the order of their names.

    scores : (n_systems, n_clips). anomalous : (n_clips,) bool. domains : (n_clips,) "source", "target" or None.
    strata : the positions of the clips of each domain and label. recordings : (n_clips,) the number of each clip's
    recording: that which the ground truth names, else its file, which windows and parts of it share.
    """

    machine: str
    section: str
    scores: Floats
    anomalous: NDArray[np.bool_]
    domains: NDArray[np.object_]
    strata: tuple[Stratum, ...]
    recordings: Indices

    @property
    def name(self) -> str:
        """Machine and section as one text, unique to this section."""
        return json.dumps([self.machine, self.section])

    def values(self, system: int, weights: Weights, year: int) -> Floats:
        """Weights (n_clips, replicates) -> the cells of one system (n_cells, replicates)."""
        return cell_values(rule(year).cells, self.scores[system], self.anomalous, self.domains, weights)


def sections_of(table: pl.DataFrame, year: int) -> tuple[list[str], list[Section]]:
    """Return the systems of a joined table in sorted order, and its sections by machine and section.

    Raises EvaluationError if the table is incomplete, or a cell of the year's rules has no clips.
    """
    check_joined(table)
    systems = sorted(table["system"].unique().to_list())
    sections = []
    for (machine, section), rows in table.sort("machine", "section", "system", "clip").group_by(
        "machine", "section", maintain_order=True
    ):
        scores = rows["score"].cast(pl.Float64).to_numpy().reshape(len(systems), -1)
        clips = rows[: scores.shape[1]]
        labels, domains = clips["label"].to_numpy(), np.array(clips["domain"].to_list(), dtype=object)
        with located(f"{machine} section {section}"):
            for of_system in scores:
                cells(of_system, labels, domains, year)
        strata = _strata(str(machine), str(section), labels, domains)
        recordings = _numbers(_recordings(clips))
        sections.append(Section(str(machine), str(section), scores, labels.astype(bool), domains, strata, recordings))
    return systems, sections


def _strata(
    machine: str, section: str, labels: NDArray[np.integer], domains: NDArray[np.object_]
) -> tuple[Stratum, ...]:
    """Group the clips of a section by domain and label; a domain of None is a domain like the others."""
    groups: dict[str, list[int]] = {}
    for i, (label, domain) in enumerate(zip(labels.tolist(), domains.tolist(), strict=True)):
        groups.setdefault(json.dumps([machine, section, domain, label]), []).append(i)
    return tuple((name, np.array(groups[name], dtype=np.intp)) for name in sorted(groups))


def _recordings(clips: pl.DataFrame) -> list[tuple[str, str]]:
    """Return what each clip was cut from: a recording that is named, or a file."""
    named = clips["recording"].to_list() if "recording" in clips.columns else [None] * len(clips)
    return [
        ("file", recording_name(clip)) if recording is None else ("recording", recording)
        for clip, recording in zip(clips["clip"], named, strict=True)
    ]


def _numbers(names: Sequence[object]) -> Indices:
    """Return a number for each name, the same for the same name, from 0 on in the order in which they come."""
    first: dict[object, int] = {}
    return np.array([first.setdefault(name, len(first)) for name in names], dtype=np.intp)


def machines_of(sections: Sequence[Section]) -> list[str]:
    """Return the machine of each section."""
    return [section.machine for section in sections]
