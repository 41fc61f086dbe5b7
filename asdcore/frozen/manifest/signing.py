"""Sign a manifest, and check a signature, with the OpenSSF's ``model-signing`` (the extra ``sign``).

The signature lies beside the manifest, in ``<manifest>.sig``: a Sigstore bundle over an in-toto statement. Keys are
those of elliptic curves, in PEM files: ``openssl ecparam -name prime256v1 -genkey -noout -out key.pem`` makes one, and
``openssl ec -in key.pem -pubout -out key.pub`` its public half.
Source: https://github.com/sigstore/model-transparency
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from asdcore.errors import ManifestError
from asdcore.frozen.manifest.statement import NothingToCheckError
from asdcore.store.disk.atomic import atomic_path


def signature_of(manifest: Path) -> Path:
    """Return the path of a manifest's signature, whether it exists or not."""
    return manifest.with_name(f"{manifest.name}.sig")


def sign(manifest: Path, private_key: Path) -> Path:
    """Sign a manifest; returns the path of the signature. Raises ManifestError if the key cannot sign."""
    signature = signature_of(manifest)
    signer = check_private_key(private_key)
    with atomic_path(signature) as temporary:
        signer.set_hashing_config(_hashing()).sign(manifest, temporary)
    return signature


def check_signature(manifest: Path, public_key: Path) -> None:
    """Raise ManifestError unless the manifest is as the owner of the key signed it.

    Raises NothingToCheckError if the key is unusable, or the library is not installed.
    """
    config = _library("verifying").Config()
    with _usable(public_key, "public", "openssl ec -in PRIVATE_KEY -pubout"):
        config.use_elliptic_key_verifier(public_key=public_key)
    if not signature_of(manifest).is_file():
        raise ManifestError(
            f"{manifest} has no signature {signature_of(manifest).name}. 'asdcore freeze --sign KEY' makes one."
        )
    try:
        config.set_hashing_config(_hashing()).verify(manifest, signature_of(manifest))
    except Exception as error:  # the library has several classes for a wrong signature
        raise ManifestError(
            f"{manifest} is not what the owner of {public_key} signed ({_first_line(error)}). Do not use it."
        ) from error


def check_private_key(path: Path) -> Any:
    """Return a signer for a key; raises NothingToCheckError if the key or the library is missing or unusable."""
    config = _library("signing").Config()
    with _usable(path, "private", "openssl ecparam -name prime256v1 -genkey -noout"):
        config.use_elliptic_key_signer(private_key=path)
    return config


@contextmanager
def _usable(path: Path, half: str, command: str) -> Iterator[None]:
    """Turn an unusable key into NothingToCheckError, which says which half is needed and how to make one."""
    needed = f"The {half} half of an elliptic-curve key is needed; '{command} -out {_new(path)}' makes one."
    if not path.is_file():
        raise NothingToCheckError(f"There is no key {path}. {needed}")
    try:
        yield
    except AttributeError as error:  # the library asks any key for its curve
        raise NothingToCheckError(f"{path} is a key of another kind, such as RSA. {needed}") from error
    except Exception as error:  # of several libraries: not PEM, an unknown curve, a password
        raise NothingToCheckError(f"{path} cannot be used ({_first_line(error)}). {needed}") from error


def _new(path: Path) -> Path:
    """Return a path that no file has: openssl writes over any, and a key that is gone cannot be made again."""
    names = (path, *(path.with_stem(f"{path.stem}-{number}") for number in range(2, 100)))
    return next((name for name in names if not os.path.lexists(name)), Path("NEW_FILE"))


def _hashing() -> Any:
    return _library("hashing").Config().use_file_serialization(hashing_algorithm="sha256")


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0].strip() if str(error) else 'no reason given'}"


def _library(part: str) -> Any:
    try:
        return import_module(f"model_signing.{part}")
    except ImportError as error:
        raise NothingToCheckError(
            f"Signatures need the library model-signing ({error}). Install it with: pip install 'asdcore[sign]'"
        ) from error
