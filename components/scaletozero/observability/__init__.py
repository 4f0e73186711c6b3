"""What is measured of endpoints, and when somebody is told."""
