"""The embedded Lambda: functions as processes."""
