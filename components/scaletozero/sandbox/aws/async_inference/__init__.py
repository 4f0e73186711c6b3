"""The queue of asynchronous endpoints."""
