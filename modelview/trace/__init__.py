"""One forward pass, recorded: calls, ops, edges, shapes, MACs and bytes."""
