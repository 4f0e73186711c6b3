"""Containers of endpoints as processes: started, shared between requests, stopped when idle, measured."""
