"""A model repository, in acme_standard/repository, and models for its ensemble, in acme_standard.model."""
