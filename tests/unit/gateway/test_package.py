"""The code of a gateway's function: whole, small, the same each time, and for Lambda's platform alone."""

import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grimp
import pytest
from botocore.loaders import Loader
from botocore.regions import EndpointResolver

from model_packaging.findings import FindingsError
from scaletozero.gateway import package
from scaletozero.gateway.package import ABOUT, HANDLER, MOST_BYTES, WHEELS, build_package, read_package

PROGRAM = "scaletozero.gateway.service.function"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> package.Package:
    return build_package(tmp_path_factory.mktemp("packages"))


def names(path: Path) -> dict[str, zipfile.ZipInfo]:
    with zipfile.ZipFile(path) as archive:
        return {each.filename: each for each in archive.infolist()}


def test_it_has_every_module_that_the_program_can_import(built: package.Package) -> None:
    graph = grimp.build_graph("scaletozero", "model_packaging", include_external_packages=True)
    modules = {PROGRAM, *graph.find_upstream_modules(PROGRAM)}
    own = {each for each in modules if each.split(".")[0] in package.ROOMS}
    assert len(own) > 50
    inside = set(names(built.path))
    missing = [
        each for each in own if not {f"{each.replace('.', '/')}.py", f"{each.replace('.', '/')}/__init__.py"} & inside
    ]
    assert missing == []
    assert not [each for each in inside if each.startswith(("pulumi", "boto3", "moto"))]
    assert not [each for each in inside if each.startswith("scaletozero/") and "pulumi" in each]


def test_it_is_small_and_says_what_it_is_for(built: package.Package) -> None:
    found = names(built.path)
    assert sum(each.file_size for each in found.values()) < MOST_BYTES / 5
    assert built.path.stat().st_size < 15e6
    assert found[HANDLER].external_attr >> 16 == 0o755
    with zipfile.ZipFile(built.path) as archive:
        about = json.loads(archive.read(ABOUT))
    assert about["runtime"] in {"python3.11", "python3.12", "python3.13", "python3.14"}
    assert about["architecture"] in {"x86_64", "arm64"}
    assert {"botocore", "pydantic-core"} <= set(about["distributions"])
    assert "genai-prices" not in about["distributions"]  # the prices that are declared come with the settings
    assert read_package(built.path) == built
    # Compiled for what Lambda starts it with; a start would otherwise compile all of it.
    assert any(each.startswith("scaletozero/gateway/service/__pycache__/door.") for each in found)


def test_the_same_installation_makes_the_same_file(built: package.Package, tmp_path: Path) -> None:
    again = build_package(tmp_path)
    assert again.path.name == built.path.name
    assert again.path.read_bytes() == built.path.read_bytes()


def test_of_botocores_services_it_has_those_that_the_program_calls(built: package.Package) -> None:
    services = {each.split("/")[2] for each in names(built.path) if each.startswith("botocore/data/")}
    assert {each for each in services if "." not in each} == set(package.SERVICES)
    assert "endpoints.json" in services


def test_botocore_finds_there_what_it_finds_here_but_for_descriptions(built: package.Package, tmp_path: Path) -> None:
    with zipfile.ZipFile(built.path) as archive:
        archive.extractall(tmp_path, [each for each in archive.namelist() if each.startswith("botocore/data/")])
    there, here = Loader(include_default_search_paths=False), Loader()
    there.search_paths.append(str(tmp_path / "botocore" / "data"))
    resolvers = [EndpointResolver(each.load_data("endpoints")) for each in (there, here)]
    for service, name in package.SERVICES.items():
        found, whole = (each.load_service_model(service, "service-2") for each in (there, here))
        assert "documentation" not in json.dumps(found).replace('"documentation": {', "")
        assert {**found["metadata"]} == {**whole["metadata"]}
        assert found["operations"].keys() == whole["operations"].keys()
        assert {name: each["type"] for name, each in found["shapes"].items()} == {
            name: each["type"] for name, each in whole["shapes"].items()
        }
        for region in ("eu-central-1", "cn-north-1", "us-gov-west-1"):
            assert resolvers[0].construct_endpoint(name, region) == resolvers[1].construct_endpoint(name, region)


@pytest.mark.parametrize(
    ("tag", "fits"),
    [
        ("cp311-cp311-manylinux2014_x86_64", True),
        ("cp311-cp311-manylinux_2_17_x86_64", True),
        ("cp311-cp311-manylinux_2_17_aarch64", False),
        ("cp311-cp311-manylinux_2_39_x86_64", False),
        ("cp311-cp311-musllinux_1_2_x86_64", False),
        ("cp311-cp311-macosx_11_0_arm64", False),
        ("cp311-cp311-linux_x86_64", False),
    ],
)
def test_a_compiled_library_is_for_lambdas_platform(tag: str, fits: bool) -> None:
    assert package._fits(tag, "x86_64") is fits


def compiled_elsewhere(name: str, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    library: Any = SimpleNamespace(version=version, read_text=lambda _: "Tag: cp311-cp311-macosx_11_0_arm64", files=())
    monkeypatch.setattr(package, "_libraries", lambda: {name: library})


def test_one_for_another_platform_is_refused_with_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_elsewhere("pydantic-core", "9.9", monkeypatch)
    monkeypatch.delenv(WHEELS, raising=False)
    with pytest.raises(FindingsError, match=r"pip download .*manylinux2014_aarch64.* -d wheels pydantic-core==9\.9"):
        build_package(tmp_path, "arm64")


def test_one_for_another_platform_comes_from_a_folder_of_wheels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled_elsewhere("pydantic-core", "9.9", monkeypatch)
    python = f"cp{package.sys.version_info[0]}{package.sys.version_info[1]}"
    for machine in ("x86_64", "aarch64"):
        wheel = tmp_path / f"pydantic_core-9.9-{python}-{python}-manylinux_2_17_{machine}.manylinux2014_{machine}.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.writestr("pydantic_core/_core.so", machine)
            archive.writestr("../outside.py", "no")
    monkeypatch.setenv(WHEELS, str(tmp_path))
    made = build_package(tmp_path / "made", "arm64")
    assert made.architecture == "arm64"
    with zipfile.ZipFile(made.path) as archive:
        assert archive.read("pydantic_core/_core.so") == b"aarch64"
        assert not [each for each in archive.namelist() if "outside" in each]


def test_another_machine_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FindingsError, match="must be packaged for x86_64 or arm64"):
        build_package(tmp_path, "riscv64")


def test_a_release_of_python_that_lambda_has_not_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "RUNTIMES", {(3, 99): (2, 34)})
    with pytest.raises(FindingsError, match=r"by a Python that Lambda has.*use one of 3\.99"):
        build_package(tmp_path)


@pytest.mark.parametrize("content", [None, b"no zip", b"PK"])
def test_what_is_no_package_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "some.zip"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(FindingsError, match="must be a zip file that this distribution made"):
        read_package(path)
