"""What a cluster has: read from its API, or from a file."""
