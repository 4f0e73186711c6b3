"""CloudWatch alarms as pure functions: metric math, evaluation, composite rules."""
