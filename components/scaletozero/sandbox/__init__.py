"""The embedded default: the real engine, an embedded AWS, and models in real processes."""
