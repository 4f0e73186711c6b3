"""The plugin's schema is what other languages' bindings are made from: it changes only when somebody means it to."""

import json
import subprocess
import sys
from pathlib import Path

from scaletozero.plugin import schema

ROOT = Path(__file__).resolve().parent.parent.parent
GOLDEN = ROOT / "components" / "schema.json"


def test_the_committed_schema_is_the_components() -> None:
    assert json.loads(GOLDEN.read_text()) == schema(), "run `make schema` and look at what changed"


def test_the_command_writes_it_as_it_is_committed() -> None:
    written = subprocess.run([sys.executable, "-m", "scaletozero.plugin"], check=True, capture_output=True, text=True)
    assert written.stdout == GOLDEN.read_text()
