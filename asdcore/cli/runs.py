"""Commands that make and judge runs: demo, run, evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from asdcore.cli.data import synthesize
from asdcore.cli.evidence.ledger import Hypothesis, VerdictOption
from asdcore.cli.evidence.unknown_machine import evaluate_unknown
from asdcore.cli.output import terminal
from asdcore.cli.output.export import AllColumns, Csv, Latex, export_evaluation
from asdcore.cli.output.results import show_evaluation
from asdcore.cli.shared import (
    ClusterAddress,
    Json,
    PortfolioName,
    StoreDir,
    Task,
    Workers,
    print_json,
    print_lines,
    progress,
)
from asdcore.errors import AsdcoreError, PortfolioError

if TYPE_CHECKING:
    from asdcore.portfolio import Portfolio
    from asdcore.runs.folder import Run
    from asdcore.runs.trials import Trials

GIVE = (
    "Give a run folder ('asdcore evaluate RUN'; --unknown-machine takes no --verdict), or score files with "
    "their ground truth and year ('asdcore evaluate --scores DIR --truth DIR --year 2024')."
)
UnknownMachine = Annotated[
    bool, typer.Option("--unknown-machine", help="As if nobody knew which machine a clip is of.")
]
Replicates = Annotated[int, typer.Option(min=0, help="Bootstrap replicates behind the intervals; 0 for none.")]


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the sound and the run.")] = Path("runs/demo"),
    profile: Annotated[str, typer.Option(help="How much sound to make: tiny, demo or full.")] = "demo",
    seed: Annotated[int, typer.Option(min=0, help="Another seed makes other machines.")] = 0,
    store: StoreDir = None,
    workers: Workers = 1,
) -> None:
    """Try every step on synthetic sound.

    Needs no recordings: it synthesizes a dataset, runs the portfolio 'demo' on it, evaluates, freezes and verifies the
    run, and writes a report. Prints the official scores, where all of it lies, and the commands to do the same by hand.

    Example: asdcore demo --profile tiny
    """
    from asdcore.evidence.evaluations.logged_evaluation import evaluate as evaluate_run
    from asdcore.frozen.freeze import freeze
    from asdcore.frozen.verify import verify
    from asdcore.pipeline import run as run_portfolio
    from asdcore.portfolio import find_portfolio
    from asdcore.reporting import report
    from asdcore.reporting.page import missing_libraries
    from asdcore.runs.folder import REPORT_FILE

    root = out / "data" / f"{profile}-{seed}"
    synthesize(root, profile, seed, workers)
    portfolio = find_portfolio("demo")
    shown = progress()
    finished = run_portfolio(
        portfolio, root, out / "run", task="dcase2026", store=store or out / "store", workers=workers, progress=shown
    )
    show_evaluation(evaluate_run(finished))
    manifest = out / f"{profile}-{seed}.json"
    _forget(manifest)
    print_lines(terminal.manifest(freeze(finished, manifest, progress=shown)))
    print_lines(terminal.verification(verify(manifest, progress=shown)))
    missing = missing_libraries()
    page = None if missing else report(finished, out / REPORT_FILE, progress=shown)
    typer.echo(f"\n{missing or f'The report is in {page}: open it in a browser.'}")
    typer.echo(f"The sound is in {root}, the run in {out / 'run'}. Next, the same by hand:")
    typer.echo(f"  asdcore run demo --data {root} --task dcase2026 --out runs/mine")
    typer.echo("  asdcore evaluate runs/mine")
    typer.echo("  asdcore freeze runs/mine --out runs/mine.json")
    typer.echo("  asdcore report runs/mine")


def _forget(manifest: Path) -> None:
    """Remove the manifest of an earlier demo; ManifestError if the file is something else."""
    from asdcore.frozen.manifest.statement import read_manifest

    if manifest.exists():
        read_manifest(manifest)
        manifest.unlink()


def run(
    portfolio: PortfolioName,
    data: Annotated[Path, typer.Option(help="Folder that holds <machine>/{train,test}/.")],
    out: Annotated[Path, typer.Option(help="Run folder to write.")],
    task: Task = None,
    store: StoreDir = None,
    workers: Workers = 1,
    device: Annotated[str | None, typer.Option(help="Where encoders run, such as cpu or cuda.")] = None,
    cluster: ClusterAddress = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="How many runs to make, each with another seed. Default: a single one.")
    ] = None,
    rehash: Annotated[bool, typer.Option("--rehash", help="Read every recording, even if it seems unchanged.")] = False,
    seconds: Annotated[float | None, typer.Option(help="Cut recordings into windows of this length.")] = None,
    hop: Annotated[float | None, typer.Option(help="Seconds from one window to the next. Default: the length.")] = None,
    report: Annotated[bool, typer.Option("--report", help="Write the report, too: report.html below --out.")] = False,
    as_json: Json = False,
) -> None:
    """Run a portfolio on a dataset.

    Reads a portfolio (TOML) and the recordings below --data. Writes a run folder: the clip index and the tables of
    scores, fused scores and decisions. It looks at no label. A stopped run goes on when the command is given again, and
    what the store holds is not computed twice. With --trials, or 'seeds' in the portfolio, it writes one run folder for
    each seed below --out. With --seconds, or 'windows' in the portfolio, the clips are windows of the recordings; what
    is left at the end of each is reported. With --report it also does what 'asdcore report' does.

    Example: asdcore run default --data data --out runs/first
    """
    from asdcore.evidence.labels.truth import tells_labels
    from asdcore.pipeline import run as run_portfolio
    from asdcore.runs.called import called
    from asdcore.runs.folder import Run

    how: dict[str, Any] = {"workers": workers, "device": device, "cluster": cluster, "rehash": rehash}
    plan = portfolio if seconds is None and hop is None else _in_windows(portfolio, seconds, hop)
    how |= {"task": task, "store": store, "trials": trials, "progress": progress()}
    finished: Run | Trials = run_portfolio(plan, data, out, **how)
    first = finished if isinstance(finished, Run) else finished.first
    systems = list(first.about["portfolio"]["systems"])
    page = _report(out) if report else None
    if as_json:
        print_json(_described(finished, first, systems))
        return
    seeds = "" if isinstance(finished, Run) else f", trials with the seeds {', '.join(map(str, finished.seeds))}"
    typer.echo(f"{first.clips.height} clips, systems {', '.join(systems)}{seeds}: {out}")
    print_lines([f"The report is in {page}: open it in a browser."] if page else [])
    labelled = f"Next: asdcore evaluate {out}"
    print_lines([labelled] if tells_labels(first) else [*called(first), *_without_labels(first, out)])


def _without_labels(first: Run, out: Path) -> list[str]:
    """Say what comes next where nobody knows which test clips are faulty, or where there are none."""
    if first.clips.filter(split="test").is_empty():
        return [
            "There are no test clips. Next, to judge recordings by what was learnt:",
            f"  asdcore freeze {first.folder} --out {first.folder}.json",
            f"  asdcore export {first.folder}.json --out {first.folder}.asd",
            f"  asdcore detect {first.folder}.asd FILE.wav",
        ]
    return [f"No labels come with these recordings. Next: asdcore decisions {first.folder}, asdcore report {out}"]


def _report(out: Path) -> Path:
    """Write the report of a run, or of trials."""
    from asdcore.reporting import report as write

    return write(out, progress=progress())


def _in_windows(portfolio: str, seconds: float | None, hop: float | None) -> Portfolio:
    """Return a portfolio with recordings cut into windows of this length; its own length if none is given."""
    from asdcore.portfolio import load_portfolio

    plan = load_portfolio(portfolio)
    if seconds is None and plan.windows is None:
        raise PortfolioError("--hop says how far windows are apart, but not how long they are. Add --seconds.")
    return plan.in_windows(plan.windows.seconds if seconds is None and plan.windows else seconds or 0.0, hop)


def _described(finished: Run | Trials, first: Run, systems: list[str]) -> dict[str, Any]:
    """Return what ``asdcore run --json`` prints."""
    from asdcore.runs.folder import Run

    runs = {} if isinstance(finished, Run) else {str(seed): str(run.folder) for seed, run in finished.runs.items()}
    common = {"folder": str(finished.folder), "clips": first.clips.height, "systems": systems}
    return {**common, "tables": first.about["tables"]} if isinstance(finished, Run) else {**common, "trials": runs}


def _check_columns(all_columns: bool, latex: Path | None) -> None:
    if all_columns and latex is None:
        raise AsdcoreError("--all-columns says what --latex writes: give --latex FILE, too. --csv has every column.")


def evaluate(
    run: Annotated[Path | None, typer.Argument(help="A finished run folder, or one of trials.")] = None,
    scores: Annotated[
        Path | None, typer.Option(help="Folder of anomaly_score_*.csv files, or of one such folder for each system.")
    ] = None,
    truth: Annotated[Path | None, typer.Option(help="Evaluator-style truth folders, or an eval_data_list CSV.")] = None,
    year: Annotated[int | None, typer.Option(help="Challenge year whose rules apply, 2020 to 2026.")] = None,
    replicates: Replicates = 2000,
    hypothesis: Hypothesis = None,
    verdict: VerdictOption = None,
    unknown_machine: UnknownMachine = False,
    as_json: Json = False,
    csv: Csv = None,
    latex: Latex = None,
    all_columns: AllColumns = False,
) -> None:
    """Print official metrics, of a run or of score files.

    Reads a run folder; or a folder of score files, with --truth and --year. Prints AUC, pAUC and official score of
    every system with their intervals, and writes evaluation.json into the run folder. Every call is a look at the
    labels, which the ledger records: see 'asdcore ledger'. With --unknown-machine every clip is scored by the detectors
    of all machines, and beside the metrics it prints which machines are taken for which.

    Example: asdcore evaluate runs/first
    """
    from asdcore.evidence.evaluations.logged_evaluation import evaluate as evaluate_run
    from asdcore.evidence.evaluations.logged_evaluation import evaluate_scores
    from asdcore.evidence.labels.held_back import held_back_note
    from asdcore.runs.trials import opened

    _check_columns(all_columns, latex)
    more: dict[str, Any] = {"replicates": replicates, "hypothesis": hypothesis, "truth": truth, "year": year}
    if unknown_machine and run is not None and scores is None and verdict is None:
        evaluate_unknown(run, as_json=as_json, csv=csv, latex=latex, all_columns=all_columns, **more)
        return
    if run is not None and scores is None and not unknown_machine:
        result = evaluate_run(run, verdict=verdict, **more)
    elif scores is not None and run is None and truth is not None and year is not None:
        result = evaluate_scores(scores, verdict=verdict, **more)
    else:
        raise AsdcoreError(GIVE)
    is_answered = export_evaluation(result, csv, latex, all_columns)
    if as_json:
        print_json(result.as_json())
    elif not is_answered:
        show_evaluation(result)
        print_lines([] if run is None else held_back_note(opened(run)))
        if len(result.systems) > 1 and run is not None:
            typer.echo(f"Which of them really differ: asdcore compare {run}")
