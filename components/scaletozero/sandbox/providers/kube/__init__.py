"""The sandbox's Kubernetes provider: objects applied to a cluster, or rendered where there is none."""
