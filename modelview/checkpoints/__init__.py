"""Files read without running them. Everything below `reading` works without torch, in a process of its own."""
