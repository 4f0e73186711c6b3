import pytest

from model_packaging.findings import FindingsError
from scaletozero.sandbox.cluster.definitions import read_definitions


def test_a_folder_without_definitions(tmp_path):
    (tmp_path / "a.yaml").write_text("kind: ConfigMap\n")
    with pytest.raises(FindingsError, match="holds the definitions"):
        read_definitions(tmp_path)


def test_a_file_that_is_no_yaml(tmp_path):
    (tmp_path / "a.yaml").write_text("kind: {")
    with pytest.raises(FindingsError, match="must be YAML"):
        read_definitions(tmp_path)


def test_definitions_are_found_among_other_documents(tmp_path):
    (tmp_path / "a.yaml").write_text(
        "---\nkind: CustomResourceDefinition\nmetadata: {name: a}\n---\nkind: Other\n---\n"
    )
    assert [each["metadata"]["name"] for each in read_definitions(tmp_path)] == ["a"]
