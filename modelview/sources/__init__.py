"""One file per origin of models. See `base.Source` for what a source promises."""
