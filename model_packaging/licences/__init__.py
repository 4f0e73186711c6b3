"""Licences of models: recognised, checked, with their texts."""
