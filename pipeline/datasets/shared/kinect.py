"""The body of the first Kinect's software kit: 20 joints, in the order of its files; x to its left, y up, z away from it, metres.

A person who faces the sensor has the right hand at larger x than the left one.
"""

from __future__ import annotations

HIP = 0
JOINTS = (
    *("hip centre", "spine", "shoulder centre", "head"),
    *("left shoulder", "left elbow", "left wrist", "left hand"),
    *("right shoulder", "right elbow", "right wrist", "right hand"),
    *("left hip", "left knee", "left ankle", "left foot"),
    *("right hip", "right knee", "right ankle", "right foot"),
)
BONES = (
    *((1, 0), (2, 1), (3, 2)),
    *((4, 2), (5, 4), (6, 5), (7, 6)),
    *((8, 2), (9, 8), (10, 9), (11, 10)),
    *((12, 0), (13, 12), (14, 13), (15, 14)),
    *((16, 0), (17, 16), (18, 17), (19, 18)),
)
MIRROR = (0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 16, 17, 18, 19, 12, 13, 14, 15)
