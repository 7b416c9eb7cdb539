"""`params.yaml`: its sections as types, the grid, and what of it each stage of each cell reads."""
