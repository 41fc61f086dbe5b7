"""Trains encoders on train normals, each once: what one has learnt is kept in the store, and found there ever after.

    STORE/trained/<recipe>.safetensors          what an encoder has learnt
    STORE/trained/<recipe>.epoch.safetensors    a training under way, after its last finished epoch
    STORE/waveforms/                            the sound of train clips, while trainings need it

A training gets train normals alone, computes on one thread, and is kept after every epoch: any number of workers gives
the same bits, and so does a training that was killed and goes on. A process that finds another at the same training
waits for it.
"""

from __future__ import annotations

import inspect
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from asdcore.compute.code_in_use import check_loaded, check_unchanged
from asdcore.compute.encoding import encoding
from asdcore.compute.encoding.built_encoders import build_encoder, restored_encoder
from asdcore.compute.encoding.long_clips import refused_by, waveform_in_blocks
from asdcore.compute.encoding.requests import Output, Request
from asdcore.compute.kernels import processor
from asdcore.compute.threads import single_threaded
from asdcore.compute.training.relayed_progress import relayed
from asdcore.compute.training.resumable_training import ResumableTraining
from asdcore.compute.training.waveforms import WaveformSet
from asdcore.contract.plugins import installed
from asdcore.contract.tokens import is_exact
from asdcore.contract.train_clips import ListedClips, Waveform
from asdcore.data.recordings.audio import decode, is_long
from asdcore.errors import DataError, PluginError, StoreError, blamed, located, warned
from asdcore.portfolio.trained_state import KIND, learnt_digest, read_trained
from asdcore.progress import doing
from asdcore.stages.training.train_jobs import TRAINING_CODE, TrainClip, TrainJob, plan, together
from asdcore.store.disk.atomic import disk_trouble, write_bytes
from asdcore.store.disk.file_locks import take
from asdcore.store.fitted_state import pack, unpack

__all__ = [
    "HearJob",
    "TrainJob",
    "forget_waveforms",
    "hear",
    "lacking",
    "plan",
    "record",
    "together",
    "train",
    "try_out",
]

CHUNK = 64
"""Clips whose waveforms lie in one file."""

AT_ONCE = 1 << 26
"""Bytes of waveforms from which on they are written: a chunk of clips of 10 s has fewer."""

TRIED_SECONDS = 60.0
"""What is heard of a train clip to see that a trained encoder is brought back to the same bits."""

TRIES = 5
"""How often waveforms are made again that another run has removed meanwhile."""


@dataclass(frozen=True)
class HearJob:
    """The waveforms of train clips, by one view at one sample rate."""

    clips: tuple[TrainClip, ...]
    view: str
    view_parameters: str
    sample_rate: int
    folder: Path


def try_out(jobs: Sequence[TrainJob]) -> list[HearJob]:
    """Build the encoder of every job and check that it fits; returns the waveforms that trainings need, by folder.

    Raises PluginError for an encoder that does not keep the contract, PortfolioError for a layer that it lacks,
    DataError for a train clip that it could not encode once it is trained, because it is too long.
    """
    hearings: dict[Path, HearJob] = {}
    clips: dict[Path, dict[str, TrainClip]] = {}
    kinds: dict[tuple[object, ...], list[TrainJob]] = {}
    for job in jobs:
        kind = (job.view, job.view_parameters, job.encoder, job.encoder_parameters, job.layers, job.device)
        kinds.setdefault(kind, []).append(job)
    for alike in kinds.values():
        sample_rate = _checked(alike)
        for job in alike:
            folder = job.waveforms_at(sample_rate)
            hearings[folder] = HearJob((), job.view, job.view_parameters, sample_rate, folder)
            clips.setdefault(folder, {}).update({clip.sha256: clip for clip in job.clips})
    return [replace(hearing, clips=tuple(clips[folder].values())) for folder, hearing in hearings.items()]


