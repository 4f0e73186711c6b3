"""What users bring from other gateways. Foreign files are read, never run; each of their fields is accounted for."""
