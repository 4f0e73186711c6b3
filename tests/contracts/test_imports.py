"""Importing the package costs little, and every public name is there."""

import subprocess
import sys

import scaletozero


def test_every_public_name_is_there() -> None:
    assert set(scaletozero.__all__) == set(scaletozero._HOME)
    assert all(getattr(scaletozero, name).__name__ == name for name in scaletozero.__all__)


def test_importing_it_loads_no_sdk() -> None:
    code = "import sys, scaletozero; print([m for m in ('pulumi', 'pulumi_aws', 'boto3', 'onnx') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
