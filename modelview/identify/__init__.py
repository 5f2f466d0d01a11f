"""Which architecture a state_dict fits, by the names and shapes of its tensors."""
