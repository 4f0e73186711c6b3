"""The sandbox's Kubernetes provider: objects applied to a cluster, or rendered where there is none."""

MANIFESTS = "SCALETOZERO_MANIFESTS"
"""The variable with the folder that manifests are rendered to where no cluster is named."""
