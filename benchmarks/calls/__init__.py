"""`python -m benchmarks calls`: models that call models, beside the other ways to do it."""
