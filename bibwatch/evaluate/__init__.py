"""How right the bibs are, measured on labelled photos."""
