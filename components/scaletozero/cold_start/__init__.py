"""Predicts a cold start from published figures: the phases, each with an error band and its source."""
