"""The embedded EventBridge: rules and schedules that call their targets."""
