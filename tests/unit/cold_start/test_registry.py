"""The size and layers of an image, asked of a registry on loopback; and registries that refuse, lie or never end."""

import json
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from image_registry import ImageRegistry, digest_of, image_registry, index, manifest, reply

from model_packaging.artifact.oci import MANIFEST_BYTES
from model_packaging.findings import Finding, FindingsError
from scaletozero.cold_start import registry as module
from scaletozero.cold_start.image import content_of
from scaletozero.cold_start.registry import read_image, reference_of

SECRET = "Basic c2VjcmV0OnNlY3JldA=="


@pytest.fixture
def registry() -> Iterator[ImageRegistry]:
    with image_registry() as found:
        yield found


def refused(image: str, **how: Any) -> Finding:
    with pytest.raises(FindingsError) as error:
        read_image(image, **how)
    (found,) = error.value.findings
    assert "t0ken" not in str(found)
    assert "c2VjcmV0" not in str(found)
    return found


def test_size_layers_and_digest_are_those_of_the_manifest(registry: ImageRegistry) -> None:
    digest = registry.add(manifest(4_000_000_000, 500_000_000, 500_000_000), "1")
    found = read_image(registry.image())
    assert found.digest == digest
    assert found.gb == 5
    assert [each.size for each in found.layers] == [4_000_000_000, 500_000_000, 500_000_000]
    assert found.largest == 0.8
    assert found.gzipped


@pytest.mark.parametrize(
    ("ending", "compression"), [("+gzip", "gzip"), (".gzip", "gzip"), ("+zstd", "zstd"), ("", "none")]
)
def test_the_compression_of_layers(registry: ImageRegistry, ending: str, compression: str) -> None:
    registry.add(manifest(10, compression=ending), "1")
    found = read_image(registry.image())
    assert [each.compression for each in found.layers] == [compression]
    assert found.gzipped == (compression == "gzip")


def test_nothing_is_asked_for_but_the_manifest(registry: ImageRegistry) -> None:
    registry.add(manifest(10), "1")
    read_image(registry.image())
    assert registry.asked == [("/v2/team/vllm/manifests/1", None)]


def test_a_digest_comes_before_a_tag_and_is_verified(registry: ImageRegistry) -> None:
    digest = registry.add(manifest(10))
    assert read_image(registry.image(f":other@{digest}")).digest == digest
    registry.manifests[digest] = manifest(11)
    found = refused(registry.image(f"@{digest}"))
    assert found.rule == "must be what its digest says"
    assert found.got == digest_of(manifest(11))


def test_an_index_leads_to_the_image_for_amd64(registry: ImageRegistry) -> None:
    arm, amd = registry.add(manifest(1)), registry.add(manifest(2))
    registry.add(index(arm64=arm, amd64=amd), "1")
    assert read_image(registry.image()).digest == amd


def test_an_index_without_amd64_is_refused(registry: ImageRegistry) -> None:
    registry.add(index(arm64=registry.add(manifest(1))), "1")
    found = refused(registry.image())
    assert (found.rule, found.got) == ("must have a manifest for linux/amd64", "linux/arm64")


def test_an_index_in_an_index_is_refused(registry: ImageRegistry) -> None:
    registry.add(index(amd64=registry.add(index(amd64=digest_of(b"")))), "1")
    assert refused(registry.image()).got == "an index in an index"


def test_the_manifest_that_an_index_names_is_verified(registry: ImageRegistry) -> None:
    digest = registry.add(manifest(1))
    registry.add(index(amd64=digest), "1")
    registry.manifests[digest] = manifest(2)
    assert refused(registry.image()).rule == "must be what its digest says"


def test_a_token_is_asked_for_anonymously(registry: ImageRegistry) -> None:
    registry.add(index(amd64=registry.add(manifest(7))), "1")
    registry.needs_token()
    assert read_image(registry.image()).layers[0].size == 7
    assert [said for _, said in registry.asked] == [None, None, "Bearer t0ken", "Bearer t0ken"]


