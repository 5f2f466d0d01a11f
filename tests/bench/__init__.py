"""Timings against the peer, side by side in one process; run by `make bench`, never by the tests."""
