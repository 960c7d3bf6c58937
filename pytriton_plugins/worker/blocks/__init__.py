"""The request and response blocks of a channel, read and written; runs in workers."""
