"""The Pulumi engine: found, downloaded or built, and run."""
