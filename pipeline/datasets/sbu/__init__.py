"""SBU Kinect Interaction v2.0."""
