#!/usr/bin/env bash
# mmaction2 1.2.0: `UniformSampleFrames` of a test clip seeds NumPy's global generator, anew for each clip. Where training and validation
# share a process (`num_workers=0`, as on a laptop), each epoch after a validation draws the same frames for its clips as the one before,
# and so does every other random step of the pipeline that uses NumPy: augmentation of the first epoch, over and over.
# Guess before the run: reading test clips leaves the randomness of training alone, or at most draws from it.
# Seen for two training clips of 60 frames an epoch: three epochs in a row draw three different sets of frames; with one test clip read
# after each, epochs two and three are the same, and the same whatever the seed at the start was.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check --no-deps mmaction2==1.2.0 mmcv-lite==2.1.0 mmengine==0.10.7
venv/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 numpy==1.26.4 scipy==1.17.1 opencv-python-headless==4.10.0.84 \
  addict==2.4.0 yapf==0.43.0 termcolor==3.3.0 einops==0.8.2 Pillow==13.0.0 packaging==26.4 PyYAML==6.0.4 rich==15.0.0 \
  matplotlib==3.11.2 decord==0.6.0 2> /dev/null
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
run() { venv/bin/python -W ignore -c "
import numpy as np
from mmaction.datasets.transforms.pose_transforms import UniformSampleFrames
def frames(step):
    return tuple(step({'total_frames': 60, 'keypoint': np.zeros((1, 60, 25, 3))})['frame_inds'].tolist())
train, test = UniformSampleFrames(clip_len=8), UniformSampleFrames(clip_len=8, test_mode=True)
epochs = []
for seed in (1, 2):
    np.random.seed(seed)
    for _ in range(3):
        epochs.append((frames(train), frames(train)))
        if $1:
            frames(test)
print(len(set(epochs)), 'of', len(epochs), 'epochs differ;', epochs[1] == epochs[2] == epochs[4] == epochs[5])
" 2> /dev/null; }
expect "training alone, two seeds" "$(run False)" "6 of 6 epochs differ; False"
expect "a test clip after each epoch" "$(run True)" "3 of 6 epochs differ; True"
