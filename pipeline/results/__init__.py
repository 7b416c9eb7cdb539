"""Numbers from saved predictions and histories: statistics, summaries, the regression rule."""
