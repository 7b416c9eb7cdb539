"""UTKinect-Action3D."""
