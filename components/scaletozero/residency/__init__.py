"""Residency: what is declared, held to the Regions that it may be in. Pure: no engine, no cloud."""
