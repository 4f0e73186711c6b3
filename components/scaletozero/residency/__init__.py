"""Residency: checks declared resources against the allowed Regions. Pure: no engine, no cloud."""
