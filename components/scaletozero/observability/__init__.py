"""The metrics and alarms of endpoints."""
