#!/usr/bin/env bash
# mmaction2 1.2.0: `PreNormalize3D`, with which its skeleton networks for NTU RGB+D turn every clip to one view, turns the spine up and
# then the shoulders along x by the shortest way, which takes the spine along. So one body has another pose for each camera that sees
# it, unless its shoulders are exactly level, and a person who is seen from behind stands on the head.
# Guess before the run: the same body seen by cameras all around has the same coordinates afterwards; that is what the step is for.
# Seen for a person 1.6 m tall whose shoulders are 5 degrees off level: from in front the head is at 0.45 above the spine's joint, from
# the side at 0.45 with joints up to 10 cm elsewhere, from behind at -0.45, joints up to 2.3 m elsewhere. With 20 degrees the views
# from in front and from the side are up to 39 cm apart.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps mmaction2==1.2.0 mmcv-lite==2.1.0 mmengine==0.10.7
venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 "numpy==1.26.4" scipy==1.17.1 opencv-python-headless==4.10.0.84 \
  addict==2.4.0 yapf==0.43.0 termcolor==3.3.0 einops==0.8.2 Pillow==13.0.0 packaging==26.4 PyYAML==6.0.4 rich==15.0.0 \
  matplotlib==3.11.2 decord==0.6.0 2> /dev/null
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
run() { venv/bin/python -W ignore -c "
import numpy as np
from mmaction.datasets.transforms.pose_transforms import PreNormalize3D
from scipy.spatial.transform import Rotation
joints = {1: (0, .3, 0), 20: (0, .5, 0), 3: (0, .75, 0), 15: (-.1, -.85, 0), 19: (.1, -.85, 0), 7: (-.3, 0, .1), 11: (.4, .9, .2)}
body, tilt = np.full((25, 3), .01), np.radians($1)
body[0] = 0
for joint, place in joints.items():
    body[joint] = place
across = .2 * np.array([np.cos(tilt), np.sin(tilt), 0])
body[8], body[4] = body[20] + across, body[20] - across  # right and left shoulder
def normalised(camera):
    turned = body @ Rotation.from_euler('y', camera, degrees=True).as_matrix().T + [.3, .1, 3]
    clip = turned[None, None].repeat(4, 1)
    return PreNormalize3D()({'keypoint': clip, 'total_frames': 4})['keypoint'][0, 0]
front, other = normalised(0), normalised($2)
print('head %.2f, apart %.2f' % (other[3, 2], np.linalg.norm(other - front, axis=1).max()))
" 2> /dev/null; }
expect "level, in front" "$(run 0 0)" "head 0.45, apart 0.00"
expect "level, from the side" "$(run 0 90)" "head 0.45, apart 0.00"
expect "5 degrees off level, from the side" "$(run 5 90)" "head 0.45, apart 0.10"
expect "5 degrees off level, from behind" "$(run 5 180)" "head -0.45, apart 2.31"
expect "20 degrees off level, from the side" "$(run 20 90)" "head 0.40, apart 0.39"
