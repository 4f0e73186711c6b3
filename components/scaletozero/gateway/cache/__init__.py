"""Answers that were given before, kept to be given again to the same request."""
