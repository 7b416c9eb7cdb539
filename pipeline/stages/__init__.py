"""The DVC stages: thin; read params, call the packages below, write files."""
