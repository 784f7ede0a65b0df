"""Training of B, D, C and S together."""
