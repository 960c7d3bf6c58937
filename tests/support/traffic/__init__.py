"""Clients and their requests, over gRPC and HTTP; the benchmarks use them too."""
