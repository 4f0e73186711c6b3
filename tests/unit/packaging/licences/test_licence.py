"""Who says which licence, who wins, and what is refused."""

from email.message import Message
from importlib.metadata import PathDistribution
from pathlib import Path

import pytest
from hypothesis import given as examples
from hypothesis import strategies as st

from model_packaging.findings import FindingsError
from model_packaging.licences import licence, licence_texts
from model_packaging.licences.licence import Claim

AGPL = (
    "GNU AFFERO GENERAL PUBLIC LICENSE\n   Version 3, 19 November 2007\n\n Copyright (C) 2007 Free Software Foundation"
)
MIT = """MIT License

Permission is hereby granted, free of charge, to any person obtaining a copy of this software"""
APACHE = "\n                Apache License\n          Version 2.0, January 2004\n      http://www.apache.org/licenses/"


def rejected(claims: list[Claim], given: str | None = None) -> str:
    with pytest.raises(FindingsError) as error:
        licence.decide(claims, given)
    return str(error.value)


def package(
    folder: Path, said: dict[str, str], files: dict[str, str], brought: str = "m/model.onnx"
) -> PathDistribution:
    information = folder / "m-1.0.dist-info"
    information.mkdir(parents=True)
    metadata = Message()
    for key, value in {"Metadata-Version": "2.1", "Name": "m", "Version": "1.0", **said}.items():
        metadata[key] = value
    for name, text in files.items():
        metadata["License-File"] = name
        (information / name).write_text(text)
    (information / "METADATA").write_text(metadata.as_string())
    (information / "RECORD").write_text(f"{brought},,\nm-1.0.dist-info/METADATA,,\n")
    (folder / brought).parent.mkdir(parents=True, exist_ok=True)
    (folder / brought).write_bytes(b"")
    return PathDistribution(information)


@pytest.mark.parametrize(
    ("name", "expression"),
    [
        ("apache-2.0", "Apache-2.0"),
        ("MIT License", "MIT"),
        ("Apache 2.0", "Apache-2.0"),
        ("Apache License, Version 2.0", "Apache-2.0"),
        ("Apache Software License", "Apache-2.0"),
        ("mit OR apache-2.0", "MIT OR Apache-2.0"),
        ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("llama3.1", "LicenseRef-llama3.1"),
        ("creativeml-openrail-m", "LicenseRef-creativeml-openrail-m"),
        ("openrail++", "LicenseRef-openrail"),
        ("odc-by", "ODC-By-1.0"),
        ("gemma", "LicenseRef-gemma"),
        ("Our own! terms", "LicenseRef-our-own-terms"),
        ("unknown", None),
        ("other", None),
        (" ", None),
    ],
)
def test_names(name: str, expression: str | None) -> None:
    assert licence_texts.from_name(name) == expression


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        (AGPL, "AGPL-3.0-only"),
        (MIT, "MIT"),
        (APACHE, "Apache-2.0"),
        ("LLAMA 3.1 COMMUNITY LICENSE AGREEMENT\nLlama 3.1 Version Release Date: July 23, 2024", "LicenseRef-llama3.1"),
        ("Creative Commons Attribution-NonCommercial 4.0 International Public License", "CC-BY-NC-4.0"),
        ("Creative Commons Attribution 4.0 International Public License", "CC-BY-4.0"),
        ("Gemma Terms of Use \n Last modified", "LicenseRef-gemma"),
        ("Redistribution and use in source and binary forms ... Neither the name of the holder", "BSD-3-Clause"),
        ("Redistribution and use in source and binary forms, with or without modification", "BSD-2-Clause"),
        ("All rights reserved.", None),
    ],
)
def test_texts(text: str, expression: str | None) -> None:
    assert licence_texts.from_text(text) == expression


@examples(st.text(max_size=200))
def test_any_name_gives_an_expression_or_nothing(name: str) -> None:
    expression = licence_texts.from_name(name)
    assert expression is None or licence_texts.from_name(expression) == expression


