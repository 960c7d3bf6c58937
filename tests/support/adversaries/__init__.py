"""Clients, workers and models that are malicious or broken."""
