"""Parts of the screen that work without it."""
