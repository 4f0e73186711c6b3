"""A plan against a cluster: what would fail there. Pure."""