def lacking(job: HearJob) -> list[HearJob]:
    """Return what the store lacks of some waveforms, in chunks."""
    held = WaveformSet(job.folder).held()
    clips = tuple({clip.sha256: clip for clip in job.clips if clip.sha256 not in held}.values())
    return [replace(job, clips=clips[i : i + CHUNK]) for i in range(0, len(clips), CHUNK)]


def _checked(jobs: Sequence[TrainJob]) -> int:
    """Return the sample rate of the encoder of some jobs, once it fits the portfolio, the contract and their clips."""
    job = jobs[0]
    with located(job.where), blamed("encoder", job.encoder):
        encoder = build_encoder(job.encoder, job.encoder_parameters, job.device)
        outputs = tuple(Output(layer, "", "", Path()) for layer in job.layers)
        request = Request(job.view, job.view_parameters, job.encoder, job.encoder_parameters, outputs)
        encoding.check_request(request, encoder)
        if lacking := [name for name in ("fit", "state", "restore") if not callable(getattr(encoder, name, None))]:
            raise PluginError(f"encoder {job.encoder!r} is trainable, but has no {', '.join(lacking)}.")
        scope, expected = getattr(encoder, "scope", None), "machine" if job.machine else "all"
        if scope != expected:
            raise PluginError(
                f"encoder {job.encoder!r} was announced with scope {expected!r}, and is built with {scope!r}."
            )
    for clip in _extremes([clip for each in jobs for clip in each.clips]):
        if why := refused_by(request, encoder, clip):
            raise DataError(f"{clip.path} {why}")
    return int(encoder.sample_rate)


def _extremes(clips: Sequence[TrainClip]) -> list[TrainClip]:
    """Return the longest of some clips, and the largest."""
    longest = max(clips, key=lambda clip: clip.n_samples / clip.sample_rate)
    return [longest, max(clips, key=lambda clip: clip.n_samples * clip.channels)]


def hear(job: HearJob) -> int:
    """Decode, view and resample a chunk of train clips, and keep them; returns how many."""
    kept = WaveformSet(job.folder)
    heard: dict[str, Waveform] = {}
    for clip in job.clips:
        if is_long(clip.path) and encoding.view_reads_blocks(job.view, job.view_parameters):
            key = job.view, job.view_parameters, job.sample_rate
            with single_threaded(), waveform_in_blocks(clip.path, clip.sha256, key, job.folder.parent) as waveform:
                kept.write({clip.sha256: waveform})
            continue
        heard[clip.sha256] = _waveform(clip, job)
        if sum(waveform.nbytes for waveform in heard.values()) >= AT_ONCE:
            kept.write(heard)
            heard = {}
    if heard:
        kept.write(heard)
    return len(job.clips)


def _waveform(clip: TrainClip, job: HearJob) -> Waveform:
    audio, rate = decode(clip.path, clip.sha256)
    with located(str(clip.path)), single_threaded():
        return encoding.resampled(encoding.waveform(job.view, job.view_parameters, audio, rate), rate, job.sample_rate)


def forget_waveforms(jobs: Sequence[HearJob]) -> None:
    """Remove the waveforms of train clips: all trainings are done."""
    for folder in {job.folder for job in jobs}:
        shutil.rmtree(folder, ignore_errors=True)


def train(job: TrainJob) -> Path:
    """Train one network and keep what it has learnt, unless the store has it; returns the path of its state."""
    with relayed(job.relay), located(job.where), warned(job.where), _alone(job.path):
        if job.path.exists():
            read_trained(job.path)
            return job.path
        with single_threaded(), blamed("encoder", job.encoder):
            check_loaded(job.code, job.uses, TRAINING_CODE, installed())
            _train(job)
    return job.path


