"""How close a candidate is to the original, how fast it is, and which one is chosen."""
