"""What pins an image, whatever its registry."""

TAG_AND_DIGEST = r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
"""A pattern of an image's reference after its repository (OCI Distribution Specification, "Pulling manifests")."""
