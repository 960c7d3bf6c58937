"""The worker processes of models, as the daemon starts, asks and ends them."""
