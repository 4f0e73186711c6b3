"""The one program: reads the stack's environment and declares it."""

from pathlib import Path

import pulumi

from model_packaging.findings import FindingsError
from scaletozero.environment.declare import declare_environment
from scaletozero.environment.read import KEY, read_environment

root = Path(__file__).resolve().parent.parent
try:
    environment = read_environment(pulumi.Config().require_object(KEY), root)
except FindingsError as error:
    raise pulumi.RunError(f"this environment cannot be deployed:\n{error}") from None
declare_environment(environment, root)
