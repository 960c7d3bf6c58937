"""`python -m benchmarks soak`: a long run against one host, its clients, and what may not grow in it."""
