"""Timings, and simulations. Nothing in here is asserted by a test; run a file by itself on a quiet machine."""
