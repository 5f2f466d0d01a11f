"""Rows to text, DOT and HTML strings; computes nothing."""
