"""Florence 3D Actions."""