@pytest.mark.parametrize("body", [b"{}", b'{"token": 7}', b'{"token": "a\\r\\nb"}', b'{"token": ""}', b"[]", b"no"])
def test_an_answer_without_a_token_is_refused(registry: ImageRegistry, body: bytes) -> None:
    registry.needs_token()
    registry.answers["/token"] = lambda handler: reply(handler, 200, body)
    assert refused(registry.image()).rule.startswith("its registry must")


def test_a_token_that_is_not_accepted_is_refused(registry: ImageRegistry) -> None:
    registry.needs_token()
    registry.token = "Bearer another"
    assert refused(registry.image()).got == "401, no access"
    assert len(registry.asked) == 3


@pytest.mark.parametrize(
    "realm", ["http://tokens.example.com/token", "ftp://127.0.0.1/token", "file:///etc/passwd", "tokens", ""]
)
def test_a_token_is_never_asked_for_in_plain_text(registry: ImageRegistry, realm: str) -> None:
    registry.token, registry.challenge = "Bearer x", f'Bearer realm="{realm}",service="test"'
    assert refused(registry.image()).rule.startswith(("the address that gives tokens", "its registry must"))
    assert len(registry.asked) == 1


def test_credentials_are_sent_only_when_they_are_asked_for(registry: ImageRegistry) -> None:
    registry.add(manifest(3), "1")
    registry.token, registry.challenge = SECRET, 'Basic realm="test"'
    hosts = []

    def credentials(host: str) -> str:
        hosts.append(host)
        return SECRET

    assert read_image(registry.image(), credentials).layers[0].size == 3
    assert hosts == [registry.host]
    assert [said for _, said in registry.asked] == [None, SECRET]


def test_credentials_are_not_sent_to_another_host_that_gives_tokens(registry: ImageRegistry) -> None:
    with image_registry() as tokens:
        tokens.answers["/token"] = lambda handler: reply(handler, 200, b'{"access_token": "t0ken"}')
        registry.add(manifest(3), "1")
        registry.token, registry.challenge = "Bearer t0ken", f'Bearer realm="http://{tokens.host}/token"'
        assert read_image(registry.image(), lambda host: SECRET).layers[0].size == 3
        assert [said for _, said in tokens.asked] == [None]


def test_without_credentials_a_registry_that_wants_them_is_refused(registry: ImageRegistry) -> None:
    registry.token, registry.challenge = SECRET, 'Basic realm="test"'
    found = refused(registry.image())
    assert "log in to AWS for Amazon ECR" in found.fix


@pytest.mark.parametrize(
    ("status", "got"),
    [
        (403, "403, no access"),
        (404, "404, not found"),
        (429, "429, too many requests"),
        (302, "302, a redirection"),
        (500, "500"),
        (204, "204"),
    ],
)
def test_a_registry_that_refuses(registry: ImageRegistry, status: int, got: str) -> None:
    path = "/v2/team/vllm/manifests/1"
    registry.answers[path] = lambda handler: reply(handler, status, b"", Location="http://example.com/")
    assert refused(registry.image()).got == got
    assert len(registry.asked) == 1


def test_a_manifest_of_gigabytes_is_refused_before_it_is_read(registry: ImageRegistry) -> None:
    path = "/v2/team/vllm/manifests/1"
    registry.answers[path] = lambda handler: reply(handler, 200, b"{", **{"Content-Length": str(8 * 10**9)})
    found = refused(registry.image())
    assert (found.rule, found.got) == (f"its manifest may have at most {MANIFEST_BYTES:,} bytes", "8,000,000,000")


def test_a_manifest_that_never_ends_is_refused_at_the_limit(registry: ImageRegistry) -> None:
    sent = []

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not registry.ended.is_set():
            handler.wfile.write(b" " * 65536)
            sent.append(65536)

    registry.answers["/v2/team/vllm/manifests/1"] = endless
    found = refused(registry.image())
    assert found.got == "more"
    assert sum(sent) >= MANIFEST_BYTES