def test_the_card_of_the_model(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlanguage: en\nlicense: apache-2.0\n---\n# A model\n")
    (tmp_path / "LICENSE").write_text(APACHE)
    claims = licence.of_folder(tmp_path)
    assert claims == [Claim("Apache-2.0", "README.md", "model"), Claim("Apache-2.0", "LICENSE", "model")]
    assert licence.decide(claims).source == "README.md"


def test_a_card_that_names_its_own_licence(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: other\nlicense_name: acme-terms\n---\n")
    assert licence.of_folder(tmp_path) == [Claim("LicenseRef-acme-terms", "README.md", "model")]


def test_a_card_with_several_licences_needs_them_all(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("---\nlicense: [mit, cc-by-nc-4.0]\n---\n")
    assert "got MIT AND CC-BY-NC-4.0 in README.md" in rejected(licence.of_folder(tmp_path))


@pytest.mark.parametrize(
    "card", ["# A model", "---\nlicense: [\n---\n", "---\n- list\n---\n", "---\nlicense: unknown\n---\n", ""]
)
def test_a_card_that_says_nothing(tmp_path: Path, card: str) -> None:
    (tmp_path / "README.md").write_text(card)
    assert licence.of_folder(tmp_path) == []


def test_a_licence_file_that_is_not_known_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_bytes(b"\xff\xfe all rights reserved")
    assert licence.of_folder(tmp_path) == []


def test_a_licence_that_is_a_link_out_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "m").mkdir()
    (tmp_path / "secret").write_text(MIT)
    (tmp_path / "m" / "LICENSE").symlink_to(tmp_path / "secret")
    with pytest.raises(FindingsError, match="must be inside the folder"):
        licence.of_folder(tmp_path / "m")


def test_an_expression_wins_over_the_field_and_the_classifier(tmp_path: Path) -> None:
    said = {
        "License-Expression": "BSD-3-Clause",
        "License": "MIT",
        "Classifier": "License :: OSI Approved :: MIT License",
    }
    assert licence.of_package(package(tmp_path, said, {})) == [
        Claim("BSD-3-Clause", "m-1.0.dist-info/METADATA", "package")
    ]


def test_a_classifier_alone(tmp_path: Path) -> None:
    said = {"License": "UNKNOWN", "Classifier": "License :: OSI Approved :: Apache Software License"}
    assert licence.of_package(package(tmp_path, said, {}))[0].expression == "Apache-2.0"


def test_the_package_that_brought_a_file(tmp_path: Path) -> None:
    package(tmp_path, {"License": "MIT"}, {})
    assert licence.find(tmp_path / "m" / "model.onnx") == [Claim("MIT", "m-1.0.dist-info/METADATA", "package")]
    (tmp_path / "m" / "mine.onnx").write_bytes(b"")
    assert licence.find(tmp_path / "m" / "mine.onnx") == []


def test_a_package_whose_text_contradicts_its_metadata(tmp_path: Path) -> None:
    claims = licence.of_package(package(tmp_path, {"License": "MIT"}, {"LICENSE": AGPL}))
    message = rejected(claims)
    assert "must agree, got MIT in m-1.0.dist-info/METADATA, AGPL-3.0-only in m-1.0.dist-info/LICENSE" in message
    assert "must not be denied, got AGPL-3.0-only in m-1.0.dist-info/LICENSE" in message


def test_giving_a_licence_does_not_wash_a_denied_one(tmp_path: Path) -> None:
    claims = licence.of_package(package(tmp_path, {"License": "MIT"}, {"LICENSE": AGPL}))
    assert "must not be denied, got AGPL-3.0-only" in rejected(claims, given="MIT")
    assert licence.decide(claims, "AGPL-3.0-only", denied=()).source == "given"


def test_the_model_wins_over_the_package_around_it(tmp_path: Path) -> None:
    brought = package(tmp_path, {"License": "MIT"}, {"LICENSE": MIT}, "m/model/model.onnx")
    (tmp_path / "m" / "model" / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    decided = licence.decide(licence.find(tmp_path / "m" / "model"))
    assert brought.version == "1.0"
    assert (decided.expression, decided.source) == ("Apache-2.0", "README.md")
    assert decided.remarks[0] == "m-1.0.dist-info/METADATA says MIT, for the package, not the model"


def test_files_of_the_model_that_disagree() -> None:
    claims = [Claim("MIT", "README.md", "model"), Claim("Apache-2.0", "LICENSE", "model")]
    assert "must agree, got MIT in README.md, Apache-2.0 in LICENSE" in rejected(claims)
    assert licence.decide(claims, "Apache-2.0").expression == "Apache-2.0"


def test_a_text_cannot_tell_only_from_or_later() -> None:
    claims = [Claim("GPL-3.0-or-later", "README.md", "model"), Claim("GPL-3.0-only", "COPYING", "model")]
    assert licence.decide(claims).expression == "GPL-3.0-or-later"


def test_no_licence() -> None:
    assert "licence: must be known" in rejected([])
    assert licence.decide([], "apache-2.0").expression == "Apache-2.0"


@pytest.mark.parametrize("name", ["unknown", "MIT AND AND", "MIT OR", "AND", "(MIT AND", "MIT WITH nothing"])
def test_a_given_licence_that_is_none(name: str) -> None:
    assert f"must be an SPDX expression or LicenseRef-<name>, got {name}" in rejected([], name)


@pytest.mark.parametrize(
    "name",
    ["AGPL-3.0-only", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "llama2", "llama3.1", "llama4", "gemma", "openrail",
     "bigscience-openrail-m", "creativeml-openrail-m", "bigscience-bloom-rail-1.0", "SSPL-1.0", "h-research",
     "fair-noncommercial-research-license", "grok2-community", "deepfloyd-if-license"],
)  # fmt: skip
def test_what_the_policy_denies(name: str) -> None:
    expression = licence_texts.from_name(name)
    assert expression is not None
    assert f"must not be denied, got {expression}" in rejected([Claim(expression, "README.md", "model")])


@pytest.mark.parametrize("name", ["MIT", "Apache-2.0", "BSD-3-Clause", "CC-BY-4.0", "MPL-2.0", "AGPL-3.0-only OR MIT"])
def test_what_it_lets_through(name: str) -> None:
    assert licence.decide([Claim(name, "README.md", "model")]).expression == name


def test_one_denied_part_denies_the_whole() -> None:
    assert licence.denied_by("MIT AND (Apache-2.0 OR AGPL-3.0-only)", licence.DENIED) == "AGPL-*"
