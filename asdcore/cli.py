"""The ``asdcore`` command. Each command is one function of the Python API, with the same words.

Results go to stdout, progress and messages to stderr. Exit codes: 0 done, 1 a check failed, 2 wrong use or bad input.
Everything heavy is imported inside a command, so that ``asdcore --help`` answers at once.
"""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from asdcore import text
from asdcore.errors import AsdcoreError, DatasetError, did_you_mean

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Score machine sounds for anomaly, and make the scores trustworthy.",
    epilog="Start with 'asdcore demo'. Every command has its own --help.",
)
data_app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make and list datasets.")
app.add_typer(data_app, name="data")

FAILED, MISUSED, INTERRUPTED = 1, 2, 130

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
Task = Annotated[
    str | None, typer.Option(help="Dataset reader, such as dcase2026. Without it the grammar is detected.")
]
StoreDir = Annotated[Path | None, typer.Option(help="Folder of cached artifacts. Default: a per-user cache folder.")]
Workers = Annotated[int, typer.Option(min=1, help="Local processes. 1 works in this process.")]


@app.callback(invoke_without_command=True)
def options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Score machine sounds for anomaly, and make the scores trustworthy."""
    if version:
        from asdcore import __version__

        typer.echo(__version__)
        raise typer.Exit


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for the sound and the run.")] = Path("runs/demo"),
    profile: Annotated[str, typer.Option(help="How much sound to make: tiny, demo or full.")] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other machines.")] = 0,
    store: StoreDir = None,
    workers: Workers = 1,
) -> None:
    """Make sound, run the default portfolio, evaluate."""
    from asdcore.pipeline import evaluate as evaluate_run
    from asdcore.pipeline import run as run_portfolio
    from asdcore.portfolio import find_portfolio

    root = out / "data" / f"{profile}-{seed}"
    _synthesize(root, profile, seed, workers)
    portfolio = find_portfolio("demo")
    progress = _progress()
    finished = run_portfolio(
        portfolio, root, out / "run", task="dcase2026", store=store or out / "store", workers=workers, progress=progress
    )
    _print_lines(text.evaluation(evaluate_run(finished)))
    typer.echo(f"\nThe sound is in {root}, the run in {out / 'run'}. Next, the same by hand:")
    typer.echo(f"  asdcore run {portfolio} --data {root} --task dcase2026 --out runs/mine")
    typer.echo("  asdcore evaluate runs/mine")


@app.command()
def run(
    portfolio: Annotated[str, typer.Argument(help="Path of a portfolio, or the name of a shipped one.")],
    data: Annotated[Path, typer.Option(help="Folder that holds <machine>/{train,test}/.")],
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    task: Task = None,
    store: StoreDir = None,
    workers: Workers = 1,
    device: Annotated[str | None, typer.Option(help="Where encoders run, such as cpu or cuda.")] = None,
) -> None:
    """Run a portfolio on a dataset.

    It resumes where it was stopped; a second run reads what the store holds.
    """
    from asdcore.pipeline import run as run_portfolio

    finished = run_portfolio(
        portfolio, data, out, task=task, store=store, workers=workers, device=device, progress=_progress()
    )
    n = finished.clips.height
    typer.echo(f"{n} clips, systems {', '.join(finished.about['portfolio']['systems'])}: {out}")
    typer.echo(f"Next: asdcore evaluate {out}")


@app.command()
def evaluate(
    run: Annotated[Path | None, typer.Argument(help="A finished run folder.")] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Folder of anomaly_score_*.csv, or of one folder a system.")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Evaluator-style truth folders, or an eval_data_list CSV.")] = None,
    year: Annotated[int | None, typer.Option(help="Challenge year whose rules apply, 2020 to 2026.")] = None,
    as_json: Json = False,
) -> None:
    """Print official metrics, of a run or of score files."""
    from asdcore.pipeline import evaluate as evaluate_run
    from asdcore.pipeline import evaluate_scores

    if run is not None and scores is None:
        result = evaluate_run(run, truth=truth, year=year)
    elif scores is not None and run is None and truth is not None and year is not None:
        result = evaluate_scores(scores, truth, year)
    else:
        raise AsdcoreError(
            "Give a run folder ('asdcore evaluate RUN'), or score files with their ground truth and year "
            "('asdcore evaluate --scores DIR --truth DIR --year 2024')."
        )
    if as_json:
        _print_json(result.as_json())
    else:
        _print_lines(text.evaluation(result))


@app.command()
def plugins(as_json: Json = False) -> None:
    """List plugins and what they offer."""
    from asdcore.contract.interfaces import KINDS
    from asdcore.contract.plugins import installed

    known = installed()
    rows = [
        {
            "kind": component.kind,
            "name": component.name,
            "plugin": component.plugin,
            "distribution": component.distribution,
            "version": component.version,
            "source_sha256": component.source_digest,
        }
        for kind in KINDS
        for component in known.components(kind).values()
    ]
    if as_json:
        _print_json({"components": rows, "hooks": known.hooks})
        return
    columns = ("kind", "name", "plugin", "distribution", "version", "source_sha256")
    _print_lines(text.table([{**row, "source_sha256": str(row["source_sha256"])[:12]} for row in rows], columns))


@app.command("new-plugin")
def new_plugin(
    kind: Annotated[str, typer.Argument(help="dataset, view, encoder, scorer, normalizer or guard.")],
    name: Annotated[str, typer.Argument(help="Its name in portfolios: letters, digits and underscores.")],
    folder: Annotated[Path, typer.Option(help="Where to write the new distribution.")] = Path(),
) -> None:
    """Write a new plugin, with tests that pass."""
    from asdcore.scaffold import new_plugin as write_plugin

    path = write_plugin(kind, name, folder)
    typer.echo(f"Wrote {path}. Next:")
    typer.echo(f"  pip install --no-build-isolation -e {path}\n  asdcore check-plugin {name.replace('-', '_')}")


@app.command("check-plugin")
def check_plugin(
    name: Annotated[str, typer.Argument(help="Name of an installed component.")],
    kind: Annotated[str | None, typer.Option(help="Its kind, where several have this name.")] = None,
    data: Annotated[Path | None, typer.Option(help="Dataset to check a dataset reader on.")] = None,
    as_json: Json = False,
) -> None:
    """Run the conformance checks on a plugin.

    Exits with 1 where one fails.
    """
    from asdcore.testing import check_installed

    results = check_installed(name, kind, data)
    if as_json:
        _print_json({"checks": [vars(result) for result in results]})
    else:
        for result in results:
            typer.echo(f"{'passed' if result.passed else 'FAILED'}  {result.name}")
            if not result.passed:
                typer.echo("        " + result.message.replace("\n", "\n        "))
        failed = sum(not result.passed for result in results)
        typer.echo(f"{len(results) - failed} passed, {failed} failed")
    if not all(result.passed for result in results):
        raise typer.Exit(FAILED)


@data_app.command("synth")
def synth(
    root: Annotated[Path, typer.Argument(help="New folder for the dataset.")],
    profile: Annotated[str, typer.Option(help="How much to make: tiny, demo or full.")] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other machines.")] = 0,
    workers: Workers = 1,
) -> None:
    """Make two-channel machine sound.

    It comes in the DCASE 2026 layout; the same seed gives the same bytes, with any number of workers.
    """
    _synthesize(root, profile, seed, workers)
    typer.echo(f"Next: asdcore run demo --data {root} --task dcase2026 --out runs/mine")


@data_app.command("index")
def index(
    root: Annotated[Path, typer.Argument(help="Folder that holds <machine>/{train,test}/.")],
    task: Task = None,
    as_json: Json = False,
) -> None:
    """List what a dataset holds, and what is wrong.

    Exits with 1 where something is wrong. Columns source and target count the clips whose domain is known: test clips'
    never is.
    """
    from asdcore.contract.plugins import installed
    from asdcore.data.clips import count_clips
    from asdcore.portfolio import DEFAULT_TASK

    problems: list[str] = []
    try:
        clips = installed().build("dataset", task or DEFAULT_TASK, {}).clips(root)
    except DatasetError as error:
        if error.clips is None or error.clips.is_empty():
            raise
        clips, problems = error.clips, error.problems
    machines = count_clips(clips)
    if as_json:
        _print_json({"machines": machines, "problems": problems})
    else:
        _print_lines(text.table(machines, ("machine", "section", "split", "clips", "source", "target")))
        for problem in problems:
            typer.echo(f"problem: {problem}")
    if problems:
        raise typer.Exit(FAILED)


def main() -> None:
    """Run the command line; a user's mistake ends in one message and exit code 2."""
    arguments = sys.argv[1:]
    # Taken out here, so that it may stand anywhere: whoever wants a trace has just seen a command fail.
    debug = "--debug" in arguments
    signal.signal(signal.SIGINT, _stop)
    try:
        app([one for one in arguments if one != "--debug"])
    except AsdcoreError as error:
        if debug:
            raise
        typer.echo(f"Error: {error}", err=True)
        sys.exit(MISUSED)


def _stop(*_: object) -> None:
    typer.echo("Stopped. What was computed is kept: the same command goes on from there.", err=True)
    sys.exit(INTERRUPTED)


def _progress() -> Any:
    from asdcore.progress import for_stderr

    return for_stderr()


def _synthesize(root: Path, profile: str, seed: int, workers: int) -> None:
    from asdcore.data.synth import PROFILES, clip_count, synthesize

    if profile not in PROFILES:
        raise AsdcoreError(f"There is no profile {profile!r}. {did_you_mean(profile, PROFILES)}")
    with _progress().stage("synth", clip_count(profile)) as advance:
        synthesize(root, profile, seed, workers, lambda: advance(1))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, ensure_ascii=False, allow_nan=False))


def _print_lines(lines: list[str]) -> None:
    for line in lines:
        typer.echo(line)
