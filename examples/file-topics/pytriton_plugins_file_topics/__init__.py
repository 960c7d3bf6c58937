"""What a text file is about: two models, which call the models of two other plugins."""
