"""The one program: reads the stack's environment and declares it."""

from pathlib import Path

from scaletozero.environment.declare import declare_environment
from scaletozero.environment.program import stack_environment

root = Path(__file__).resolve().parent.parent
declare_environment(stack_environment(root), root)
