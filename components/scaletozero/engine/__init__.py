"""The Pulumi engine: finds, downloads, builds and runs it."""
