"""The packaged model: archive, manifest, OCI layout, bill of materials, signature, upload."""
