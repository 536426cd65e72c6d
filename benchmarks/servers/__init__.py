"""Servers of a benchmark's own."""
