"""The schema of a registry entry: one TOML file for each checkpoint or dataset, named by its id.

An entry without a hash says so: every file carries its evidence, which begins with where its hash comes from.

    computed:   the file was hashed by whoever wrote the entry
    published:  by the publisher itself: a Git LFS pointer, the MD5 that Zenodo shows
    reported:   by others, in public code or documents
    unknown:    there is no hash
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from asdcore.basics.parse import parse_toml
from asdcore.errors import ResourceError, did_you_mean

ID = re.compile(r"[a-z0-9]+(?:[.-][a-z0-9]+)*")
EVIDENCE = ("computed", "published", "reported", "unknown")
HUB = "huggingface.co"
LONGEST_NAME = 200
COMMIT = re.compile(r"[0-9a-f]{40}")


def _web_address(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
        raise ValueError("an address must begin with https:// (or http://) and hold no user name or password")
    try:
        _ = parts.port, parts.hostname.encode("idna"), value.encode("ascii")
    except ValueError as error:
        raise ValueError(f"an address must have a valid host and port, and plain characters ({error})") from None
    if not value.isprintable() or " " in value:
        raise ValueError("an address must not hold blanks or control characters")
    return value


def _file_name(value: str) -> str:
    parts = value.split("/")
    if not all(parts) or any(part.startswith(".") for part in parts) or value.endswith(".part"):
        raise ValueError(
            "a file name has no folder that is empty or begins with '.', does not begin with '.' and does not end with "
            "'.part'"
        )
    if "\\" in value or not value.isprintable():
        raise ValueError("a file name must be printable and must not hold '\\'")
    if value.endswith(".sha256") or any(len(part.encode()) > LONGEST_NAME for part in parts):
        raise ValueError(f"a file name does not end with '.sha256', and has at most {LONGEST_NAME} bytes")
    return value


def _folder_name(value: str) -> str:
    if not value or value != Path(value).name or value.startswith(".") or not value.isprintable():
        raise ValueError("a machine is the name of a folder: no '/', and it does not begin with '.'")
    return value


Url = Annotated[str, AfterValidator(_web_address)]
Text = Annotated[str, Field(min_length=1)]
Count = Annotated[int, Field(gt=0, strict=True)]
Layer = Annotated[int, Field(ge=0, strict=True)] | Text


class _Strict(BaseModel):
    """Frozen; an unknown key is an error."""

    # Most commands read no entry, and need no validator for one.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class File(_Strict):
    """One file of a resource. ``size`` is in bytes; ``machine`` is the one whose clips an archive holds."""

    name: Annotated[str, AfterValidator(_file_name)]
    size: Count | None = None
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    md5: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")] | None = None
    url: Url | None = None
    machine: Annotated[str, AfterValidator(_folder_name)] | None = None
    evidence: str = ""

    @property
    def check(self) -> str:
        """The hash that a download is checked by: ``sha256``, ``md5`` or ``none``."""
        return "sha256" if self.sha256 else "md5" if self.md5 else "none"


class Facts(_Strict):
    """What an encoder is with a checkpoint, as ``make encoders`` measures it; not written by hand.

    ``sample_rate`` in Hz. ``layers`` that can be asked for, the last one the default; of that one, for 10 s: ``tokens``
    (time, band), ``special`` tokens beside them, their ``dim``; ``macs``, the multiply-accumulates of a pass to it, and
    ``parameters``, the learned weights that such a pass reads: both absent if an encoder shows no torch model.
    """

    sample_rate: Count
    tokens: tuple[Count, Count]
    special: Annotated[int, Field(ge=0, strict=True)] = 0
    dim: Count
    layers: tuple[Layer, ...] = Field(min_length=1)
    parameters: Count | None = None
    macs: Count | None = None


class Resource(_Strict):
    """One external resource.

    ``own`` says that it is one's own and published nowhere; else ``source`` is the page that publishes it, ``revision``
    what pins its content there (a commit, a Zenodo record, a release). A file is at its own ``url``, else at
    ``base_url`` + its name, else nowhere that a program may fetch it from. ``plugin`` reads it, with the parameters
    ``use``. ``folder`` says that the plugin wants the folder of all files rather than the one file. ``allowed`` says
    for a challenge year whether its rules allow the resource, and ``allowed_because`` how that is known. ``evidence``
    is that of every file without its own. ``facts`` are of a checkpoint, absent if it was not measured.
    """

    id: Annotated[str, Field(pattern=rf"^{ID.pattern}$")]
    title: Text
    kind: Literal["checkpoint", "dataset"]
    own: bool = False
    source: Annotated[str, AfterValidator(lambda value: value and _web_address(value))] = ""
    revision: str = ""
    licence: Text
    plugin: Text
    folder: bool = False
    base_url: Url | None = None
    evidence: str = ""
    allowed_because: str = ""
    notes: str = ""
    allowed: dict[Annotated[str, Field(pattern=r"^20[0-9]{2}$")], Literal["yes", "no", "unknown"]] = {}
    use: dict[str, str | bool | int | float | list[str | int | float]] = {}
    facts: Facts | None = None
    files: tuple[File, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> Resource:
        for problem in (
            *_entry_problems(self),
            *(problem for file in self.files for problem in _file_problems(self, file)),
        ):
            raise ValueError(problem)
        return self

    def url(self, file: File) -> str | None:
        """Return the address of a file, None if a program may not fetch it."""
        return file.url or (f"{self.base_url}{quote(file.name)}" if self.base_url else None)

    def file(self, name: str) -> File:
        """Return a file by name; raises ResourceError with the closest name."""
        for file in self.files:
            if file.name == name:
                return file
        raise ResourceError(f"{self.id} has no file {name!r}. {did_you_mean(name, [file.name for file in self.files])}")


def _entry_problems(entry: Resource) -> list[str]:
    names = [file.name for file in entry.files]
    problems = (
        [] if entry.source or entry.own else ["source: this key is needed, unless the file is your own: own = true"]
    )
    problems += [
        f"files: two have the name {name!r}" for name in sorted({name for name in names if names.count(name) > 1})
    ]
    if not (entry.revision or entry.notes or entry.own):
        problems.append("revision: it is empty; pin a commit, record or release, or say in notes why there is none")
    if any(answer != "unknown" for answer in entry.allowed.values()) and not entry.allowed_because:
        problems.append("allowed_because: 'allowed' says yes or no; say here how that is known")
    if entry.kind == "checkpoint" and len(names) > 1 and not entry.folder:
        problems.append(f"folder: a checkpoint of {len(names)} files needs folder = true")
    if entry.kind == "dataset" and entry.folder:
        problems.append("folder: only a checkpoint can be a folder, this is a dataset")
    if not entry.folder and (deep := [name for name in names if "/" in name]):
        problems.append(f"{deep[0]}: a file name has no folder, unless folder = true")
    if entry.kind == "dataset" and entry.facts:
        problems.append("facts: only a checkpoint has them, this is a dataset")
    return problems


def _file_problems(entry: Resource, file: File) -> list[str]:
    problems = []
    evidence = file.evidence or entry.evidence
    kind, _, detail = evidence.partition(": ")
    hashed = file.check != "none"
    if kind not in EVIDENCE or not detail or (kind == "unknown") is hashed:
        wanted = "'computed: ', 'published: ' or 'reported: '" if hashed else "'unknown: '"
        has = "a hash" if hashed else "no hash"
        problems.append(f"{file.name}: it has {has}, so its evidence must begin with {wanted}, got {evidence!r}")
    url = entry.url(file)
    if url and urlsplit(url).hostname == HUB:
        if not COMMIT.fullmatch(entry.revision):
            problems.append(f"revision: a file of the Hub needs a commit of 40 hex digits, got {entry.revision!r}")
        elif f"/resolve/{entry.revision}/" not in url:
            problems.append(f"{file.name}: {url} is not pinned, it must hold /resolve/{entry.revision}/")
    if entry.kind == "dataset" and file.name.endswith(".zip") and not file.machine:
        problems.append(f"{file.name}: an archive of a dataset must name its machine")
    return problems


def load_entry(path: Path) -> Resource:
    """Read and check one entry; raises ResourceError naming file, key, value and what is allowed."""
    if path.is_symlink() and not path.exists():
        raise ResourceError(f"{path} is a broken link. Remove it, or put an entry there.")
    if path.exists() and not path.is_file():  # a pipe could be read for ever
        raise ResourceError(f"{path} is not a regular file. Remove it, or put an entry there.")
    try:
        values = parse_toml(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ResourceError(f"{path} is not TOML: {error}") from error
    except OSError as error:
        raise ResourceError(f"{path} cannot be read: {error.strerror}.") from error
    if "id" in values:
        raise ResourceError(f"{path}: id: no such key. The id of an entry is the name of its file, {path.stem!r}.")
    return make_entry({"id": path.stem, **values}, str(path))


def make_entry(values: dict[str, Any], where: str) -> Resource:
    """Make an entry; raises ResourceError with all problems, in a message that begins with ``where``."""
    try:
        return Resource.model_validate(values)
    except ValidationError as error:
        lines = [_explain(problem) for problem in error.errors()]
        raise ResourceError("\n  - ".join([f"{where} is not a valid registry entry:", *lines])) from None


def entry_text(entry: Resource) -> str:
    """Return an entry as TOML text, which :func:`load_entry` reads back as the same entry."""
    values = entry.model_dump(exclude={"id", "files"}, exclude_defaults=True)
    tables = {key: values.pop(key) for key in ("allowed", "use", "facts") if key in values}
    blocks = [_block(values), *(f"[{key}]\n{_block(table)}" for key, table in tables.items())]
    blocks += [f"[[files]]\n{_block(file.model_dump(exclude_defaults=True))}" for file in entry.files]
    return "\n".join(blocks)


def _block(values: dict[str, Any]) -> str:
    return "".join(f"{_key(key)} = {_value(value)}\n" for key, value in values.items())


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: Any) -> str:
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + _CONTROL.sub(lambda sign: rf"\u{ord(sign[0]):04x}", escaped) + '"'
    if isinstance(value, bool):
        return str(value).lower()
    return f"[{', '.join(map(_value, value))}]" if isinstance(value, list | tuple) else repr(value)


_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def _explain(error: Any) -> str:
    """Return one problem as a line: the key, its value and what is allowed."""
    where = ".".join(str(part) for part in error["loc"])
    if error["type"] == "extra_forbidden":
        inner: dict[Any, type[_Strict]] = {"files": File, "facts": Facts}
        model = inner.get(error["loc"][0], Resource) if len(error["loc"]) > 1 else Resource
        keys = [key for key in model.model_fields if key != "id"]
        return f"{where}: no such key. {did_you_mean(str(error['loc'][-1]), keys)}"
    if error["type"] == "missing":
        return f"{where}: this key is needed."
    message = error["msg"].removeprefix("Value error, ")
    return f"{where}: {message}, got {error['input']!r}." if where else message
