"""The embedded AWS in this process, for every test here."""

from sandbox_world import idle_seconds, speed, world

__all__ = ["idle_seconds", "speed", "world"]
