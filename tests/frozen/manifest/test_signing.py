"""A signature says who froze: only the owner of the key makes it, and it fits no other manifest."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from asdcore.errors import ManifestError
from asdcore.frozen.manifest.signing import check_private_key, check_signature, sign, signature_of
from asdcore.frozen.manifest.statement import NothingToCheckError, read_manifest

pytest.importorskip("model_signing", reason="the extra 'sign' is not installed")

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa


def write_keys(folder: Path, name: str, key=None, password: bytes | None = None) -> tuple[Path, Path]:
    """Write the private and the public half of a key, and return where."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private, public = folder / f"{name}.pem", folder / f"{name}.pub"
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, pkcs8, locked))
    public.write_bytes(key.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo))
    return private, public


@pytest.fixture
def keys(tmp_path):
    """The private and the public half of a key."""
    return write_keys(tmp_path, "key")


@pytest.fixture
def path(tmp_path, whole):
    """A manifest by itself."""
    path = tmp_path / "m.json"
    path.write_bytes(whole.path.read_bytes())
    return path


def flip(path: Path, i: int) -> None:
    content = bytearray(path.read_bytes())
    content[i] ^= 1
    path.write_bytes(content)


def test_the_owner_s_signature_is_accepted_wherever_both_files_lie(path, keys, tmp_path):
    signature = sign(path, keys[0])
    assert signature == tmp_path / "m.json.sig"
    check_signature(path, keys[1])
    (tmp_path / "elsewhere").mkdir()
    for one in (path, signature):
        one.rename(tmp_path / "elsewhere" / one.name)
    check_signature(tmp_path / "elsewhere" / "m.json", keys[1])


@pytest.mark.parametrize("curve", [ec.SECP256R1, ec.SECP384R1, ec.SECP521R1])
def test_every_curve_that_the_library_knows_will_do(path, tmp_path, curve):
    private, public = write_keys(tmp_path, "key", ec.generate_private_key(curve()))
    sign(path, private)
    check_signature(path, public)


def test_a_manifest_edited_and_sealed_anew_is_not_what_was_signed(path, keys, resealed):
    sign(path, keys[0])
    resealed(path, lambda said: said["predicate"].update(name="better"))
    assert read_manifest(path).predicate["name"] == "better"
    with pytest.raises(
        ManifestError, match=r"m.json is not what the owner of .*key.pub signed .*Do not use it"
    ) as caught:
        check_signature(path, keys[1])
    assert not isinstance(caught.value, NothingToCheckError)


def test_a_signature_by_another_is_refused(path, keys, tmp_path):
    sign(path, write_keys(tmp_path, "other")[0])
    with pytest.raises(ManifestError, match="is not what the owner"):
        check_signature(path, keys[1])


def test_a_signature_of_another_manifest_is_refused(path, keys, tmp_path, resealed):
    sign(path, keys[0])
    other = tmp_path / "other.json"
    other.write_bytes(path.read_bytes())
    resealed(other, lambda said: said["predicate"].update(name="other"))
    signature_of(other).write_bytes(signature_of(path).read_bytes())
    with pytest.raises(ManifestError, match="is not what the owner"):
        check_signature(other, keys[1])


