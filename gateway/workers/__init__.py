"""Loops that run beside the doors."""
