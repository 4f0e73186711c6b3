"""A real Kubernetes control plane on this machine, from its own source, for tests and for the `local` environment."""
