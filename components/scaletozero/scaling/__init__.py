"""Keeps endpoints warm: floors, headroom, schedules, and a simulation that compares them."""
