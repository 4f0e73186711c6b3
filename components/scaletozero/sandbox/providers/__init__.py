"""Pulumi plugins that apply the toolkit's resources to the embedded AWS."""
