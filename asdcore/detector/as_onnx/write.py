"""Writes a detector as one ONNX file, proves that it gives the same scores, and pins how far they are apart."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asdcore.basics.paths import given_path
from asdcore.compute.encoding.built_encoders import built_encoder
from asdcore.compute.scoring.scoring import Recipe
from asdcore.contract.onnx.onnx_graph import IR_VERSION, OPSET, NotInOnnxError, OnnxGraph, OnnxValue
from asdcore.contract.plugins import chosen
from asdcore.detector.as_onnx import parity as of_clips
from asdcore.detector.as_onnx.branches import Features, combined, features_of, z_of
from asdcore.detector.as_onnx.parity import CLIPS, Parity
from asdcore.detector.as_onnx.refusals import free, frozen, of_one_seed, one_rate
from asdcore.detector.as_onnx.refused_clips import CheckedClip, checked
from asdcore.detector.as_onnx.systems import mean_of, p_value_of, score_of
from asdcore.detector.detector import Detector
from asdcore.detector.listen import SHORTEST
from asdcore.detector.machine import FrozenMachine
from asdcore.detector.parts import Parts
from asdcore.detector.systems import Scale
from asdcore.store.disk.atomic import write_bytes
from asdcore.version import __version__

LARGEST = 2_000_000_000
"""Bytes that a file of protocol buffers may have."""


@dataclass(frozen=True)
class OnnxFile:
    """A detector that was written as ONNX.

    Attributes
    ----------
    path : Path
        The file.
    machine, section, system : str
        What it scores.
    channels, sample_rate : int
        What it takes: "audio", (channels, n_samples) float32 in [-1, 1] at this rate in Hz, of any length that the
        detector takes.
    parity : Parity
        How far its scores are from the detector's.

    Examples
    --------
    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> detector = asdcore.load_detector(asdcore.export("first.json", "first.asd"))
    >>> file = asdcore.export_onnx(detector, "first.onnx", "SynFan", clips=3)
    >>> file.machine, file.system
    ('SynFan', 'knn')
    """

    path: Path
    machine: str
    section: str
    system: str
    channels: int
    sample_rate: int
    parity: Parity


def export_onnx(
    detector: Detector,
    out: str | Path,
    machine: str | None = None,
    section: str | None = None,
    *,
    system: str | None = None,
    parity: str | Path | None = None,
    clips: int = CLIPS,
) -> OnnxFile:
    """Write one machine and system of a detector as one ONNX file: waveform in, score and decision out.

    Front ends, networks, banks, calibrations, weights and the threshold are inside. Its inputs are ``audio``
    (n_channels, n_samples) float32 and ``sample_rate`` () int64; onnxruntime stops with the reason at a clip that the
    detector would refuse. Its outputs are ``score`` (1,) float64, ``decision`` (1,) int64, ``p_value`` (1,) float64,
    and ``branches`` (n_branches,) float64, z of the branches in the order of their names.

    Parameters
    ----------
    detector : Detector
        :func:`asdcore.load_detector` returns one.
    out : path
        The file to write, with the suffix ``.onnx``.
    machine, section, system : str, optional
        As of :meth:`Detector.score`.
    parity : path, optional
        A folder of recordings: detector and file must agree on each. By default they must on clips that are made up.
    clips : int
        How many clips are made up.

    Returns
    -------
    OnnxFile
        With the largest difference between the scores of both.

    Raises
    ------
    NotInOnnxError
        If a part cannot be written: all of them are named, with what can be. A :class:`DataError`.
    DataError
        If the two differ by more than 1e-4 of the spread of the train normals' scores, or in a decision. Nothing is
        written then.
    StoreError
        If ``out`` exists, or has another suffix.

    Examples
    --------
    >>> manifest = asdcore.freeze("runs/first", "first.json")
    >>> detector = asdcore.load_detector(asdcore.export("first.json", "first.asd"))
    >>> file = asdcore.export_onnx(detector, "first.onnx", "SynFan", clips=3)
    >>> file.channels, file.sample_rate, file.parity.share < 1e-4
    (2, 16000, True)
    """
    target, name = free(given_path(out, "out")), detector.chosen_system(system)
    folder = None if parity is None else given_path(parity, "parity")
    parts = detector.parts(machine, section)
    machine_data = frozen(parts)
    with chosen(parts.plugins):
        written = _Written(parts, machine_data, name)
        model = written.model()
    asked = (machine_data.machine, machine_data.section, name)
    normals = machine_data.normals(name)["score"].to_numpy()
    if folder is None:
        about = (machine_data.channels, written.sample_rate, machine_data.seconds)
        heard = of_clips.made_up(clips, *about, of_clips.longest_taken(detector, asked, *about))
    else:
        heard = of_clips.decoded(of_clips.recordings(folder), written.sample_rate)
    compared = of_clips.compare(detector, _session(model), asked, heard, normals, given=folder is not None)
    of_clips.check_parity(compared, written.hears_above)
    _describe(model, detector, written, compared)
    write_bytes(target, model.SerializeToString())
    return OnnxFile(target, *asked, machine_data.channels, written.sample_rate, compared)


class _Written:
    """One machine and system as a graph."""

    def __init__(self, parts: Parts, machine_data: FrozenMachine, system: str) -> None:
        self.parts, self.machine_data, self.system = parts, machine_data, system
        self.choice = of_one_seed(parts.plan.systems[system], system)
        self.branches = sorted(self.choice.named)
        self.sample_rate = one_rate(machine_data.sample_rates)

    @property
    def shortest_samples(self) -> int:
        """How many samples a clip has at least, as the detector has it."""
        return math.ceil(SHORTEST * self.machine_data.seconds * self.sample_rate)

    @property
    def hears_above(self) -> int | None:
        """The highest rate in Hz that an encoder hears, if it is above that of the recordings."""
        highest = max(int(built_encoder(request, None).sample_rate) for request in self.parts.requests)
        return highest if highest > self.sample_rate else None

    def model(self) -> Any:
        """Return the model, checked."""
        from onnx import TensorProto, checker, helper

        graph = OnnxGraph()
        clip = checked(
            OnnxValue(graph, "audio"), OnnxValue(graph, "sample_rate"), self.sample_rate, self.shortest_samples
        )
        score, decision, p_value, branches = self._outputs(graph, clip)
        outputs = [
            self._named(graph, score, "score", TensorProto.DOUBLE, 1),
            self._named(graph, decision, "decision", TensorProto.INT64, 1),
            self._named(graph, p_value, "p_value", TensorProto.DOUBLE, 1),
            self._named(graph, branches, "branches", TensorProto.DOUBLE, len(self.branches)),
        ]
        shape: list[int | str | None] = [self.machine_data.channels, "n_samples"]
        audio = helper.make_tensor_value_info("audio", TensorProto.FLOAT, shape)
        rate = helper.make_tensor_value_info("sample_rate", TensorProto.INT64, [])
        made = helper.make_graph(graph.nodes, "asdcore", [audio, rate], outputs, graph.used_constants())
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="asdcore")
        if model.ByteSize() > LARGEST:
            raise NotInOnnxError(f"the file would have {model.ByteSize() / 1e9:.1f} GB; ONNX allows 2 GB in one file")
        checker.check_model(model)
        return model

    def _outputs(self, graph: OnnxGraph, clip: CheckedClip) -> tuple[OnnxValue, ...]:
        """Write all of it; raises NotInOnnxError with every part that cannot be written."""
        troubles: list[str] = []
        fused, scale = self.machine_data.system(self.system)
        features = self._features(clip.audio, troubles)
        models = [self._calibrated(graph, features, fold, scale, troubles) for fold in scale.folds]
        score = graph.constant([0.0])
        with _noting(troubles, f"system {self.system!r}"):
            score = score_of(self.choice, fused, models, self.parts.plugins)
        if troubles:
            once = dict.fromkeys(troubles)  # of a mirror each fold has the same
            raise NotInOnnxError("\n".join(["Nothing was written, for this cannot be ONNX:", *once]))
        decision = (score > self.machine_data.threshold(self.system)).astype(np.int64)
        first, *others = (mean_of([z[name] for z in models]) for name in self.branches)
        normals = self.machine_data.normals(self.system)["score"].to_numpy()
        p_value = clip.or_nan(p_value_of(score, normals))
        return clip.or_nan(score), clip.or_refused(decision), p_value, first.op("Concat", *others, axis=0)

    def _calibrated(
        self, graph: OnnxGraph, features: Features, fold: int, scale: Scale, troubles: list[str]
    ) -> dict[str, OnnxValue]:
        """Write z of every branch by the scorers of a fold; of one that cannot be written it is 0."""
        z = {}
        for name in self.branches:
            z[name] = graph.constant([0.0])  # so that what comes after is tried, too
            if _folders(recipe := self.parts.recipes[name]) <= features.keys():
                with _noting(troubles, f"branch {name!r}"):
                    together = combined(recipe, features)
                    z[name] = z_of(name, self.machine_data.branch(name), fold, scale, together, self.parts.plugins)
        return z

    def _features(self, audio: OnnxValue, troubles: list[str]) -> Features:
        """Write views and encoders, those that branches of the system need."""
        needed = {folder for name in self.branches for folder in _folders(self.parts.recipes[name])}
        features: Features = {}
        for request in self.parts.requests:
            outputs = tuple(output for output in request.outputs if output.folder in needed)
            users = [
                name
                for name in self.branches
                if _folders(self.parts.recipes[name]) & {output.folder for output in outputs}
            ]
            if outputs:
                with _noting(troubles, f"branch {', '.join(map(repr, users))}"):
                    features |= features_of(audio, request, outputs, self.sample_rate, self.parts.plugins)
        return features

    def _named(self, graph: OnnxGraph, value: OnnxValue, name: str, kind: int, length: int) -> Any:
        """Give an output its name."""
        from onnx import helper

        graph.nodes.append(helper.make_node("Identity", [value.name], [name]))
        return helper.make_tensor_value_info(name, kind, [length])


class _noting:  # noqa: N801
    """Note a NotInOnnxError raised inside, with where it happened, and go on."""

    def __init__(self, troubles: list[str], where: str) -> None:
        self._troubles, self._where = troubles, where

    def __enter__(self) -> None: ...

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, NotInOnnxError):
            self._troubles.append(f"{self._where}: {error}")
        return isinstance(error, NotInOnnxError)


def _folders(recipe: Recipe) -> set[Path]:
    return {folder for terms in recipe for folder, _ in terms}


def _session(model: Any) -> Any:
    """Return a session that computes in one thread, as the detector does."""
    from onnxruntime import InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    try:
        return InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its exceptions have no base of their own
        raise NotInOnnxError(f"Nothing was written, for onnxruntime does not run the file: {error}") from error


def _describe(model: Any, detector: Detector, written: _Written, parity: Parity) -> None:
    """Write into the file what it is."""
    from onnx import helper

    about = {
        "asdcore": __version__,
        "manifest_sha256": detector.manifest_sha256,
        "portfolio": detector.name,
        "machine": written.machine_data.machine,
        "section": written.machine_data.section,
        "system": written.system,
        "channels": str(written.machine_data.channels),
        "sample_rate": str(written.sample_rate),
        "shortest_samples": str(written.shortest_samples),
        "threshold": repr(written.machine_data.threshold(written.system)),
        "branches": json.dumps(written.branches),
        "parity": json.dumps(parity.as_json()),
    }
    helper.set_model_props(model, about)
