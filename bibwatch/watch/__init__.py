"""Watched folders: which files are photos, when one is complete, and what changed. Only ever reads."""
