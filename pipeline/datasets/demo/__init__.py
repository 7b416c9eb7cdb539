"""The synthetic data of the demo."""
