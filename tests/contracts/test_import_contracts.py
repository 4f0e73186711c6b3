"""The contracts on imports hold, and each of them fails when an import is added against it."""

from pathlib import Path
from typing import Any

import grimp
import pytest
from importlinter.api import read_configuration
from importlinter.contracts.forbidden import ForbiddenContract
from importlinter.contracts.independence import IndependenceContract
from importlinter.contracts.layers import LayersContract

ROOT = Path(__file__).resolve().parents[2]
CONFIGURATION = read_configuration(str(ROOT / "pyproject.toml"))
OPTIONS: dict[str, Any] = CONFIGURATION["session_options"]
CONTRACTS: dict[str, dict[str, Any]] = {each["id"]: each for each in CONFIGURATION["contracts_options"]}
TYPES = {"layers": LayersContract, "forbidden": ForbiddenContract, "independence": IndependenceContract}

AGAINST = {
    "components": [
        ("scaletozero.settings.names", "scaletozero.cli.output"),
        ("scaletozero.endpoints.model", "scaletozero.environment.read"),
        ("scaletozero.kubernetes.plan", "scaletozero.sandbox.daemon"),
        ("scaletozero.component", "scaletozero.spending.prices"),
    ],
    "packaging-below": [("model_packaging.findings", "scaletozero.settings.names")],
    "packaging": [
        ("model_packaging.serving.request", "model_packaging.findings"),
        ("model_packaging.artifact.manifest", "model_packaging.pipeline"),
    ],
    "face-of-scaletozero": [("scaletozero.settings.names", "scaletozero")],
    "face-of-model-packaging": [("model_packaging.artifact.reader", "model_packaging")],
    "warm-nodes-and-endpoints": [
        ("scaletozero.scaling.warm_pool", "scaletozero.cluster.objects"),
        ("scaletozero.cluster.objects", "scaletozero.scaling.timeline"),
    ],
    "pure": [("scaletozero.settings.names", "pulumi"), ("scaletozero.kubernetes.plan", "boto3")],
    "serving": [("model_packaging.serving.server", "pydantic")],
    "sandbox-on-its-own": [
        ("scaletozero.sandbox.aws.gate", "scaletozero.settings.names"),
        ("scaletozero.sandbox.providers.check", "scaletozero.endpoints.kind"),
    ],
}
"""Contract -> an importer and what it must not import. Each of the modules exists."""


@pytest.fixture(scope="module")
def graph() -> grimp.ImportGraph:
    packages = OPTIONS["root_packages"]
    return grimp.build_graph(*packages, include_external_packages=True, cache_dir=None)


def kept(contract: str, graph: grimp.ImportGraph) -> bool:
    options = CONTRACTS[contract]
    checked = TYPES[options["type"]](name=options["name"], session_options=OPTIONS, contract_options=options)
    return checked.check(graph, verbose=False).kept


def test_every_contract_is_tried() -> None:
    assert set(AGAINST) == set(CONTRACTS)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_a_contract_holds(contract: str, graph: grimp.ImportGraph) -> None:
    assert kept(contract, graph)


@pytest.mark.parametrize(
    ("contract", "importer", "imported"), [(contract, *pair) for contract, pairs in AGAINST.items() for pair in pairs]
)
def test_it_fails_when_an_import_is_added_against_it(
    contract: str, importer: str, imported: str, graph: grimp.ImportGraph
) -> None:
    assert {importer, imported} <= graph.modules
    assert not graph.direct_import_exists(importer=importer, imported=imported)
    graph.add_import(importer=importer, imported=imported)
    try:
        assert not kept(contract, graph)
    finally:
        graph.remove_import(importer=importer, imported=imported)


def test_a_room_that_stands_in_no_row_is_refused(graph: grimp.ImportGraph) -> None:
    for contract, module in (("components", "scaletozero.attic"), ("packaging", "model_packaging.attic")):
        graph.add_module(module)
        try:
            assert not kept(contract, graph)
        finally:
            graph.remove_module(module)


def test_lazy_and_type_checking_imports_count(graph: grimp.ImportGraph) -> None:
    """The order is that of what the code says, wherever it says it."""
    lazy = ("scaletozero.environment.read", "scaletozero.kubernetes.facts.read")
    typing_only = ("scaletozero.cli.clusters", "scaletozero.settings.cluster")
    for importer, imported in (lazy, typing_only):
        assert graph.direct_import_exists(importer=importer, imported=imported)
