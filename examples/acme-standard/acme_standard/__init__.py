"""A model repository, in acme_standard/repository, and the models that its ensemble contains, in acme_standard.model."""
