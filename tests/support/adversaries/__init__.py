"""Clients, workers and models that mean harm, or are broken."""
