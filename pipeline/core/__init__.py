"""What trained weights depend on: skeletons, settings, the model, training. It imports nothing else of this package."""
