"""Components on a Kubernetes cluster: prerequisites, node pools, warm pools, and any object."""
