"""The matting models, their weights and the registry that finds them."""
