"""Kubernetes objects as plain dicts, decided before anything is declared. Pure: no engine, no cluster."""