def _train(job: TrainJob) -> None:
    encoder = build_encoder(job.encoder, job.encoder_parameters, job.device)
    sound = _sound(job, int(encoder.sample_rate))
    clips = ListedClips.of(
        [clip.about for clip in job.clips], [sound[clip.sha256] for clip in job.clips], encoder.sample_rate
    )
    training = ResumableTraining(job.path.with_suffix(".epoch.safetensors"), job.where, job.device, job.networks)
    given = {"training": training} if "training" in inspect.signature(encoder.fit).parameters else {}
    fitted = encoder.fit(clips, job.seed, **given)
    if type(fitted) is not type(encoder):
        raise PluginError(f"encoder {job.encoder!r}: fit returned a {type(fitted).__name__}; let it return self.")
    state = fitted.state()
    about = {
        "kind": KIND,
        "name": job.encoder,
        "recipe": job.path.stem,
        "machine": job.machine,
        "clips": len(job.clips),
        "state_sha256": learnt_digest(state),
        "notes": list(training.notes),
        "processor": processor(),
    }
    content = pack({"state": state, "losses": training.curve}, about)
    _check_restores(job, fitted, content, clips)
    check_unchanged(job.uses, installed())
    write_bytes(job.path, content)
    training.remove()


def _check_restores(job: TrainJob, fitted: Any, content: bytes, clips: ListedClips) -> None:
    """Raise PluginError unless an encoder that is brought back encodes a train clip to the same bits."""
    learnt = unpack(content, "memory, before anything was written").state["state"]
    back = restored_encoder(job.encoder, job.encoder_parameters, job.device, learnt)
    layers = list(fitted.layers)
    audio = clips.audio(0)[..., : round(TRIED_SECONDS * clips.sample_rate)]
    then, now = (encoder.encode(audio[None].copy(), layers) for encoder in (fitted, back))
    for layer in layers:
        pairs = [encoding.tokens_of_clip(tokens, layer, exact=is_exact(back)) for tokens in (then, now)]
        if any(_bits(before) != _bits(after) for before, after in zip(*pairs, strict=True)):
            raise PluginError(
                f"encoder {job.encoder!r}, brought back from its state, gives a train clip other tokens of layer "
                f"{layer!r} than when it was trained. Its state lacks something, or rounds it. 'asdcore check-plugin "
                f"{job.encoder}' shows it (restores_exactly)."
            )


def _bits(values: Any) -> bytes:
    return b"" if values is None else values.tobytes()


def _sound(job: TrainJob, sample_rate: int) -> dict[str, Waveform]:
    """Map the waveforms of a job's clips; those that are missing are made first."""
    needed = HearJob(job.clips, job.view, job.view_parameters, sample_rate, job.waveforms_at(sample_rate))
    digests = [clip.sha256 for clip in job.clips]
    for _ in range(TRIES):
        mapped = WaveformSet(needed.folder).map(digests)
        if mapped.keys() >= set(digests):
            return mapped
        for chunk in lacking(needed):
            hear(chunk)
    raise StoreError(
        f"Other runs keep removing {needed.folder}. Run again when they are done, or choose another --store."
    )


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Hold a training for this process; if another holds it, wait until it is done or killed."""
    lock_path = path.with_suffix(".lock")
    with disk_trouble(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        while (lock := take(lock_path)) is None:
            doing("another process is at this training: waiting for it")
            time.sleep(0.5)
    try:
        yield
    finally:
        lock.remove()
        lock.release()


def record(jobs: Sequence[TrainJob], root: Path) -> list[dict[str, Any]]:
    """Return ``trained`` of ``run.json``: what every job has learnt. Raises StoreError if a state is damaged."""
    rows = []
    for job in jobs:
        about = read_trained(job.path).about
        rows.append(
            {
                "places": sorted(job.places),
                "encoder": job.encoder,
                "machine": job.machine,
                "fold": job.fold,
                "clips": len(job.clips),
                "cells": sorted({(clip.about.machine, clip.about.section) for clip in job.clips}),
                "state": job.path.relative_to(root).as_posix(),
                "sha256": about["state_sha256"],
                "notes": about["notes"],
            }
        )
    return rows
