"""The generative models, one file for each family, in plain torch."""
