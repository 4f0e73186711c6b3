"""Images repacked in a real registry: their content is the same byte for byte, and what is not right is not pushed."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest
from image_registry import OCI_INDEX, ImageRegistry, image_registry, reply
from oci_registry import LAYER, OCI, ask, digest_of, gzipped, push_blob, push_image, running_registry, tar_of
from typer.testing import CliRunner

from model_packaging.findings import Finding, FindingsError
from scaletozero.cli import app
from scaletozero.cold_start import repack as module
from scaletozero.cold_start.blobs import Blobs
from scaletozero.cold_start.registry import read_image, reference_of
from scaletozero.cold_start.repack import repack

LAYERS = [
    tar_of(base=random.Random(1).randbytes(3_000_000), etc=b"x" * 400_000),
    tar_of(library__so=b"code " * 100_000),
    tar_of(app__py=b"print()"),
]
DIFF_IDS = [digest_of(each) for each in LAYERS]


@pytest.fixture(scope="module")
def host() -> Iterator[str]:
    with running_registry() as found:
        yield found


@pytest.fixture(scope="module")
def source(host: str) -> str:
    """An image with two gzip layers and one without."""
    layers = [(gzipped(each), "+gzip") for each in LAYERS[:2]] + [(LAYERS[2], "")]
    push_image(f"http://{host}/v2/team/vllm", "1", *layers, diff_ids=DIFF_IDS, annotations={"by": "us"})
    return f"{host}/team/vllm:1"


def refused(source: str, target: str) -> Finding:
    with pytest.raises(FindingsError) as error:
        repack(source, target)
    (found,) = error.value.findings
    return found


def test_the_size_of_an_image_in_a_real_registry(host: str, source: str) -> None:
    found = read_image(source)
    assert [each.size for each in found.layers] == [len(gzipped(each)) for each in LAYERS[:2]] + [len(LAYERS[2])]
    assert [each.compression for each in found.layers] == ["gzip", "gzip", "none"]


def test_a_repacked_image_has_the_same_content_byte_for_byte(host: str, source: str) -> None:
    printed = CliRunner().invoke(app, ["repack", source, f"{host}/team/plain:1", "--json"])
    assert printed.exit_code == 0, printed.output
    found = json.loads(printed.stdout)
    assert found["after"]["layers"] == 3
    assert found["before"]["digest"] == read_image(source).digest
    url = f"http://{host}/v2/team/plain"
    body = ask("GET", f"{url}/manifests/1").data
    assert digest_of(body) == found["after"]["digest"]
    made = json.loads(body)
    assert [each["mediaType"] for each in made["layers"]] == [LAYER] * 3
    assert [ask("GET", f"{url}/blobs/{each['digest']}").data for each in made["layers"]] == LAYERS
    before = json.loads(ask("GET", f"http://{host}/v2/team/vllm/manifests/1").data)
    assert made["config"] == before["config"], "the image is the same to a container runtime"
    config = ask("GET", f"{url}/blobs/{made['config']['digest']}").data
    assert json.loads(config)["rootfs"]["diff_ids"] == DIFF_IDS
    assert made["annotations"] == {"by": "us"}
    again = repack(f"{host}/team/plain:1", f"{host}/team/plain:2")
    assert again.before == again.after, "what is uncompressed already stays as it is"


def test_of_an_index_the_image_for_amd64_is_repacked(host: str, source: str) -> None:
    repository = f"http://{host}/v2/team/vllm"
    other = push_image(repository, "arm", (LAYERS[2], ""), diff_ids=DIFF_IDS[2:])
    digests = {"arm64": other, "amd64": read_image(source).digest}
    listed = [
        {"mediaType": OCI, "digest": digest, "size": 1, "platform": {"os": "linux", "architecture": name}}
        for name, digest in digests.items()
    ]
    body = json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": listed}).encode()
    assert ask("PUT", f"{repository}/manifests/both", body, OCI_INDEX).status == 201
    assert read_image(f"{host}/team/vllm:both") == read_image(source)
    found = repack(f"{host}/team/vllm:both", f"{host}/team/vllm:plain")
    assert (found.before, found.after) == (read_image(source), read_image(f"{host}/team/vllm:plain"))
    assert [each.size for each in found.after.layers] == [len(each) for each in LAYERS]


def wrong(host: str, name: str, *layers: tuple[bytes, str], **how: Any) -> str:
    push_image(f"http://{host}/v2/team/{name}", "1", *layers, **{"diff_ids": DIFF_IDS[:1], **how})
    return f"{host}/team/{name}:1"


@pytest.mark.parametrize(
    ("name", "layer", "how", "says"),
    [
        ("other", (gzipped(LAYERS[0]), "+gzip"), {"diff_ids": DIFF_IDS[1:2]}, "must be what its configuration says"),
        ("fewer", (gzipped(LAYERS[0]), "+gzip"), {"diff_ids": []}, "`diff_id` for each of its 1 layers"),
        ("no-gzip", (LAYERS[0], "+gzip"), {}, "that says that it is gzip must be"),
        ("half", (gzipped(LAYERS[0])[:-9], "+gzip"), {}, "that says that it is gzip must be"),
        ("zstd", (LAYERS[0], "+zstd"), {}, "must be gzip or uncompressed"),
        ("no-tar", (gzipped(b"x" * 999), "+gzip"), {"diff_ids": [digest_of(b"x" * 999)]}, "must be tar archives"),
    ],
)
def test_what_is_not_what_it_says_is_not_pushed(
    host: str, name: str, layer: tuple[bytes, str], how: dict[str, Any], says: str
) -> None:
    assert says in str(refused(wrong(host, name, layer, **how), f"{host}/team/{name}:2"))
    assert ask("GET", f"http://{host}/v2/team/{name}/manifests/2").status == 404


def test_an_image_with_weights_is_refused(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "WEIGHTS_BYTES", 5000)
    content = tar_of(small__safetensors=b"x" * 4999, model__safetensors=b"x" * 5000)
    image = wrong(host, "weights", (gzipped(content), "+gzip"), diff_ids=[digest_of(content)])
    found = refused(image, f"{host}/team/weights:2")
    assert (found.rule, found.got.partition(",")[0]) == ("must not have the weights of a model", "model.safetensors")


def test_a_target_without_a_new_tag_is_refused(host: str, source: str) -> None:
    assert refused(source, source).rule == "must be another image than the source"
    assert refused(source, f"{host}/team/vllm@{DIFF_IDS[0]}").rule == "must have a new tag, and no digest"


@pytest.mark.parametrize(("size", "says"), [(-1, "more bytes"), (1, "instead of")])
def test_a_layer_of_another_size_is_refused(host: str, size: int, says: str) -> None:
    repository = f"http://{host}/v2/team/sizes"
    push_image(repository, "1", (LAYERS[2], ""), diff_ids=DIFF_IDS[2:])
    made = json.loads(ask("GET", f"{repository}/manifests/1").data)
    made["layers"][0]["size"] += size
    assert ask("PUT", f"{repository}/manifests/{says[:4]}", json.dumps(made).encode(), OCI).status == 201
    assert says in str(refused(f"{host}/team/sizes:{says[:4]}", f"{host}/team/sizes:new"))


@pytest.fixture
def stub() -> Iterator[ImageRegistry]:
    with image_registry() as found:
        yield found


def test_a_redirected_layer_is_read_without_our_credentials(host: str, stub: ImageRegistry) -> None:
    """As Amazon ECR does it, whose layers are in S3."""
    content = b"layer"
    digest = push_blob(f"http://{host}/v2/team/elsewhere", content)
    path = f"/v2/team/vllm/blobs/{digest}"
    stub.answers[path] = lambda handler: reply(
        handler, 307, Location=f"http://{stub.host}/there" if "there" not in handler.path else ""
    )
    stub.answers["/there"] = lambda handler: reply(handler, 200, content)
    repository = Blobs(reference_of(stub.image()), lambda _: None)
    repository._authorization = "Bearer secret"
    with repository.blob(digest, len(content)) as blob:
        assert blob.finish() is None
    assert stub.asked == [(path, "Bearer secret"), ("/there", None)]


@pytest.mark.parametrize("location", ["http://example.com/layer", "", "ftp://127.0.0.1/x"])
def test_a_redirection_to_somewhere_odd_is_refused(stub: ImageRegistry, location: str) -> None:
    stub.answers[f"/v2/team/vllm/blobs/{DIFF_IDS[0]}"] = lambda handler: reply(handler, 302, Location=location)
    with (
        pytest.raises(FindingsError, match=r"begins with https|a redirection to a redirection"),
        Blobs(reference_of(stub.image()), lambda _: None).blob(DIFF_IDS[0], 5),
    ):
        pass


@pytest.mark.parametrize(("status", "says"), [(403, "let it be pushed"), (404, "repository must exist"), (500, "500")])
def test_a_registry_that_takes_no_image(host: str, source: str, stub: ImageRegistry, status: int, says: str) -> None:
    stub.answers["/v2/team/vllm/blobs/uploads/"] = lambda handler: reply(handler, status)
    assert says in str(refused(source, stub.image(":new")))
