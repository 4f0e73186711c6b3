"""Recognises licences from SPDX expressions, the Hub's ids, names in prose, and complete licence texts."""

from __future__ import annotations

import re

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

# Ids of the Hugging Face Hub whose SPDX id is different (https://huggingface.co/docs/hub/repositories-licenses).
_HUB = {"odc-by": "ODC-By-1.0", "odbl": "ODbL-1.0", "pddl": "PDDL-1.0", "apache-2": "Apache-2.0"}
_SAYS_NOTHING = frozenset(("", "unknown", "other", "none", "n/a", "proprietary", "see license", "see license file"))

# Patterns of licence texts. The first match decides, so a licence that quotes another one comes before it.
_TEXTS: tuple[tuple[str, str], ...] = (
    (r"gnu affero general public license.{0,40}version 3", "AGPL-3.0-only"),
    (r"gnu lesser general public license.{0,40}version 3", "LGPL-3.0-only"),
    (r"gnu lesser general public license.{0,40}version 2\.1", "LGPL-2.1-only"),
    (r"gnu general public license.{0,40}version 3", "GPL-3.0-only"),
    (r"gnu general public license.{0,40}version 2", "GPL-2.0-only"),
    (r"llama (\d(?:\.\d)?) community licen[sc]e", r"LicenseRef-llama\1"),
    (r"gemma terms of use", "LicenseRef-gemma"),
    (r"creativeml open ?rail", "LicenseRef-creativeml-openrail-m"),
    (r"bigscience (?:open)?rail", "LicenseRef-bigscience-openrail-m"),
    (r"open ?rail|responsible ai licen[sc]e", "LicenseRef-openrail"),
    (r"attribution-noncommercial-noderiv\w* (\d\.\d)", r"CC-BY-NC-ND-\1"),
    (r"attribution-noncommercial-sharealike (\d\.\d)", r"CC-BY-NC-SA-\1"),
    (r"attribution-noncommercial (\d\.\d)", r"CC-BY-NC-\1"),
    (r"attribution-sharealike (\d\.\d)", r"CC-BY-SA-\1"),
    (r"creative commons attribution (\d\.\d)", r"CC-BY-\1"),
    (r"cc0 1\.0 universal", "CC0-1.0"),
    (r"server side public license", "SSPL-1.0"),
    (r"mozilla public license,? (?:version )?2\.0", "MPL-2.0"),
    (
        r"apache (?:software )?licen[sc]e,? (?:version )?2\.0|^apache 2(?:\.0)?$|^apache software license$",
        "Apache-2.0",
    ),
    (r"free and unencumbered software released into the public domain", "Unlicense"),
    (r"redistribution and use in source and binary forms.*neither the name", "BSD-3-Clause"),
    (r"redistribution and use in source and binary forms", "BSD-2-Clause"),
    (r"permission to use, copy, modify, and(?:/or)? distribute this software for any purpose", "ISC"),
    (r"permission is hereby granted, free of charge, to any person obtaining a copy|^(?:the )?mit licen[sc]e$", "MIT"),
)
_TEXT_CHARACTERS = 6000
_OPERATOR = re.compile(r"(?:^|[\s)])(?:AND|OR|WITH)(?:[\s(]|$)")
"""Operators of SPDX expressions: a text with one that is not valid is a mistake, not a custom name."""


def from_name(name: str) -> str | None:
    """The SPDX expression for `name`: `LicenseRef-...` if SPDX lists none, None if it names no licence."""
    name = name.strip()
    if name.lower() in _SAYS_NOTHING:
        return None
    if name.lower() in _HUB:
        return _HUB[name.lower()]
    try:
        return str(canonicalize_license_expression(name))
    except InvalidLicenseExpression:
        if _OPERATOR.search(name):
            return None
        prose = from_text(name) if " " in name else None
        own = re.sub(r"[^0-9a-z.-]+", "-", name.lower()[:64]).strip("-.")
        return prose or (f"LicenseRef-{own}" if own else None)


def from_text(text: str) -> str | None:
    """The SPDX id of a licence text, by its title and its first clauses; None if it is unknown."""
    start = " ".join(text.lower().split())[:_TEXT_CHARACTERS]
    for pattern, licence in _TEXTS:
        if match := re.search(pattern, start):
            return match.expand(licence)
    return None


def same(one: str, other: str) -> bool:
    """Whether two expressions name the same licence; a text does not distinguish `-only` from `-or-later`."""
    families = [re.sub(r"-(only|or-later)\b", "", expression.lower()) for expression in (one, other)]
    return families[0] == families[1]
