"""Checks of a plan against a cluster. Pure."""
