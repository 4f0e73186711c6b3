"""The sandbox's Kubernetes provider: applies objects to a cluster, or renders them if there is none."""

MANIFESTS = "SCALETOZERO_MANIFESTS"
"""The environment variable with the folder that manifests are rendered to if no cluster is named."""
