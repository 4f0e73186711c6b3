"""Uploads an artifact to S3 under a key that depends on its content: once, verified by S3, never overwritten.

A key is `models/<name>/<sha256>/<file>`. Every object has S3's own SHA-256, by which a second publication finds it and
ends. A large file is uploaded in parts; an interrupted upload continues after the parts that S3 already has.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_packaging.findings import Finding, FindingsError, refuse

PART_BYTES = 16 * 2**20
"""The size of a file's parts, or more if there would be more than 10,000 parts (S3's limit). It depends on the file's
size only, so that a later run makes the same parts."""

_MAX_PARTS = 10_000
_WORKERS = 8
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_THERE = ("PreconditionFailed", "ConditionalRequestConflict", "412", "409")


@dataclass(frozen=True)
class Destination:
    """Where to publish.

    Attributes:
        bucket: the bucket's name.
        regions: its allowed regions, for example those of the environment's residency; None allows any.
        kms_key: id, ARN or alias of the KMS key to encrypt with; None uses the bucket's default.
    """

    bucket: str
    regions: Collection[str] | None = None
    kms_key: str | None = None


@dataclass(frozen=True)
class Published:
    """A published object: its `uri` (s3://...), bytes, SHA-256 (hex), and whether this run uploaded it or found it."""

    uri: str
    size: int
    sha256: str
    sent: bool


@dataclass(frozen=True)
class _Digest:
    """Digests of a file: SHA-256 (hex), and for each part the base64 SHA-256 that S3 compares and the hex MD5."""

    size: int
    sha256: str
    part_bytes: int
    parts: tuple[str, ...]
    md5s: tuple[str, ...]

    def is_checksum(self, said: str | None) -> bool:
        """Whether S3's checksum of the object, complete or composed of its parts, is that of this file."""
        composed = hashlib.sha256(b"".join(map(base64.b64decode, self.parts))).digest()
        whole = base64.b64encode(bytes.fromhex(self.sha256)).decode()
        return said is not None and said.partition("-")[0] in (whole, base64.b64encode(composed).decode())


def prefix(name: str, sha256: str) -> str:
    """`models/<name>/<sha256>`, the place of an artifact.

    Raises:
        FindingsError: the name has other characters than lower-case letters, digits and single hyphens, or sha256 is
            invalid.
    """
    if not _NAME.fullmatch(name):
        raise refuse("name", "must be lower-case letters, digits and single hyphens", name)
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise refuse("sha256", "must be 64 hexadecimal digits", sha256)
    return f"models/{name}/{sha256}"


def folder_files(folder: Path) -> dict[str, Path]:
    """The regular files of `folder` by their path in it, sorted, for `publish`.

    Raises:
        FindingsError: there is a link or a special file, or there are no files.
    """
    found = sorted(path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink())
    if odd := [path for path in found if path.is_symlink() or not path.is_file()]:
        raise FindingsError(Finding(str(path), "must be a regular file", "a link or a special file") for path in odd)
    if not found:
        raise refuse(str(folder), "must contain files to publish", "none")
    return {path.relative_to(folder).as_posix(): path for path in found}


def folder_digest(files: Mapping[str, Path]) -> str:
    """The SHA-256 (hex) of a folder: of the output of `sha256sum` for its files, sorted by path."""
    lines = (f"{_sha256(path)}  {name}\n" for name, path in sorted(files.items()))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def publish(
    files: Mapping[str, Path],
    under: str,
    destination: Destination,
    client: Any = None,
    advance: Callable[[int], None] = lambda _: None,
) -> tuple[Published, ...]:
    """Uploads `files` (name below `under` -> local file) to the bucket, in their order.

    Args:
        under: the key's prefix, from `prefix`.
        client: a boto3 S3 client. Default: a client of the bucket's region.
        advance: receives the number of bytes after each step that S3 has received.

    Raises:
        FindingsError: a file is missing or empty, the bucket cannot be reached or is in another region, a key has
            other content, S3 refused a request, or the connection broke (run it again: it continues).
    """
    if missing := [path for path in files.values() if not path.is_file() or not path.stat().st_size]:
        raise FindingsError(Finding(str(path), "must be a file with content", "none or empty") for path in missing)
    client = _client(destination, client)
    return tuple(_publish(client, path, f"{under}/{name}", destination, advance) for name, path in files.items())


def _client(destination: Destination, client: Any) -> Any:
    from botocore.config import Config

    config = Config(retries={"mode": "standard", "max_attempts": 5}, max_pool_connections=_WORKERS)
    where = f"bucket {destination.bucket}"
    anywhere = client or _s3(where, config=config)
    response = _call(where, anywhere.head_bucket, Bucket=destination.bucket)
    if response is None:
        raise refuse(where, "must exist", "no such bucket", fix="create it first, or correct its name")
    headers = response["ResponseMetadata"]["HTTPHeaders"]
    region = response.get("BucketRegion") or headers.get("x-amz-bucket-region") or anywhere.meta.region_name
    if destination.regions is not None and region not in destination.regions:
        allowed = ", ".join(sorted(destination.regions)) or "none"
        then = "the model would leave the residency"
        raise refuse(where, f"must be in one of {allowed}", region, then, "publish to a bucket inside it")
    if client is not None or anywhere.meta.region_name == region:
        return anywhere
    return _s3(where, region_name=region, config=config)


def _s3(where: str, **options: Any) -> Any:
    import boto3
    from botocore.exceptions import BotoCoreError

    try:
        return boto3.client("s3", **options)
    except BotoCoreError as error:
        fix = "check AWS_PROFILE, AWS_REGION and ~/.aws"
        raise refuse(where, "the AWS settings of this machine must be valid", error, fix=fix) from error


def _call(
    where: str, operation: Callable[..., Any], absent: tuple[str, ...] = ("404", "NoSuchKey"), **arguments: Any
) -> Any:
    """Sends an S3 request. Returns its response, or None for an error in `absent`; other errors become findings."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        return operation(**arguments)
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if code in absent:
            return None
        raise refuse(
            where, "S3 must accept the request", f"{code}: {error.response['Error'].get('Message', '')}"
        ) from error
    except (BotoCoreError, ConnectionError) as error:
        then = "the artifact is not published; the received parts are kept"
        raise refuse(
            where, "the connection must not break", error, then, "run it again: it continues where it broke"
        ) from error


def _publish(client: Any, path: Path, key: str, destination: Destination, advance: Callable[[int], None]) -> Published:
    digest = _digest(path)
    uri = f"s3://{destination.bucket}/{key}"
    found = _found(client, uri, key, digest, destination)
    if not found:
        send = _send_whole if len(digest.parts) == 1 else _send_parts
        sent = send(client, path, key, digest, destination, advance)
        # Another process may have been faster, and S3's own record of what arrived decides.
        if not _found(client, uri, key, digest, destination):
            raise refuse(uri, "must exist after the upload", "nothing there", "", "run it again")
        return Published(uri, digest.size, digest.sha256, sent)
    advance(digest.size)
    return Published(uri, digest.size, digest.sha256, False)


def _found(client: Any, uri: str, key: str, digest: _Digest, destination: Destination) -> bool:
    head = _call(uri, client.head_object, Bucket=destination.bucket, Key=key, ChecksumMode="ENABLED")
    if head is None:
        return False
    checksum = head.get("ChecksumSHA256")
    if head["ContentLength"] != digest.size or not digest.is_checksum(checksum):
        got = f"{head['ContentLength']} bytes with SHA-256 {checksum or 'unknown'}"
        then = "a key always has the same content, so it is not overwritten"
        raise refuse(uri, "must have this artifact or not exist", got, then, "find out who wrote it, and remove it")
    if destination.kms_key and head.get("ServerSideEncryption") != "aws:kms":
        got = head.get("ServerSideEncryption") or "unencrypted"
        raise refuse(uri, "must be encrypted with KMS", got, "", "remove the object, then publish again")
    return True


def _encryption(destination: Destination) -> dict[str, Any]:
    if not destination.kms_key:
        return {}
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": destination.kms_key, "BucketKeyEnabled": True}


def _send_whole(
    client: Any, path: Path, key: str, digest: _Digest, destination: Destination, advance: Callable[[int], None]
) -> bool:
    sent = _call(
        f"s3://{destination.bucket}/{key}",
        client.put_object,
        absent=_THERE,
        Bucket=destination.bucket,
        Key=key,
        Body=path.read_bytes(),
        ChecksumAlgorithm="SHA256",
        ChecksumSHA256=digest.parts[0],
        IfNoneMatch="*",
        **_encryption(destination),
    )
    advance(digest.size)
    return sent is not None


def _send_parts(
    client: Any, path: Path, key: str, digest: _Digest, destination: Destination, advance: Callable[[int], None]
) -> bool:
    uri = f"s3://{destination.bucket}/{key}"
    place: dict[str, Any] = {"Bucket": destination.bucket, "Key": key}
    upload, held = _resume(client, uri, place, digest)
    if upload is None:
        encryption = _encryption(destination)
        created = _call(uri, client.create_multipart_upload, ChecksumAlgorithm="SHA256", **place, **encryption)
        upload = created["UploadId"]

    def send(index: int) -> dict[str, Any]:
        checksum = digest.parts[index]
        body = _part(path, digest.part_bytes, index)
        part = {"PartNumber": index + 1, "ChecksumSHA256": checksum}
        tag = held.get(index)
        if tag is None:
            sent = _call(
                uri, client.upload_part, UploadId=upload, Body=body, ChecksumAlgorithm="SHA256", **part, **place
            )
            tag = sent["ETag"]
        advance(len(body))
        return part | {"ETag": tag}

    pool = ThreadPoolExecutor(_WORKERS)
    try:
        parts = list(pool.map(send, range(len(digest.parts))))
    finally:
        pool.shutdown(cancel_futures=True)
    done = _call(
        uri,
        client.complete_multipart_upload,
        absent=_THERE,
        UploadId=upload,
        MultipartUpload={"Parts": parts},
        IfNoneMatch="*",
        **place,
    )
    if done is None:
        _call(uri, client.abort_multipart_upload, absent=("NoSuchUpload",), UploadId=upload, **place)
    return done is not None


def _resume(client: Any, uri: str, place: dict[str, Any], digest: _Digest) -> tuple[str | None, dict[int, str]]:
    """The newest unfinished upload of this key, and the ETags of its correct parts, by index."""
    listed = _call(uri, client.list_multipart_uploads, Bucket=place["Bucket"], Prefix=place["Key"])
    uploads = [upload for upload in listed.get("Uploads", ()) if upload["Key"] == place["Key"]]
    if not uploads:
        return None, {}
    upload = max(uploads, key=lambda upload: (upload["Initiated"], upload["UploadId"]))["UploadId"]
    held: dict[int, str] = {}
    pages = client.get_paginator("list_parts").paginate(UploadId=upload, **place)
    for page in _call(uri, lambda: list(pages)):
        for part in page.get("Parts", ()):
            index = part["PartNumber"] - 1
            if index < len(digest.parts) and _holds(part, digest, index):
                held[index] = part["ETag"]
    return upload, held


def _holds(part: dict[str, Any], digest: _Digest, index: int) -> bool:
    if part["Size"] != min(digest.part_bytes, digest.size - index * digest.part_bytes):
        return False
    # S3 lists the checksum. A server that does not still lists the MD5, which is enough to recognise a part.
    if checksum := part.get("ChecksumSHA256"):
        return checksum == digest.parts[index]
    return part["ETag"].strip('"') == digest.md5s[index]


def _digest(path: Path) -> _Digest:
    size = path.stat().st_size
    part_bytes = max(PART_BYTES, -(-size // _MAX_PARTS))
    whole, parts, md5s = hashlib.sha256(), [], []
    for part in _parts(path, part_bytes):
        whole.update(part)
        parts.append(base64.b64encode(hashlib.sha256(part).digest()).decode())
        md5s.append(hashlib.md5(part, usedforsecurity=False).hexdigest())
    return _Digest(size, whole.hexdigest(), part_bytes, tuple(parts), tuple(md5s))


def _parts(path: Path, part_bytes: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while part := file.read(part_bytes):
            yield part


def _part(path: Path, part_bytes: int, index: int) -> bytes:
    with path.open("rb") as file:
        file.seek(index * part_bytes)
        return file.read(part_bytes)


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
