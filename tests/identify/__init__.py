"""Recognising architectures."""
