"""One environment: its project and settings file, what it declares, and its run through the engine."""
