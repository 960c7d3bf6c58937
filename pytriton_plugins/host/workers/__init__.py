"""The worker processes of models: how one is started, asked, heard and ended."""
