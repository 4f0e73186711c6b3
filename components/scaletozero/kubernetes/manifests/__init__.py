"""Kubernetes objects as plain dicts, made from settings. Pure."""
