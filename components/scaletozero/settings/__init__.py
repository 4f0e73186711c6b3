"""What a user may declare, with every rule on it. Pure: no engine, no cloud."""
