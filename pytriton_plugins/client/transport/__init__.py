"""The connections of clients, their messages and their failures, for each protocol."""