@pytest.mark.parametrize("spoil", ["payload", "signature", "half", "empty", "no signature at all"])
def test_a_spoiled_signature_is_refused(path, keys, spoil):
    signature = sign(path, keys[0])
    content = json.loads(signature.read_text())
    envelope = content["dsseEnvelope"]
    if spoil == "payload":
        envelope["payload"] = envelope["payload"][:-8] + "AAAA" + envelope["payload"][-4:]
    if spoil == "signature":
        envelope["signatures"][0]["sig"] = "AAAA" + envelope["signatures"][0]["sig"][4:]
    if spoil == "no signature at all":
        envelope["signatures"] = []
    text = json.dumps(content)
    signature.write_text({"half": text[: len(text) // 2], "empty": ""}.get(spoil, text))
    with pytest.raises(ManifestError, match="is not what the owner"):
        check_signature(path, keys[1])


def test_a_manifest_without_a_signature_is_refused_where_one_is_asked_for(path, keys):
    with pytest.raises(ManifestError, match=r"has no signature m.json.sig"):
        check_signature(path, keys[1])


def unusable(folder: Path, kind: str) -> Path:
    """Write something that is no private half of an elliptic-curve key."""
    if kind == "nothing":
        return folder / "none.pem"
    if kind == "text":
        (folder / "text.pem").write_text("-----BEGIN PRIVATE KEY-----\nhello\n-----END PRIVATE KEY-----\n")
        return folder / "text.pem"
    if kind == "public":
        return write_keys(folder, "one")[1]
    key = {
        "RSA": lambda: rsa.generate_private_key(65537, 2048),
        "unknown curve": lambda: ec.generate_private_key(ec.SECP256K1()),
        "locked": lambda: None,
    }[kind]()
    return write_keys(folder, "two", key, b"secret" if kind == "locked" else None)[0]


@pytest.mark.parametrize("kind", ["nothing", "text", "public", "RSA", "unknown curve", "locked"])
def test_a_key_that_cannot_sign_is_known_before_anything_is_written(path, tmp_path, kind):
    key = unusable(tmp_path, kind)
    said = "There is no key" if kind == "nothing" else r"(cannot be used|another kind).*The private half of an elliptic"
    for call in (check_private_key, lambda key: sign(path, key)):
        with pytest.raises(NothingToCheckError, match=said):
            call(key)
    assert not signature_of(path).exists()


@pytest.mark.parametrize("kind", ["text", "public", "RSA", "locked"])
def test_the_command_that_makes_a_key_writes_over_no_file(path, tmp_path, kind):
    """openssl asks nobody, and a private key that is gone cannot be made again."""
    key = unusable(tmp_path, kind)
    key.with_stem(f"{key.stem}-2").touch()
    for check in (check_private_key, lambda key: check_signature(path, key)):
        with pytest.raises((NothingToCheckError, ManifestError)) as told:
            check(key)
        made = re.search(r"-out (\S+)' makes one", str(told.value))
        assert made is None or Path(made[1]) == key.with_stem(f"{key.stem}-3")
    assert made or kind == "public"


def test_a_private_key_is_no_public_key(path, keys):
    sign(path, keys[0])
    with pytest.raises(NothingToCheckError, match=r"key.pem cannot be used .*The public half"):
        check_signature(path, keys[0])
    with pytest.raises(NothingToCheckError, match="There is no key"):
        check_signature(path, keys[0].with_name("none.pub"))


def test_without_the_library_it_is_said_how_to_get_it(path, keys, monkeypatch):
    for part in ("signing", "verifying"):
        monkeypatch.setitem(sys.modules, f"model_signing.{part}", None)
    for call in (lambda: check_private_key(keys[0]), lambda: check_signature(path, keys[1])):
        with pytest.raises(NothingToCheckError, match=r"pip install 'asdcore\[sign\]'"):
            call()


def test_from_the_command_line(frozen, keys, tmp_path, asdcore_command):
    run, out = frozen.run().folder, frozen.home / "signed.json"
    refused = asdcore_command("freeze", run, "--out", out, "--sign", keys[1])
    assert (refused.code, out.exists()) == (2, False)
    assert "The private half of an elliptic-curve key is needed" in refused.err
    done = asdcore_command("freeze", run, "--out", out, "--sign", keys[0])
    assert (done.code, f"Signed: {out}.sig" in done.out) == (0, True)
    assert "give the signer's public key with --key" in asdcore_command("verify", out).out
    checked = asdcore_command("verify", out, "--key", keys[1])
    assert (checked.code, "the signature is that of the given key" in checked.out) == (0, True)
    flip(signature_of(out), signature_of(out).stat().st_size // 2)
    broken = asdcore_command("verify", out, "--key", keys[1])
    assert (broken.code, "is not what the owner of" in broken.err) == (1, True)
    misused = asdcore_command("verify", out, "--key", tmp_path / "none.pub")
    assert (misused.code, "There is no key" in misused.err) == (2, True)
