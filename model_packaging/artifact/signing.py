"""Signs the files of an artifact and verifies signatures, with OpenSSF model-signing (the `sign` extra).

The signature is a Sigstore bundle over an in-toto statement of every (path, sha256). It uses key mode only, which needs
no network; `model_signing verify key` can check it too. The keys are elliptic curve keys in PEM (P-256, -384, -521).
"""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from model_packaging.findings import refuse

SIGNATURE = "model.sig"

# Errors of the package's parsers for a malformed key or bundle, which it does not convert.
_MALFORMED = (ValueError, TypeError, AttributeError, LookupError)


def sign(folder: Path, private_key: Path, signature: Path, password: bytes | None = None) -> None:
    """Signs every file of `folder` and writes the bundle to `signature`, which may be in the folder.

    Raises:
        FindingsError: the extra is missing, the folder contains no files or a link, or the key cannot be used.
    """
    model_signing = _package()
    _files(folder, signature)
    try:
        signer = model_signing.signing.Config().use_elliptic_key_signer(private_key=private_key, password=password)
    except (*_MALFORMED, OSError) as error:
        fix = "write one with `openssl ecparam -name prime256v1 -genkey -noout`, and give its password if it has one"
        raise refuse(str(private_key), "must be a private elliptic curve key in PEM", error, "", fix) from error
    signer.set_hashing_config(_hashing(model_signing, signature)).sign(folder, signature)


def verify(folder: Path, public_key: Path, signature: Path) -> None:
    """Checks that `folder` contains exactly the files that were signed in `signature` with the key.

    Raises:
        FindingsError: the extra is missing, the key or the signature is invalid, the signature is by another key, or a
            file was changed, added or removed since.
    """
    model_signing = _package()
    _files(folder, signature)
    from cryptography.exceptions import InvalidSignature

    try:
        verifier = model_signing.verifying.Config().use_elliptic_key_verifier(public_key=public_key)
    except (*_MALFORMED, OSError) as error:
        raise refuse(str(public_key), "must be a public elliptic curve key in PEM", error) from error
    if not signature.is_file():
        raise refuse(str(signature), "must be the artifact's signature", "no such file", "anyone could have made it")
    try:
        verifier.set_hashing_config(_hashing(model_signing, signature)).verify(folder, signature)
    except InvalidSignature as error:
        raise refuse(
            str(signature), "must be a signature by this key", "another", "anyone could have made it"
        ) from error
    except _MALFORMED as error:
        then = "the artifact is not the one that was signed"
        raise refuse(str(folder), "must contain what was signed with this key", error, then) from error


def _package() -> ModuleType:
    try:
        import model_signing
    except ImportError as error:
        raise refuse("signing", "needs the `sign` extra", error, "", "pip install 'scaletozero[sign]'") from error
    return model_signing


def _hashing(model_signing: ModuleType, signature: Path):
    config = model_signing.hashing.Config().use_file_serialization(hashing_algorithm="sha256", allow_symlinks=False)
    return config.set_ignored_paths(paths=[signature.resolve()], ignore_git_paths=False)


def _files(folder: Path, signature: Path) -> None:
    found = [path for path in folder.rglob("*") if path.resolve() != signature.resolve()]
    if links := [path for path in found if path.is_symlink()]:
        raise refuse(str(links[0]), "must be a regular file", "a link", "its target would not be signed")
    if not any(path.is_file() for path in found):
        raise refuse(str(folder), "must contain files", "none")
