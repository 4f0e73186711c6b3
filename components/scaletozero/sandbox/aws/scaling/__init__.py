"""Application Auto Scaling: targets, policies and scheduled actions that take effect."""
