"""One file a format; the registry in `base` finds them."""
