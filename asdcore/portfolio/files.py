"""Finds and reads portfolio files, and explains their mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from asdcore.basics.parse import parse_json, parse_toml
from asdcore.errors import PortfolioError, did_you_mean, located
from asdcore.portfolio.model import Portfolio
from asdcore.portfolio.schema import Branch, Decision, OutOfFold, System
from asdcore.portfolio.windows import Windows


def load_portfolio(source: str | Path) -> Portfolio:
    """Read a portfolio and check it in full, its components included.

    Parameters
    ----------
    source : str or pathlib.Path
        The path of a TOML file or of a run's ``portfolio.json``, or the name of a portfolio that comes with asdcore.

    Returns
    -------
    Portfolio
        Frozen, with every default filled in.

    Raises
    ------
    PortfolioError
        If there is no such portfolio, the file cannot be read, or its content is wrong. The message lists every
        mistake: the key, what it got, and what it accepts.

    Examples
    --------
    >>> portfolio = asdcore.load_portfolio("demo")
    >>> sorted(portfolio.systems)
    ['fused', 'guarded', 'plain']
    >>> portfolio.branches["near_knn"].scorer.name
    'knn'

    """
    path = find_portfolio(source)
    try:
        text = path.read_text(encoding="utf-8")
        values = parse_json(text) if path.suffix == ".json" else parse_toml(text)
    except ValueError as error:
        raise PortfolioError(f"{path} is not {'JSON' if path.suffix == '.json' else 'TOML'}: {error}") from error
    except OSError as error:
        raise PortfolioError(f"Cannot read {path}: {error.strerror}.") from error
    with located(str(path)):
        portfolio = parse_portfolio(values)
        portfolio.check_components()
        return portfolio


def parse_portfolio(values: dict[str, Any]) -> Portfolio:
    """Make a portfolio from the content of a TOML file; raises PortfolioError with every mistake in it."""
    try:
        return Portfolio.model_validate(values)
    except ValidationError as error:
        lines = [_explain(mistake) for mistake in error.errors()]
        raise PortfolioError("\n  - ".join(["this portfolio cannot be run:", *lines])) from None


def find_portfolio(source: str | Path) -> Path:
    """Return the path of a portfolio given by path or by the name of a shipped one."""
    path = Path(source)
    if path.is_file():
        return path
    shipped = shipped_portfolios()
    if str(source) in shipped:
        return shipped[str(source)]
    raise PortfolioError(
        f"There is no portfolio {str(source)!r}: give the path of a .toml file, or the name of a shipped one. "
        f"{did_you_mean(path.stem, shipped)}"
    )


def shipped_portfolios() -> dict[str, Path]:
    """Return {name: path} of the portfolios that come with asdcore; one in a subfolder is named ``folder/name``."""
    package = Path(__file__).parents[1]
    # A wheel carries them inside the package; in a checkout they are the folder beside it.
    for folder in (package / "manifests", package.parent / "manifests"):
        if folder.is_dir():
            paths = sorted(folder.rglob("*.toml"))
            return {path.relative_to(folder).with_suffix("").as_posix(): path for path in paths}
    return {}


def _explain(error: Any) -> str:
    """Return a mistake that pydantic reports as one line: the key, what it got, what it accepts."""
    where = ".".join(str(part) for part in error["loc"]) or "portfolio"
    if error["type"] == "extra_forbidden":
        parent, key = error["loc"][:-1], str(error["loc"][-1])
        return f"{where}: no such key. {did_you_mean(key, _keys(parent))}"
    if error["type"] == "missing":
        return f"{where}: this key is needed."
    message = error["msg"].removeprefix("Value error, ")
    if error["type"] == "value_error":
        return message if not error["loc"] else f"{where}: {message}"
    return f"{where}: {message}, got {error['input']!r}."


def _keys(parent: tuple[Any, ...]) -> list[str]:
    """Return the keys that a table of the portfolio accepts."""
    models: dict[str, type[BaseModel]] = {"branches": Branch, "systems": System, "decision": Decision}
    models |= {"out_of_fold": OutOfFold, "windows": Windows}
    model = models.get(str(parent[0]), Portfolio) if parent else Portfolio
    return list(model.model_fields)
