"""Signatures in key mode: what they hold against, and what breaks them."""

import json
import sys
from base64 import b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from model_packaging.artifact import signing
from model_packaging.findings import FindingsError


def keys(folder: Path, curve: ec.EllipticCurve, name: str = "key", password: bytes | None = None) -> tuple[Path, Path]:
    private = ec.generate_private_key(curve)
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (folder / name).write_bytes(private.private_bytes(pem, form, protection))
    public = private.public_key().public_bytes(pem, serialization.PublicFormat.SubjectPublicKeyInfo)
    (folder / f"{name}.pub").write_bytes(public)
    return folder / name, folder / f"{name}.pub"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "artifact"
    (folder / "1_Pooling").mkdir(parents=True)
    for name in ("model.safetensors", "config.json", "1_Pooling/config.json", ".gitattributes"):
        (folder / name).write_text(f"content of {name}")
    return folder


@pytest.fixture
def signed(folder: Path, tmp_path: Path) -> tuple[Path, Path, Path]:
    private, public = keys(tmp_path, ec.SECP256R1())
    signing.sign(folder, private, folder / signing.SIGNATURE)
    return folder, public, folder / signing.SIGNATURE


def rejected(folder: Path, public: Path, signature: Path) -> str:
    with pytest.raises(FindingsError) as error:
        signing.verify(folder, public, signature)
    return str(error.value)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_signed_and_verified(folder: Path, tmp_path: Path, curve: ec.EllipticCurve) -> None:
    private, public = keys(tmp_path, curve)
    signing.sign(folder, private, tmp_path / "model.sig")
    signing.verify(folder, public, tmp_path / "model.sig")


def test_it_is_an_in_toto_statement_of_every_file(signed: tuple[Path, Path, Path]) -> None:
    statement = json.loads(b64decode(json.loads(signed[2].read_text())["dsseEnvelope"]["payload"]))
    assert statement["predicateType"] == "https://model_signing/signature/v1.0"
    names = [resource["name"] for resource in statement["predicate"]["resources"]]
    assert sorted(names) == [".gitattributes", "1_Pooling/config.json", "config.json", "model.safetensors"]


def test_a_signature_in_the_folder_verifies_there_and_elsewhere(
    signed: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    folder, public, signature = signed
    signing.verify(folder, public, signature)
    moved = folder.rename(tmp_path / "moved")
    signing.verify(moved, public, moved / signing.SIGNATURE)


def test_a_protected_key(folder: Path, tmp_path: Path) -> None:
    private, public = keys(tmp_path, ec.SECP256R1(), password=b"secret")
    signing.sign(folder, private, tmp_path / "model.sig", b"secret")
    signing.verify(folder, public, tmp_path / "model.sig")
    with pytest.raises(FindingsError, match="must be a private elliptic curve key"):
        signing.sign(folder, private, tmp_path / "model.sig", b"wrong")
    with pytest.raises(FindingsError, match="must be a private elliptic curve key"):
        signing.sign(folder, private, tmp_path / "model.sig")


def test_a_changed_file(signed: tuple[Path, Path, Path]) -> None:
    (signed[0] / "config.json").write_text("content of CONFIG.json")
    assert "Hash mismatch for 'config.json'" in rejected(*signed)


def test_an_added_file(signed: tuple[Path, Path, Path]) -> None:
    (signed[0] / "inference.py").write_text("")
    assert "inference.py" in rejected(*signed)


def test_a_removed_file(signed: tuple[Path, Path, Path]) -> None:
    (signed[0] / ".gitattributes").unlink()
    assert ".gitattributes" in rejected(*signed)


def test_a_link_in_the_place_of_a_file(signed: tuple[Path, Path, Path], tmp_path: Path) -> None:
    (signed[0] / "config.json").rename(tmp_path / "config.json")
    (signed[0] / "config.json").symlink_to(tmp_path / "config.json")
    assert "must be a regular file, got a link" in rejected(*signed)


def test_a_signature_by_another_key(signed: tuple[Path, Path, Path], tmp_path: Path) -> None:
    _, other = keys(tmp_path, ec.SECP256R1(), "other")
    assert "must contain what was signed with this key" in rejected(signed[0], other, signed[2])


def test_a_forged_hint_does_not_make_it_this_keys(signed: tuple[Path, Path, Path], tmp_path: Path) -> None:
    other, public = keys(tmp_path, ec.SECP256R1(), "other")
    signing.sign(signed[0], other, tmp_path / "other.sig")
    forged, true = json.loads(signed[2].read_text()), json.loads((tmp_path / "other.sig").read_text())
    forged["verificationMaterial"] = true["verificationMaterial"]
    signed[2].write_text(json.dumps(forged))
    assert "must be a signature by this key" in rejected(signed[0], public, signed[2])


def test_no_signature(signed: tuple[Path, Path, Path]) -> None:
    signed[2].unlink()
    assert "must be the artifact's signature, got no such file" in rejected(*signed)


@pytest.mark.parametrize("text", ["", "{", "[]", "{}"])
def test_a_signature_that_is_none(signed: tuple[Path, Path, Path], text: str) -> None:
    signed[2].write_text(text)
    assert "must contain what was signed with this key" in rejected(*signed)


def test_a_key_of_another_kind(folder: Path, tmp_path: Path) -> None:
    key = rsa.generate_private_key(65537, 2048)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    (tmp_path / "rsa").write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    with pytest.raises(FindingsError, match="must be a private elliptic curve key"):
        signing.sign(folder, tmp_path / "rsa", tmp_path / "model.sig")


def test_a_key_that_is_none(signed: tuple[Path, Path, Path], tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no key")
    assert "must be a public elliptic curve key" in rejected(signed[0], tmp_path / "text", signed[2])
    assert "must be a public elliptic curve key" in rejected(signed[0], tmp_path / "gone", signed[2])


def test_an_empty_folder(tmp_path: Path) -> None:
    private, _ = keys(tmp_path, ec.SECP256R1())
    (tmp_path / "empty").mkdir()
    with pytest.raises(FindingsError, match="must contain files"):
        signing.sign(tmp_path / "empty", private, tmp_path / "model.sig")


def test_without_the_extra(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)
    with pytest.raises(FindingsError, match="needs the `sign` extra"):
        signing.sign(folder, tmp_path / "key", tmp_path / "model.sig")
