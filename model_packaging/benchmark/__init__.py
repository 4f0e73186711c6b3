"""Whole cold starts of artifacts, compared with the source from which they were packaged."""
