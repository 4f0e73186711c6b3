"""The embedded AWS: moto's server, what moto lacks, and the runtime that serves real models."""
