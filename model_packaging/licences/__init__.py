"""Licences of models: recognises and checks them."""
