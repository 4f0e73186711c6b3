"""The bill of materials against CycloneDX's own schema."""

import json
from dataclasses import replace

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from model_packaging.artifact import sbom

MODEL = sbom.Model(
    "minilm",
    "1",
    "Apache-2.0",
    "sentence-embedding",
    family="transformer",
    architecture="BertModel",
    inputs=("application/json",),
    outputs=("application/json", "application/x-npy"),
    files=[sbom.Material("model.onnx", "0" * 64), sbom.Material("LICENSE", "1" * 64)],
    ancestors=[sbom.Ancestor("all-MiniLM-L6-v2", "0a1b", "2" * 64, "https://huggingface.co/sentence-transformers")],
    metrics=[sbom.Metric("cosine_mean", 0.9983), sbom.Metric("cosine_min", 0.9969, "scoring texts")],
    properties={"quantization": "dynamic int8"},
    libraries={"onnxruntime": "1.32.0", "numpy": "2.4.6"},
    source_date=0,
)


def faults(text: str) -> object:
    return JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)


def test_a_whole_bill() -> None:
    text = sbom.bill(MODEL, "0.1.0")
    document = json.loads(text)
    component = document["metadata"]["component"]
    assert faults(text) is None
    assert component["type"] == "machine-learning-model"
    assert component["licenses"] == [{"expression": "Apache-2.0"}]
    assert [file["name"] for file in component["components"]] == ["LICENSE", "model.onnx"]
    assert component["pedigree"]["ancestors"][0]["hashes"] == [{"alg": "SHA-256", "content": "2" * 64}]
    assert component["modelCard"]["modelParameters"]["task"] == "sentence-embedding"
    assert component["modelCard"]["quantitativeAnalysis"]["performanceMetrics"] == [
        {"type": "cosine_mean", "value": "0.9983"},
        {"type": "cosine_min", "value": "0.9969", "slice": "scoring texts"},
    ]
    assert component["modelCard"]["properties"] == [{"name": "scaletozero:quantization", "value": "dynamic int8"}]
    assert document["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"
    assert document["dependencies"] == [
        {"ref": "model", "dependsOn": ["pkg:pypi/numpy@2.4.6", "pkg:pypi/onnxruntime@1.32.0"]}
    ]


def test_the_least_that_can_be_said() -> None:
    text = sbom.bill(sbom.Model("m", "1", "LicenseRef-acme", "generic"), "0.1.0")
    assert faults(text) is None
    assert "timestamp" not in text
    assert "pedigree" not in text


def test_the_schema_does_refuse_something() -> None:
    document = json.loads(sbom.bill(MODEL, "0.1.0"))
    document["metadata"]["component"]["modelCard"]["colour"] = "blue"
    assert faults(json.dumps(document)) is not None


def test_the_serial_number_follows_from_the_content() -> None:
    one, same, other = (
        json.loads(sbom.bill(model, "0.1.0"))["serialNumber"]
        for model in (MODEL, replace(MODEL, files=MODEL.files[::-1]), replace(MODEL, version="2"))
    )
    assert one == same
    assert one != other


@pytest.mark.parametrize("licence", ["MIT", "MIT OR Apache-2.0", "LicenseRef-llama3.1"])
def test_licences(licence: str) -> None:
    assert faults(sbom.bill(replace(MODEL, licence=licence), "0.1.0")) is None


@settings(max_examples=30)
@given(st.text(min_size=1), st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_any_text_makes_a_valid_bill(name: str, architecture: str, properties: dict[str, str]) -> None:
    model = replace(MODEL, name=name, architecture=architecture, properties=properties)
    assert faults(sbom.bill(model, "0.1.0")) is None
