"""Look at a PyTorch model, change it by recipe, and take the result away."""
