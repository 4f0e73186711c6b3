"""A real Kubernetes control plane on this machine, built from source, for tests and for the `local` environment."""
