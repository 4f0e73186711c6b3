"""The cost of endpoints: prices with their sources, and estimates. Pure."""
