"""Trained networks applied to new recordings: weights in one file, predictions, tables, and the page that plays them."""
