"""Replicas, what balances them and what watches them."""
