"""Replicas, their load balancer and their monitoring."""
