"""The gateway: customers with keys and caps, in front of own endpoints and models behind an API."""
