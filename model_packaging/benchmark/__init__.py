"""Whole cold starts of artifacts, against the source they were packaged from."""
