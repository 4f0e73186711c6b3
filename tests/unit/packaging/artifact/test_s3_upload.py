"""Publication against an S3 server in this process, broken in every way that matters."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ConnectionClosedError
from moto.server import ThreadedMotoServer

from model_packaging.artifact import s3_upload
from model_packaging.artifact.s3_upload import Destination
from model_packaging.findings import FindingsError

PART = 5 * 2**20
HERE = Destination("models", ["eu-west-1"])


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", server)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    monkeypatch.setattr(s3_upload, "PART_BYTES", PART)
    client = boto3.client("s3", config=Config(retries={"total_max_attempts": 1}))
    for bucket in client.list_buckets()["Buckets"]:
        for upload in client.list_multipart_uploads(Bucket=bucket["Name"]).get("Uploads", ()):
            client.abort_multipart_upload(Bucket=bucket["Name"], Key=upload["Key"], UploadId=upload["UploadId"])
        for found in client.list_objects_v2(Bucket=bucket["Name"]).get("Contents", ()):
            client.delete_object(Bucket=bucket["Name"], Key=found["Key"])
        client.delete_bucket(Bucket=bucket["Name"])
    client.create_bucket(Bucket="models", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    return client


@pytest.fixture
def archive(tmp_path: Path) -> dict[str, Path]:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(os.urandom(3 * PART + 17))
    return {"model.tar.gz": path}


def under(files: dict[str, Path]) -> str:
    return s3_upload.prefix("minilm", hashlib.sha256(next(iter(files.values())).read_bytes()).hexdigest())


def calls(client: Any, operation: str) -> list[dict]:
    made: list[dict] = []
    client.meta.events.register(f"before-parameter-build.s3.{operation}", lambda params, **_: made.append(dict(params)))
    return made


def rejected(*arguments: Any) -> str:
    with pytest.raises(FindingsError) as error:
        s3_upload.publish(*arguments)
    return str(error.value)


def test_a_small_file(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "model.tar.gz").write_bytes(b"small")
    files = {"model.tar.gz": tmp_path / "model.tar.gz"}
    [published] = s3_upload.publish(files, under(files), HERE, s3)
    digest = hashlib.sha256(b"small").hexdigest()
    assert published == s3_upload.Published(f"s3://models/models/minilm/{digest}/model.tar.gz", 5, digest, True)
    assert s3.get_object(Bucket="models", Key=f"models/minilm/{digest}/model.tar.gz")["Body"].read() == b"small"


def test_a_file_in_parts(s3: Any, archive: dict[str, Path]) -> None:
    arrived: list[int] = []
    [published] = s3_upload.publish(archive, under(archive), HERE, s3, arrived.append)
    body = s3.get_object(Bucket="models", Key=published.uri.removeprefix("s3://models/"))["Body"].read()
    assert body == archive["model.tar.gz"].read_bytes()
    assert sorted(arrived) == [17, PART, PART, PART]


def test_its_own_client_is_of_the_buckets_region(
    s3: Any, archive: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    regions = []
    client = boto3.client
    monkeypatch.setattr(boto3, "client", lambda *a, **k: regions.append(k.get("region_name")) or client(*a, **k))
    assert s3_upload.publish(archive, under(archive), HERE)[0].sent
    assert regions == [None, "eu-west-1"]


def test_what_is_there_already_is_not_sent_again(s3: Any, archive: dict[str, Path]) -> None:
    s3_upload.publish(archive, under(archive), HERE, s3)
    sent = [calls(s3, name) for name in ("PutObject", "UploadPart", "CreateMultipartUpload")]
    arrived: list[int] = []
    [again] = s3_upload.publish(archive, under(archive), HERE, s3, arrived.append)
    assert not again.sent
    assert sent == [[], [], []]
    assert arrived == [3 * PART + 17]


@pytest.mark.parametrize("content", [b"other", bytes(3 * PART + 17)])
def test_other_content_under_the_key(s3: Any, archive: dict[str, Path], content: bytes) -> None:
    key = f"{under(archive)}/model.tar.gz"
    s3.put_object(Bucket="models", Key=key, Body=content, ChecksumAlgorithm="SHA256")
    assert "must have this artifact or not exist, got" in rejected(archive, under(archive), HERE, s3)
    assert s3.get_object(Bucket="models", Key=key)["Body"].read() == content


def test_content_that_nobody_checked(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"small")
    s3.put_object(Bucket="models", Key="models/a", Body=b"small")
    s3.meta.events.register("after-call.s3.HeadObject", lambda parsed, **_: parsed.pop("ChecksumSHA256", None))
    assert "with SHA-256 unknown" in rejected({"a": tmp_path / "a"}, "models", HERE, s3)


def break_at(client: Any, number: int) -> None:
    seen = []

    def close(request: Any, **_: Any) -> None:
        seen.append(request.url)
        if len(seen) >= number:
            raise ConnectionClosedError(endpoint_url=request.url)

    client.meta.events.register("before-send.s3.UploadPart", close, unique_id="break")


def test_an_upload_broken_half_way_continues(
    s3: Any, archive: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(s3_upload, "_WORKERS", 1)
    break_at(s3, 3)
    assert "the connection must not break" in rejected(archive, under(archive), HERE, s3)
    assert "Contents" not in s3.list_objects_v2(Bucket="models")
    s3.meta.events.unregister("before-send.s3.UploadPart", unique_id="break")
    uploads, created = calls(s3, "UploadPart"), calls(s3, "CreateMultipartUpload")
    [published] = s3_upload.publish(archive, under(archive), HERE, s3)
    assert published.sent
    assert [upload["PartNumber"] for upload in uploads] == [3, 4]
    assert created == []
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="models")


def test_a_part_that_arrived_wrong_is_sent_again(s3: Any, archive: dict[str, Path]) -> None:
    key = f"{under(archive)}/model.tar.gz"
    upload = s3.create_multipart_upload(Bucket="models", Key=key, ChecksumAlgorithm="SHA256")["UploadId"]
    first = archive["model.tar.gz"].read_bytes()[:PART]
    for number, body in ((1, first), (2, bytes(PART)), (3, b"short")):
        s3.upload_part(Bucket="models", Key=key, UploadId=upload, PartNumber=number, Body=body)
    uploads = calls(s3, "UploadPart")
    assert s3_upload.publish(archive, under(archive), HERE, s3)[0].sent
    assert sorted(sent["PartNumber"] for sent in uploads) == [2, 3, 4]


def test_the_checksum_that_s3_lists_decides_over_the_tag() -> None:
    digest = s3_upload._Digest(4, "", 4, ("right",), ("md5",))
    assert s3_upload._holds({"PartNumber": 1, "Size": 4, "ETag": '"kms"', "ChecksumSHA256": "right"}, digest, 0)
    assert not s3_upload._holds({"PartNumber": 1, "Size": 4, "ETag": '"md5"', "ChecksumSHA256": "wrong"}, digest, 0)


@pytest.mark.parametrize("size", [5, 3 * PART + 17])
def test_somebody_else_was_faster(s3: Any, tmp_path: Path, size: int) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(os.urandom(size))
    files, done = {"model.tar.gz": path}, []

    def first(**_: Any) -> None:
        if not done:
            done.append(True)
            other = boto3.client("s3")
            s3_upload.publish(files, under(files), HERE, other)

    for operation in ("PutObject", "CreateMultipartUpload"):
        s3.meta.events.register(f"before-parameter-build.s3.{operation}", first)
    [published] = s3_upload.publish(files, under(files), HERE, s3)
    assert not published.sent
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="models")


def test_a_bucket_in_the_wrong_region(s3: Any, archive: dict[str, Path]) -> None:
    message = rejected(archive, under(archive), Destination("models", ["eu-central-1", "eu-north-1"]), s3)
    assert "bucket models: must be in one of eu-central-1, eu-north-1, got eu-west-1" in message
    assert "Contents" not in s3.list_objects_v2(Bucket="models")


def test_no_region_at_all(s3: Any, archive: dict[str, Path]) -> None:
    assert "must be in one of none, got eu-west-1" in rejected(archive, under(archive), Destination("models", []), s3)


def test_a_bucket_that_does_not_exist(s3: Any, archive: dict[str, Path]) -> None:
    assert "bucket nowhere: must exist" in rejected(archive, under(archive), Destination("nowhere"), s3)


def test_no_permission(s3: Any, archive: dict[str, Path]) -> None:
    def deny(**_: Any) -> Any:
        answer = type("Answer", (), {"status_code": 403})()
        return answer, {"Error": {"Code": "AccessDenied", "Message": "no"}, "ResponseMetadata": {"HTTPStatusCode": 403}}

    s3.meta.events.register("before-call.s3.CreateMultipartUpload", deny)
    assert "S3 must accept the request, got AccessDenied: no" in rejected(archive, under(archive), HERE, s3)


def test_no_network(s3: Any, archive: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    client = boto3.client("s3", config=Config(retries={"total_max_attempts": 1}, connect_timeout=1))
    assert "the connection must not break" in rejected(archive, under(archive), HERE, client)


def test_a_missing_and_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"")
    assert rejected({"a": tmp_path / "a", "b": tmp_path / "empty"}, "models", HERE, None).count("with content") == 2


@pytest.mark.parametrize("size", [5, 3 * PART + 17])
def test_encryption(s3: Any, tmp_path: Path, size: int) -> None:
    path = tmp_path / "model.tar.gz"
    path.write_bytes(os.urandom(size))
    [published] = s3_upload.publish({"m": path}, "models", Destination("models", kms_key="alias/models"), s3)
    head = s3.head_object(Bucket="models", Key=published.uri.removeprefix("s3://models/"))
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "alias/models")


def test_what_is_there_but_not_encrypted(s3: Any, archive: dict[str, Path]) -> None:
    s3_upload.publish(archive, under(archive), HERE, s3)
    message = rejected(archive, under(archive), Destination("models", kms_key="alias/models"), s3)
    assert "must be encrypted with KMS" in message


@pytest.mark.parametrize("name", ["", "Up", "a/b", "-a", "a--b", "../a"])
def test_a_name_that_is_no_key(name: str) -> None:
    with pytest.raises(FindingsError, match="name: must be lower-case"):
        s3_upload.prefix(name, "0" * 64)


def test_a_digest_that_is_none() -> None:
    with pytest.raises(FindingsError, match="sha256: must be 64"):
        s3_upload.prefix("a", "latest")


def test_a_folder(s3: Any, tmp_path: Path) -> None:
    (tmp_path / "m" / "1_Pooling").mkdir(parents=True)
    for name in ("config.json", "1_Pooling/config.json"):
        (tmp_path / "m" / name).write_text(name)
    files = s3_upload.folder_files(tmp_path / "m")
    sums = "".join(
        f"{hashlib.sha256(name.encode()).hexdigest()}  {name}\n" for name in ("1_Pooling/config.json", "config.json")
    )
    assert s3_upload.folder_digest(files) == hashlib.sha256(sums.encode()).hexdigest()
    published = s3_upload.publish(files, s3_upload.prefix("m", s3_upload.folder_digest(files)), HERE, s3)
    assert [each.uri.partition("/m/")[2][65:] for each in published] == ["1_Pooling/config.json", "config.json"]


def test_a_folder_with_a_link(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("/etc/hostname")
    with pytest.raises(FindingsError, match="must be a regular file"):
        s3_upload.folder_files(tmp_path)


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="must contain files"):
        s3_upload.folder_files(tmp_path)
