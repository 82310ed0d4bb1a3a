"""The link tree: what to change, and the only code that touches it."""
