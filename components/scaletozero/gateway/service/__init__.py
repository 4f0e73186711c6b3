"""The program: one ASGI application, whose requests all have an owner, a bound and a cap."""
