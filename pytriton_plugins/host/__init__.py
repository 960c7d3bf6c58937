"""The daemon: finds the models, runs workers and tritonserver, supervises both; never imports a model plugin."""
