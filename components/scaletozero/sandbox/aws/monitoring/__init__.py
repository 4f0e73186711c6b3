"""The embedded CloudWatch: metrics by the minute, and alarms that act."""
