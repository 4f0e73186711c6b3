"""What endpoints cost: prices with their sources, and estimates made from them. Pure."""
