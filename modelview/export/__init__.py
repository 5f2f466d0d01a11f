"""One file per format. See `base.Export` for what a format promises."""
