"""The live page of an environment: the panels of its dashboard, on this machine."""
