"""The schema of ``run.json``: every key that is read anywhere, and its type.

A seal shows that asdcore wrote the file, not that it holds what a run writes.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from asdcore.errors import StoreError
from asdcore.store.digests.canonical import canonical_json

Text = Annotated[str, Field(min_length=1)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Decibels = Annotated[float, Field(allow_inf_nan=False)]


def _is_path(value: str) -> str:
    if "\0" in value:
        raise ValueError("a path must not hold a zero byte")
    return value


Place = Annotated[Text, AfterValidator(_is_path)]


class _Strict(BaseModel):
    """Types are not converted; further keys are allowed."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Origin(_Strict):
    """Where one component of the run comes from."""

    kind: Text
    name: Text
    plugin: Text
    distribution: Text
    version: str
    source_sha256: str


class _Range(_Strict):
    """The train normals of one domain, in how many groups, and how far around a clip others were left out with it."""

    clips: int
    groups: int
    range: int = 0


class _HeldOut(_Strict):
    """How the train normals of one machine and section were scored out of fold."""

    machine: Text
    section: str
    by: Text
    branches: dict[str, str]
    domains: dict[str, _Range]


class Levels(_Strict):
    """The levels of the train normals of one machine and section, in dB of full scale."""

    machine: Text
    section: str
    clips: Annotated[int, Field(ge=1)]
    softest: Decibels
    loudest: Decibels


class _Manifest(_Strict):
    """The manifest of an inference."""

    name: Text
    sha256: Sha256 = ""


class _Named(_Strict):
    name: Text


class _Branch(_Strict):
    """A branch as a run spells it out: every component is a table, never just a name."""

    encoder: _Named
    scorer: _Named
    normalizer: _Named


class _Portfolio(_Strict):
    name: Text
    branches: dict[Text, _Branch] = Field(min_length=1)
    systems: dict[Text, dict[str, Any]] = Field(min_length=1)


class _Record(_Strict):
    """The keys of every run, then those that a run may lack; reading a missing key raises, see :class:`RunRecord`."""

    portfolio: _Portfolio
    task: Text
    year: int
    data: Place
    store: Place
    tables: dict[str, Sha256]
    asdcore: Text | None = None
    portfolio_digest: Sha256 | None = None
    device: Text | None = None
    data_digest: Sha256 | None = None
    code_sha256: Sha256 | None = None
    digest_algorithm: Text | None = None
    features: dict[str, Sha256] | None = None
    plugins: list[_Origin] | None = None
    libraries: dict[str, str] | None = None
    seconds: dict[str, Seconds] | None = None
    notes: list[str] | None = None
    inputs: dict[str, str] | None = None
    out_of_fold: list[_HeldOut] | None = None
    levels: list[Levels] | None = None
    manifest: _Manifest | None = None


class RunRecord(dict[str, Any]):
    """A record as a dictionary that raises StoreError for a missing key."""

    def __missing__(self, key: str) -> Any:
        """Say what is missing."""
        raise StoreError(f"The run's record lacks {key}. Run the portfolio again into the run's folder.")


def check_record(about: Any, schema: int, tables: set[str]) -> None:
    """Raise ValueError with the first problem unless ``about`` is the record of a run."""
    if not isinstance(about, dict):
        raise ValueError("it is not a table of keys")
    if about.get("schema") != schema:
        raise ValueError(f"its schema is {about.get('schema')}, this asdcore reads {schema}")
    try:
        _Record.model_validate(about)
    except ValidationError as error:
        raise ValueError(_explain(error.errors()[0])) from None
    if set(about["tables"]) != tables:
        raise ValueError(f"tables names {', '.join(sorted(about['tables']))}")
    if nothing := next((key for key in _Record.model_fields if key in about and about[key] is None), None):
        raise ValueError(f"{nothing} is None")
    if "features" in about and set(about["features"]) != set(about["portfolio"]["branches"]):
        raise ValueError(f"features names {', '.join(sorted(about['features']))}: not the portfolio's branches")
    canonical_json(about)


def _explain(error: Any) -> str:
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "missing":
        return f"it lacks {where}"
    value = repr(error["input"])
    return f"{where} is {value if len(value) < 80 else value[:80] + '...'}"
