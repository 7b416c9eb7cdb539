"""Training: batches from a store, one phase of training, the staged schedule. Knows the model; not DVC, MLflow or click."""
