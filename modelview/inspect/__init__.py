"""Read-only views of a model, as plain rows. One file a view."""
