"""A model as a Hugging Face folder: read, checked, exported through torch."""
