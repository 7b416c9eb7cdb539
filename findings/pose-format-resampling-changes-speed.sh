#!/usr/bin/env bash
# pose-format 0.15.0: `interpolate(new_fps=...)` keeps the first and the last frame and divides what lies between anew, so a clip lasts
# longer or shorter than before by its own clock, and everybody in it moves at another speed. The shorter the clip, the more.
# Guess before the run: resampling keeps time, so speeds in units a second stay what they are.
# Seen for a joint that moves at 30 units a second, clips at 30 frames a second: of 24 frames resampled to 15 it moves at 31.36, to 60 at
# 29.36; of 6 frames at 37.5 and 27.27. The distance is right, the clocks are not: (N - 1) / (N' - 1) is not the ratio of the rates.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check pose-format==0.15.0 scipy==1.17.1 numpy==2.4.6
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
run() { venv/bin/python -W ignore -c "
import numpy as np
from pose_format.numpy import NumPyPoseBody
def speeds(frames, rate):
    data = np.zeros((frames, 1, 1, 3), np.float32)  # frames, people, joints, (x, y, z)
    data[:, 0, 0, 0] = np.arange(frames)
    body = NumPyPoseBody(30.0, data, np.ones((frames, 1, 1), np.float32)).interpolate(new_fps=rate, kind='linear')
    x = np.asarray(body.data[:, 0, 0, 0])
    return len(x), x[0], x[-1], *np.unique(np.round(np.diff(x) * body.fps, 2))
$1"; }
expect "24 frames to 15 a second: frames, first, last, speed" "$(run 'print(*map(float, speeds(24, 15.0)))')" "12.0 0.0 23.0 31.36"
expect "24 frames to 60 a second" "$(run 'print(*map(float, speeds(24, 60.0)))')" "48.0 0.0 23.0 29.36"
expect "6 frames to 15 a second" "$(run 'print(*map(float, speeds(6, 15.0)))')" "3.0 0.0 5.0 37.5"
expect "6 frames to 60 a second" "$(run 'print(*map(float, speeds(6, 60.0)))')" "12.0 0.0 5.0 27.27"
expect "6 frames to 30 a second, as they are" "$(run 'print(*map(float, speeds(6, 30.0)))')" "6.0 0.0 5.0 30.0"
