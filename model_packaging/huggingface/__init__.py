"""Hugging Face folders: reads and checks them, and exports them through torch."""