def test_a_registry_that_does_not_answer(registry: ImageRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.2)
    registry.answers["/v2/team/vllm/manifests/1"] = lambda handler: _wait(registry.ended)
    assert refused(registry.image()).got == "nothing within 0.2 s"


def _wait(ended: threading.Event) -> None:
    ended.wait()


def test_an_answer_that_comes_too_slowly(registry: ImageRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TOTAL_SECONDS", -1)
    registry.add(manifest(10), "1")
    assert refused(registry.image()).got == "no whole answer within -1 s"


def test_a_registry_that_is_not_there() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert refused(f"127.0.0.1:{port}/team/vllm:1").got == "no connection"


def test_a_host_that_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert refused("registry.example.com/team/vllm:1").got == "a host that is not known"


def test_an_answer_that_breaks_off(registry: ImageRegistry) -> None:
    path = "/v2/team/vllm/manifests/1"
    registry.answers[path] = lambda handler: reply(handler, 200, b"{", **{"Content-Length": "100"})
    assert refused(registry.image()).rule.startswith("its registry must answer")


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"7", b"\xff", b"[" * 100_000, b"1" * 5000])
def test_an_answer_that_is_no_manifest(registry: ImageRegistry, body: bytes) -> None:
    registry.add(body, "1")
    assert refused(registry.image()).rule == "its registry must answer with a manifest"


@pytest.mark.parametrize(
    "written",
    [
        {},
        {"layers": None},
        {"layers": []},
        {"layers": {}},
        {"layers": ["a"]},
        {"layers": [{}]},
        {"layers": [{"size": -1}]},
        {"layers": [{"size": True}]},
        {"layers": [{"size": 1.5}]},
        {"layers": [{"size": "1"}]},
        {"layers": [{"size": 1}] * 1001},
        {"manifests": []},
        {"manifests": [7, {}, {"platform": 3}, {"platform": {"os": "linux", "architecture": "amd64"}}]},
        {"manifests": 7},
    ],
)
def test_a_manifest_that_is_none(registry: ImageRegistry, written: dict[str, Any]) -> None:
    registry.add(json.dumps(written).encode(), "1")
    assert str(refused(registry.image()))


@given(st.lists(st.integers(0, 10**12), min_size=1, max_size=40))
def test_an_image_is_as_large_as_its_layers(sizes: list[int]) -> None:
    found = content_of(json.loads(manifest(*sizes)), "sha256:0", "an image")
    assert found.gb == pytest.approx(sum(sizes) / 1e9)
    assert 0 <= found.largest <= 1


@pytest.mark.parametrize(
    ("image", "host", "path"),
    [
        ("docker.io/vllm/vllm-openai:v0.30.0", "registry-1.docker.io", "vllm/vllm-openai"),
        ("docker.io/python:3.13", "registry-1.docker.io", "library/python"),
        ("public.ecr.aws/vllm/vllm:v0.11.0", "public.ecr.aws", "vllm/vllm"),
        ("ghcr.io:443/a/b/c@sha256:" + "a" * 64, "ghcr.io:443", "a/b/c"),
    ],
)
def test_where_an_image_is(image: str, host: str, path: str) -> None:
    found = reference_of(image)
    assert (found.host, found.path) == (host, path)


@pytest.mark.parametrize("image", ["", "vllm", "vllm:1", "ghcr.io/a/b", "ghcr.io/A:1", "ghcr.io/a@sha256:1", "/a:1"])
def test_what_is_no_image(image: str) -> None:
    assert refused(image).path == "image"


@given(st.text(max_size=60))
def test_any_text_is_an_image_or_refused(text: str) -> None:
    try:
        found = reference_of(text)
    except FindingsError:
        return
    assert re.fullmatch(r"[a-z0-9._/-]+", found.repository)
