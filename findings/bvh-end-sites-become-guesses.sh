#!/usr/bin/env bash
# bvhio 1.5.4: a BVH file that is read as a hierarchy of joints, which the library offers for poses in world coordinates, loses its end
# sites: crown, hands and toes. Writing it again puts others there, 0.3 of the way to the joint's own parent. Read and written as plain
# BVH the file keeps them.
# Guess before the run: end sites are joints of the hierarchy, or at least come back when it is written.
# Seen: of hip, knee and the end at 40 below the knee two joints are left; the end comes back at 12 below and 1.5 in front.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT; cd "$work"
python3 -m venv venv; venv/bin/pip install --quiet --disable-pip-version-check bvhio==1.5.4
expect() { [ "$2" = "$3" ] && echo "as before: $1" || { echo "CHANGED: $1: found '$2', was '$3'"; exit 1; }; }
cat > leg.bvh <<'BVH'
HIERARCHY
ROOT Hip
{
  OFFSET 0 90 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  JOINT Knee
  {
    OFFSET 0 -40 5
    CHANNELS 3 Zrotation Xrotation Yrotation
    End Site
    {
      OFFSET 0 -40 0
    }
  }
}
MOTION
Frames: 1
Frame Time: 0.0333333
0 0 0 0 0 0 0 0 0
BVH
run() { venv/bin/python -c "
import re, bvhio
hierarchy = bvhio.readAsHierarchy('leg.bvh')
bvhio.writeHierarchy('hierarchy.bvh', hierarchy, 1 / 30)
bvhio.writeBvh('plain.bvh', bvhio.readAsBvh('leg.bvh'))
def end(path): return [round(float(number), 3) for number in re.findall(r'OFFSET (.*)', open(path).read())[-1].split()]
$1"; }
expect "joints of the hierarchy" "$(run 'print(*(joint.Name for joint, _, _ in hierarchy.layout()))')" "Hip Knee"
expect "the end site after reading and writing the hierarchy" "$(run 'print(*end("hierarchy.bvh"))')" "0.0 -12.0 1.5"
expect "the same as plain BVH" "$(run 'print(*end("plain.bvh"))')" "0.0 -40.0 0.0"
