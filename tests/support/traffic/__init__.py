"""Clients and their requests, over gRPC and HTTP."""
