"""Plan the reading of test clips, once it is sure that imported features, if a branch has such, know all of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from asdcore.compute.encoding.known_recordings import IMPORT, any_knows_recordings, unknown_recordings
from asdcore.contract.plugins import installed
from asdcore.data.recordings.audio import AudioFacts, inspect_audio
from asdcore.errors import DataError
from asdcore.held_out import NONE
from asdcore.pipeline import Work
from asdcore.stages.embedding.embed_jobs import EmbedJob, plan_new


def reading_jobs(work: Work, machines: Mapping[Path, str], facts: Mapping[str, AudioFacts | str]) -> list[EmbedJob]:
    """Return the chunks of work of test clips that have not been read yet.

    Parameters
    ----------
    work : Work
        The inference.
    machines : mapping of Path to str
        {a test clip's file: its machine}.
    facts : mapping of str to AudioFacts or str
        {train clip: its facts, or what is wrong with it}.

    Raises
    ------
    DataError
        If encoders that know recordings by their digests lack any of these clips.
    """
    jobs = plan_new(machines, work.plan.branches, work.store, installed(), work.device, work.networks or NONE)
    requests = [request for job in jobs[:1] for request in job.requests if request.trained is None]
    if not any_knows_recordings(requests, work.device):
        return jobs
    clips = {audio.sha256: clip for clip, audio in facts.items() if isinstance(audio, AudioFacts)}
    clips |= {sha256: path.relative_to(work.root).as_posix() for path in machines if (sha256 := _digest(path))}
    if unknown := unknown_recordings(requests, work.device, clips, f"clips below {work.root}"):
        raise DataError(
            f"{unknown}. The features are frozen, so none can be added to them. Import a table of the frozen and the "
            f"new recordings by their SHA-256, under another name or version ('{IMPORT} --name NAME --version "
            "VERSION'), name that in the portfolio, run and freeze anew; or take these clips away."
        )
    return jobs


def _digest(path: Path) -> str:
    """Return the digest of a clip's file; "" of an unreadable one, which reading tells."""
    try:
        return inspect_audio(path).sha256
    except DataError:
        return ""
