"""One environment: its project, its settings file, its declaration, and its run with the engine."""
