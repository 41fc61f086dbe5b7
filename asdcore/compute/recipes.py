"""Recipes: the code, parameters and libraries that determine a result besides its inputs."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from inspect import signature
from pathlib import Path
from typing import Any

from asdcore.components.checkpoints import CHECKPOINT, checkpoint_digest, resolved
from asdcore.components.named_files import by_content
from asdcore.contract.plugins import Component, Plugins
from asdcore.contract.training import SCOPES
from asdcore.data.features.pooling import complete
from asdcore.errors import PluginError, PortfolioError, blamed
from asdcore.portfolio import Branch, Choice, EncoderChoice, Part
from asdcore.store.digests.digest import bytes_digest, file_digest, recipe_digest

NUMERIC_LIBRARIES = (
    "ai-edge-litert",
    "numpy",
    "onnxruntime",
    "scikit-learn",
    "scipy",
    "soundfile",
    "soxr",
    "torch",
    "transformers",
)
"""Libraries whose version can change a number."""

SCOPE = "scope"
"""The attribute or parameter of a trainable encoder that says for which machines one network is trained."""


@functools.cache
def library_versions() -> dict[str, str]:
    """Return {library: installed version}, without importing any."""
    return {name: _version(name) for name in NUMERIC_LIBRARIES}


@functools.cache
def framework_digest(*modules: str) -> str:
    """SHA-256 over the sources of some modules of asdcore, named by their path below the package."""
    package = Path(__file__).parents[1]
    return bytes_digest("".join(file_digest(package / module) for module in modules).encode())


SOUND_MODULES = (
    "basics/recording_parts.py",
    "data/recordings/audio.py",
    "data/recordings/file_content.py",
    *(f"data/formats/{path.name}" for path in sorted((Path(__file__).parents[1] / "data" / "formats").glob("*.py"))),
    "data/recordings/sound_part.py",
    "data/recordings/wav.py",
)
"""The code that turns a file into samples."""

FEATURE_MODULES = (
    *SOUND_MODULES,
    "data/features/exact_features.py",
    "data/features/pooling.py",
    "data/features/pooling_blocks.py",
    "compute/encoding/built_encoders.py",
    "compute/component_checks/checked_outputs.py",
    "compute/encoding/encoding.py",
    "compute/encoding/held_whole.py",
    "compute/encoding/long_clips.py",
    "compute/encoding/spooled_sound.py",
    "compute/encoding/requests.py",
    "compute/scoring/restoring.py",
    "stages/embedding/embed.py",
    "stages/embedding/embed_jobs.py",
)
FEATURE_CODE = framework_digest(*FEATURE_MODULES)
"""The digest of the code that computes features, as this process has loaded it."""


def component_recipe(component: Component, parameters: dict[str, Any]) -> dict[str, Any]:
    """Describe the component that computes something: its name, version, source and parameters.

    A checkpoint counts by the content of all its files, whether it is named by a path or by the id of a registry entry;
    so does everything else on disk that a parameter names. The versions of the distributions that the component's
    source imports count, too.
    """
    values = resolved(parameters)
    checkpoint = values.pop(CHECKPOINT, None)
    values = by_content(component, values)
    if isinstance(checkpoint, Path):
        values[CHECKPOINT] = {"content_sha256": checkpoint_digest(checkpoint, component)}
    recipe = {
        "name": component.name,
        "plugin": component.plugin,
        "version": component.version,
        "source": component.source_digest,
        "parameters": values,
    }
    if isinstance(component.registered, str):  # several components may lie in one file
        recipe["factory"] = component.registered
    libraries = component.files.libraries if component.files else {}
    return {**recipe, "libraries": dict(sorted(libraries.items()))} if libraries else recipe


def component_origins(components: list[tuple[str, str]], plugins: Plugins) -> list[dict[str, str]]:
    """Return for every (kind, name) its plugin, distribution, version and source digest.

    The digest is that of the source at its first use in this process; see :func:`changed_sources`.
    """
    resolved_components = (plugins.component(kind, name) for kind, name in components)
    return [
        {
            "kind": component.kind,
            "name": component.name,
            "plugin": component.plugin,
            "distribution": component.distribution,
            "version": component.version,
            "source_sha256": component.source_digest,
        }
        for component in resolved_components
    ]


def changed_sources(components: list[tuple[str, str]], plugins: Plugins) -> list[str]:
    """Return the plugins among these (kind, name) whose source has changed since this process computed with it."""
    by_plugin = {
        component.plugin: component for component in (plugins.component(kind, name) for kind, name in components)
    }
    return sorted(name for name, component in by_plugin.items() if _has_changed(component))


def inputs_digest(choices: Iterable[Choice], plugins: Plugins) -> dict[str, str]:
    """Return {place in a portfolio: SHA-256 of the recipe of the component there}."""
    return {
        choice.where: recipe_digest(
            component_recipe(plugins.component(choice.kind, choice.named.name), choice.named.parameters)
        )
        for choice in choices
    }


def feature_recipe(
    part: Part, plugins: Plugins, device: str | None, libraries: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """Return everything that determines one feature set, apart from the audio.

    libraries : the versions that count, if not those that are installed: a detector has compared those that it needs.

    A device counts if the encoder takes one and it is not the CPU, since other hardware rounds differently. A trained
    encoder counts by what it has learnt, too.
    """
    view = plugins.component("view", part.view.name)
    encoder = plugins.component("encoder", part.encoder.name)
    recipe = {
        "kind": "features",
        "view": component_recipe(view, part.view.parameters),
        "encoder": component_recipe(encoder, part.encoder.parameters),
        "layer": part.layer,
        "pooling": pooling_recipe(part.encoder, encoder),
        "framework": FEATURE_CODE,
        "libraries": dict(libraries) if libraries else library_versions(),
        **trained_recipe(part, encoder),
    }
    kind = (device or "cpu").partition(":")[0]
    return recipe if kind == "cpu" or not takes_device(encoder) else {**recipe, "device": kind}


def trained_recipe(part: Part, encoder: Component) -> dict[str, str]:
    """Return what a recipe says of a trained state; nothing of an encoder that is not trained.

    Raises PluginError if an encoder has to be trained first.
    """
    if part.trained is None and is_trainable(encoder):
        raise PluginError(
            f"encoder {encoder.name!r} has to be trained before it encodes; only 'asdcore run' trains. Run the "
            "portfolio, then use that run."
        )
    return {"trained": part.trained.sha256} if part.trained is not None else {}


def features_digest(
    branches: Sequence[Branch], plugins: Plugins, device: str | None, libraries: Mapping[str, str] | None = None
) -> str:
    """SHA-256 of everything that determines the features of a branch, apart from the audio.

    branches : the branch, as often as there are networks trained for it; once if its encoder is not trained.
    libraries : as of :func:`feature_recipe`.
    """
    if len(branches) > 1:
        digests = [features_digest([branch], plugins, device, libraries) for branch in branches]
        return recipe_digest({"kind": "features of trained networks", "digests": sorted(digests)})
    (branch,) = branches
    recipes = [
        [(feature_recipe(part, plugins, device, libraries), weight) for part, weight in terms]
        for terms in branch.features
    ]
    if len(branch.parts) == 1:
        return recipe_digest(recipes[0][0][0])
    return recipe_digest({"kind": "features of a branch", "recipes": recipes})


def is_trainable(encoder: Component) -> bool:
    """Whether an encoder is fitted on train normals; read from what is registered."""
    return callable(getattr(encoder.factory, "fit", None))


def scope_of(encoder: Component, parameters: Mapping[str, Any]) -> str:
    """Return whether an encoder is trained for each "machine" or once for "all", without building it."""
    default = signature(encoder.factory).parameters.get(SCOPE)
    scope = parameters.get(SCOPE, default.default if default else getattr(encoder.factory, SCOPE, None))
    if scope not in SCOPES:
        raise PluginError(f"encoder {encoder.name!r} has the scope {scope!r}; {' or '.join(SCOPES)} is allowed.")
    return str(scope)


def takes_device(encoder: Component) -> bool:
    """Whether an encoder can be told where to run."""
    return "device" in signature(encoder.factory).parameters


def pooling_recipe(choice: EncoderChoice, encoder: Component) -> dict[str, Any]:
    """Return the name of a pooling and all its parameters: the framework's, the encoder's own, the portfolio's.

    Raises PluginError if the encoder's ``pooling_defaults`` do not fit the pooling.
    """
    name = choice.pooling.name
    with blamed("encoder", encoder.name):
        published = dict(getattr(encoder.factory, "pooling_defaults", {}).get(name, {}))
    try:
        complete(name, published)
    except PortfolioError as error:
        raise PluginError(f"encoder {encoder.name!r} has invalid pooling_defaults: {error}") from error
    return {"name": name, "parameters": complete(name, published, choice.pooling.parameters)}


def _has_changed(component: Component) -> bool:
    source = component.files_now()
    return source != component.files or (source.digest if source else "unknown") != component.source_digest


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
