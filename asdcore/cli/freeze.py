"""Commands that make a result final: freeze, verify, infer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asdcore.cli.output import terminal
from asdcore.cli.shared import FAILED, ClusterAddress, Json, Workers, print_json, print_lines, progress
from asdcore.errors import ManifestError

if TYPE_CHECKING:
    from asdcore.runs.folder import Run

Manifest = Annotated[Path, typer.Argument(help="A frozen manifest (.json).")]
Data = Annotated[
    Path | None, typer.Option(help="Where the recordings lie now. Default: the place that the manifest names.")
]
RunDir = Annotated[
    Path | None,
    typer.Option("--run", help="Where the run folder lies now. Default: the place that the manifest names."),
]
Store = Annotated[
    Path | None, typer.Option(help="Where the store of features lies now. Default: as the manifest says.")
]
PublicKey = Annotated[
    Path | None, typer.Option("--key", help="Public key (PEM) to check the manifest's signature with.")
]


@contextmanager
def failing() -> Iterator[None]:
    """Exit with 1 if a manifest does not fit. Wrong use exits with 2, as everywhere."""
    from asdcore.frozen.manifest.statement import NothingToCheckError

    try:
        yield
    except NothingToCheckError:
        raise
    except ManifestError as error:
        typer.echo(f"Error: {error}", err=True)
        raise typer.Exit(FAILED) from None


def freeze(
    run: Annotated[Path, typer.Argument(help="A finished run folder.")],
    out: Annotated[Path, typer.Option(help="Manifest to write (.json).")],
    sign: Annotated[
        Path | None, typer.Option(help="Private key (PEM, elliptic curve) to sign the manifest with.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="When it was frozen, to write down. Default: $SOURCE_DATE_EPOCH, else now.")
    ] = None,
    prove: Annotated[
        bool,
        typer.Option(
            help="First run it again in fresh processes, with the names of test clips exchanged and with either half "
            "of them; freeze only if every score is the same."
        ),
    ] = False,
    workers: Workers = 1,
) -> None:
    """Pin all that a run's results depend on.

    Reads a run folder. Writes a manifest (JSON) with digests of audio, checkpoints, plugins, portfolio, features,
    tables and code, and the versions of the environment.

    Example: asdcore freeze runs/first --out first.json
    """
    from asdcore.frozen.freeze import freeze as freeze_run
    from asdcore.frozen.manifest.signing import check_private_key
    from asdcore.frozen.manifest.signing import sign as sign_manifest

    if sign is not None:
        check_private_key(sign)
    if prove:
        _check_same(run, out, workers)
    manifest = freeze_run(run, out, time=time, progress=progress())
    signature = sign_manifest(manifest.path, sign) if sign is not None else None
    print_lines(terminal.manifest(manifest))
    if signature is not None:
        typer.echo(f"Signed: {signature}")
    typer.echo(f"Next: asdcore verify {out}")


def _check_same(run: Path, out: Path, workers: int) -> None:
    """Exit with 1 if a run gives other scores when it is run again."""
    from asdcore.frozen.manifest.destination import check_place
    from asdcore.frozen.rerun.rerun_renamed import check_same
    from asdcore.runs.folder import load_run
    from asdcore.store.digests.digest import recipe_digest

    done = load_run(run)
    # What will not be frozen anyway is said before the long work.
    check_place(out, recipe_digest(done.meaning))
    with failing():
        ways = check_same(done, workers=workers, progress=progress())
    typer.echo(f"Run again in {ways} other ways, with the same scores to the last bit.")


def verify(
    manifest: Manifest,
    recompute: Annotated[bool, typer.Option(help="Build every table anew from the recordings, and compare.")] = False,
    retrain: Annotated[bool, typer.Option(help="Recompute, and train encoders anew, too.")] = False,
    trust_mtime: Annotated[
        bool, typer.Option(help="Do not read files again whose size and times are as when last verified.")
    ] = False,
    key: PublicKey = None,
    data: Data = None,
    run: RunDir = None,
    store: Store = None,
    workers: Workers = 1,
    cluster: ClusterAddress = None,
    as_json: Json = False,
) -> None:
    """Compare what is here with a manifest.

    Reads a manifest and all that it pins. Prints every difference at once and the results that it reaches. On another
    processor it also computes a sample again. Exits with 1 if anything differs.

    Example: asdcore verify first.json --recompute
    """
    from asdcore.frozen.verify import verify as verify_manifest

    with failing():
        result = verify_manifest(
            manifest,
            data=data,
            run=run,
            store=store,
            recompute=recompute,
            retrain=retrain,
            trust_mtime=trust_mtime,
            public_key=key,
            workers=workers,
            cluster=cluster,
            progress=progress(),
        )
    if as_json:
        print_json(result.as_json())
    else:
        print_lines(terminal.verification(result))
    if not result.passed:
        raise typer.Exit(FAILED)


def infer(
    manifest: Manifest,
    data: Annotated[Path, typer.Option(help="Evaluation recordings: <machine>/test/, and train/ for new machines.")],
    out: Annotated[Path, typer.Option(help="Folder for scores, decisions and submission files.")],
    key: PublicKey = None,
    frozen_data: Annotated[Path | None, typer.Option(help="Where the frozen recordings lie now.")] = None,
    run: RunDir = None,
    store: Store = None,
    workers: Workers = 1,
    cluster: ClusterAddress = None,
    skip_unreadable: Annotated[
        bool, typer.Option("--skip-unreadable", help="Leave out unreadable recordings; exits with 1 if there are any.")
    ] = False,
) -> None:
    """Score evaluation recordings once, from a manifest.

    Reads a manifest and the recordings below --data. Verifies first, and refuses on any difference. Writes a run folder
    with scores and decisions, as tables and as CSV. Nothing is fitted on test clips, and a clip is scored as if it were
    alone.

    Example: asdcore infer first.json --data evaluation --out runs/final
    """
    from asdcore.frozen.infer import infer as infer_manifest

    with failing():
        finished = infer_manifest(
            manifest,
            data,
            out,
            public_key=key,
            frozen_data=frozen_data,
            run=run,
            store=store,
            workers=workers,
            cluster=cluster,
            skip_unreadable=skip_unreadable,
            progress=progress(),
        )
    _show_inference(finished, out)


def _show_inference(finished: Run, out: Path) -> None:
    """Say what was scored, where it lies and what comes next; exit with 1 if a recording was left out."""
    systems = ", ".join(finished.about["portfolio"]["systems"])
    scored = finished.clips.filter(split="test").height
    typer.echo(f"{scored} clip{'s' * (scored != 1)} scored by {systems}: {out}")
    typer.echo(f"Scores and decisions as CSV: {out}/scores. What thresholds promise: asdcore decisions {out}")
    if finished.about["year"]:
        typer.echo(f"For a challenge submission: asdcore package {out} --label <Name>_<Institute>")
    if skipped := finished.about.get("skipped"):
        typer.echo(f"Left out as unreadable: {', '.join(skipped)}", err=True)
        raise typer.Exit(FAILED)
