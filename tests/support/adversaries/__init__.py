"""Clients, workers and models that are hostile or broken."""
