"""What the methods that no gradient trains compute, against known answers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.spatial.transform import RigidTransform, Rotation
from sklearn.svm import SVC
from tslearn.metrics import dtw_path_from_metric

from pipeline.core.model import Config
from pipeline.core.skeletons import Meta
from pipeline.core.training.streams import Streams
from pipeline.networks import body, fisher, one_vs_all, poselets, quads, se3, skeletal_quads, warping
from pipeline.networks.dynamic_skeletons import DynamicSkeletons
from pipeline.networks.fisher import Mixture
from pipeline.networks.fitted import Fitted, machines
from pipeline.networks.lie_group import LieGroup
from pipeline.networks.pyramid import pyramid

META = Meta(  # the neck is the root; a chain of two bones on each side
    joints=("left hand", "left elbow", "neck", "right elbow", "right hand"),
    bones=((1, 2), (0, 1), (3, 2), (4, 3)),
    mirror=(4, 3, 2, 1, 0),
    actions=("up", "down"),
    bodies=2,
    fps=15.0,
    unit="metres",
)
CONFIG = Config(joints=5, bodies=2, classes=2, spatial=False, temporal=False)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def clip(rng: np.random.Generator, frames: int = 9) -> np.ndarray:
    """Two people who move smoothly, float32 `[frames, 2, 5, 3]`."""
    start, speed = rng.normal(size=(2, 2, 5, 3))
    return (start + 0.3 * speed * np.linspace(0, 1, frames)[:, None, None, None]).astype(np.float32)


def camera(seen: np.ndarray, yaw: float, place: tuple[float, float, float]) -> np.ndarray:
    """The clip as another upright camera sees it."""
    turn = Rotation.from_euler("y", yaw).as_matrix()
    return (seen @ turn.T + np.array(place)).astype(np.float32)


# The skeleton as a tree


def test_tree_of_the_skeleton() -> None:
    parent = body.parents(META)
    assert parent.tolist() == [1, 2, -1, 2, 3]
    assert body.depths(parent).tolist() == [2, 1, 0, 1, 2]
    assert body.hips(META).tolist() == [1, 3]  # elbows are nearer to the root than hands


def test_bones_of_another_person_keep_their_directions(rng: np.random.Generator) -> None:
    seen, parent = clip(rng), body.parents(META)
    length = np.array([1, 2, 0, 3, 4], np.float32)
    found = body.with_bones(seen, parent, length)
    np.testing.assert_allclose(found[:, :, 2], seen[:, :, 2])
    vectors, before = body.bones(found, parent), body.bones(seen, parent)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), np.broadcast_to(length, (9, 2, 5)), atol=1e-5)
    cosines = (vectors * before).sum(-1) / np.maximum(np.linalg.norm(before, axis=-1), 1e-9)
    np.testing.assert_allclose(cosines, np.broadcast_to(length, (9, 2, 5)), atol=1e-5)
    np.testing.assert_allclose(body.lengths([found], parent), length, atol=1e-5)


def test_mean_length_leaves_absent_bodies_out(rng: np.random.Generator) -> None:
    seen = clip(rng)
    seen[:, 1] = 0
    parent = body.parents(META)
    expected = np.linalg.norm(body.bones(seen[:, :1], parent), axis=-1).mean((0, 1))
    np.testing.assert_allclose(body.lengths([seen], parent), expected, rtol=1e-5)


def test_hips_lie_along_x(rng: np.random.Generator) -> None:
    turned = body.facing(clip(rng), body.hips(META))
    across = turned[:, 0, 3] - turned[:, 0, 1]
    assert (across[:, 0] > 0).all()
    np.testing.assert_allclose(across[:, 2], 0, atol=1e-5)


# Rigid motions


def test_smallest_rotation_from_x(rng: np.random.Generator) -> None:
    directions = rng.normal(size=(50, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    directions[:2] = [[1, 0, 0], [-1, 0, 0]]
    found = se3.from_x(directions)
    np.testing.assert_allclose(found[..., 0], directions, atol=1e-12)
    angles = Rotation.from_matrix(found).magnitude()  # refuses what is no rotation
    np.testing.assert_allclose(angles, np.arccos(directions[:, 0]), atol=1e-6)


def test_logarithm_of_an_exponential(rng: np.random.Generator) -> None:
    twists = rng.normal(size=(200, 6))
    angles = rng.uniform(0, 3.1, size=(200, 1))  # below half a turn, where the logarithm is one
    twists[:, :3] *= angles / np.linalg.norm(twists[:, :3], axis=-1, keepdims=True)
    twists[0] = 0
    np.testing.assert_allclose(se3.logarithm(RigidTransform.from_exp_coords(twists)), twists, atol=1e-9)


def test_logarithm_by_hand() -> None:
    """A quarter turn about z while moving along it: a screw whose numbers can be read off."""
    turn = Rotation.from_euler("z", np.pi / 2)
    found = se3.logarithm(RigidTransform.from_components([0.0, 0.0, 2.0], turn))
    np.testing.assert_allclose(found, [0, 0, np.pi / 2, 0, 0, 2], atol=1e-12)


def test_relative_geometry_by_hand() -> None:
    """A bone up from (1, 0, 0) seen from one along x at the origin, and the other way round."""
    starts, directions = np.array([[[0.0, 0, 0], [1, 0, 0]]]), np.array([[[1.0, 0, 0], [0, 1, 0]]])
    found = se3.relative(starts, directions, np.array([0, 1]), np.array([1, 0]))
    np.testing.assert_allclose(found.translation[0], [[1, 0, 0], [0, 1, 0]], atol=1e-12)
    np.testing.assert_allclose(found.rotation.as_rotvec()[0], [[0, 0, np.pi / 2], [0, 0, -np.pi / 2]], atol=1e-12)


def test_resampling_follows_the_screw(rng: np.random.Generator) -> None:
    twist = np.array([0.3, -0.2, 0.4, 1.0, 2.0, -1.0])
    times = np.array([0.0, 1.0, 2.0])[:, None, None]
    found = se3.resample(RigidTransform.from_exp_coords(twist * times), 9)
    np.testing.assert_allclose(se3.logarithm(found), twist * np.linspace(0, 2, 9)[:, None, None], atol=1e-9)
    alone = se3.resample(RigidTransform.from_exp_coords(twist[None, None]), 4)
    np.testing.assert_allclose(se3.logarithm(alone), np.broadcast_to(twist, (4, 1, 6)), atol=1e-9)


# Curves in time


def test_warping_takes_the_closest_of_the_matched_frames() -> None:
    nominal, curve = np.array([[0.0], [1], [2]], np.float32), np.array([[0], [0.1], [1.2], [0.9], [2]], np.float32)
    assert warping.distances(nominal, curve)[1].tolist() == pytest.approx([1, 0.81, 0.04, 0.01, 1], abs=1e-6)
    np.testing.assert_allclose(warping.warp(curve, nominal)[:, 0], [0, 0.9, 2])


def test_warping_undoes_another_speed() -> None:
    nominal = np.sin(np.linspace(0, 3, 12, dtype=np.float32))[:, None]
    slow = nominal[[0, 0, 0, 1, 2, 3, 3, 4, 5, 6, 7, 8, 9, 9, 9, 10, 11]]
    np.testing.assert_allclose(warping.warp(slow, nominal), nominal)


def test_path_is_as_cheap_as_the_best_of_all(rng: np.random.Generator) -> None:
    """Against every path of a small grid: from corner to corner, one step right, up or both."""
    a, b = rng.normal(size=(4, 2)).astype(np.float32), rng.normal(size=(5, 2)).astype(np.float32)
    cost = warping.distances(a, b)

    def best(i: int, j: int) -> float:
        before = [best(i - di, j - dj) for di, dj in ((1, 0), (0, 1), (1, 1)) if i >= di and j >= dj]
        return float(cost[i, j]) + min(before, default=0.0)

    path, _ = dtw_path_from_metric(cost, metric="precomputed")
    assert sum(cost[i, j] for i, j in path) == pytest.approx(best(3, 4))


def test_nominal_curve_of_one_curve_at_two_speeds() -> None:
    curve = np.array([[0.0], [1], [5]], np.float32)
    slower = np.repeat(curve, 2, axis=0)
    np.testing.assert_allclose(warping.nominal([curve, slower], 25), curve)
    steps = np.array([[0.0], [10], [20]], np.float32)
    np.testing.assert_allclose(warping.nominal([steps, steps + 1], 1), steps + 0.5)


def test_pyramid_by_hand() -> None:
    wave = np.cos(2 * np.pi * np.arange(8) / 8).astype(np.float32)
    curve = np.stack([np.full(8, -2, np.float32), wave], 1)
    whole = pyramid(curve, 1).reshape(-1, 2)  # 8 frames: the mean and one more frequency
    np.testing.assert_allclose(whole, [[16, 0], [0, 8]], atol=1e-5)
    both = pyramid(curve, 2).reshape(-1, 2)
    halves = np.abs([wave[:4].sum(), wave[4:].sum()])
    np.testing.assert_allclose(both, [[16, 0], [0, 8], [8, halves[0]], [8, halves[1]]], atol=1e-5)


# Lie group


@pytest.fixture
def lie(rng: np.random.Generator) -> LieGroup:
    made = LieGroup(30, CONFIG, frames=6, rounds=3, levels=2)
    made.learn([clip(rng) for _ in range(4)], np.array([0, 1, 0, 1]), META, Streams(1, 1))
    return made


def test_curves_are_the_same_for_every_upright_camera(lie: LieGroup, rng: np.random.Generator) -> None:
    seen = clip(rng)
    own = lie.represent(seen)
    assert own.shape == (6, 8 * 7 * 6)  # four bones of two bodies, each with each other one
    for yaw in (0.4, 2.0, -2.9):
        np.testing.assert_allclose(lie.represent(camera(seen, yaw, (3, 1, -2))), own, atol=2e-3)
    other = (seen @ Rotation.from_euler("z", 0.5).as_matrix().T).astype(np.float32)
    assert np.abs(lie.represent(other) - own).max() > 0.05  # a tilted one is not


def test_curves_are_the_same_for_long_and_short_bones(lie: LieGroup, rng: np.random.Generator) -> None:
    seen = clip(rng)
    bones = body.with_bones(seen, body.parents(META), np.array([1, 2, 0, 3, 4], np.float32))
    np.testing.assert_allclose(lie.represent(bones), lie.represent(seen), atol=2e-3)


def test_an_absent_body_is_at_nothing(lie: LieGroup, rng: np.random.Generator) -> None:
    seen = clip(rng)
    seen[:, 1] = 0
    curve = lie.represent(seen).reshape(6, 8, 7, 6)
    own = [(i, j - (j > i)) for i in range(4) for j in range(4) if i != j]
    assert all(curve[:, i, j].any() for i, j in own)
    assert sum(curve[0, i, j].any() for i in range(8) for j in range(7)) == len(own)


# Dynamic skeletons


def test_differences_of_joints(rng: np.random.Generator) -> None:
    made = DynamicSkeletons(30, CONFIG, frames=8, levels=1)
    seen = np.repeat(clip(rng, 1), 5, axis=0)  # nobody moves: the mean alone
    found = made.represent(seen).reshape(2, 45, 3)
    joints = seen[0].reshape(10, 3)
    expected = np.array([joints[j] - joints[i] for i, j in itertools.combinations(range(10), 2)])
    np.testing.assert_allclose(found[0], 8 * np.abs(expected), rtol=1e-4)
    np.testing.assert_allclose(found[1], 0, atol=1e-4)
    np.testing.assert_allclose(made.represent(seen + np.float32(2)), made.represent(seen), atol=1e-4)
    seen[:, 1] = 0
    there = [max(pair) < 5 for pair in itertools.combinations(range(10), 2)]
    assert made.represent(seen).reshape(2, 45, 3)[0].any(-1).tolist() == there


# Quads and Fisher vectors


def test_no_similarity_changes_a_quad(rng: np.random.Generator) -> None:
    seen = rng.normal(size=(200, 4, 3))
    own = quads.descriptors(seen)
    turns = Rotation.random(200, rng=rng).as_matrix()
    sizes, places = rng.uniform(0.1, 10, (200, 1, 1)), rng.normal(size=(200, 1, 3))
    np.testing.assert_allclose(quads.descriptors(sizes * (seen @ turns.swapaxes(1, 2)) + places), own, atol=1e-9)
    mirrored = quads.descriptors(seen * [1, 1, -1])
    assert np.abs(mirrored - own).max() > 0.1  # left and right are not the same


def test_quads_that_lie_as_they_should_stay(rng: np.random.Generator) -> None:
    """The farthest points at (0, 0, 0) and (1, 1, 1) already, the third on its side: the other two are read off."""
    third, fourth = [0.9, 0.1, 0.5], [0.4, 0.6, 0.7]
    found = quads.descriptors(np.array([[[0, 0, 0], [1, 1, 1], third, fourth], [[0, 0, 0], third, fourth, [1, 1, 1]]]))
    np.testing.assert_allclose(found, [third + fourth] * 2, atol=1e-12)


def test_quads_without_a_third_point_or_without_size() -> None:
    on_the_diagonal = quads.descriptors(np.array([[[0.0, 0, 0], [3, 3, 3], [1, 1, 1], [2, 2, 2]]]))
    np.testing.assert_allclose(on_the_diagonal, [[1 / 3] * 3 + [2 / 3] * 3], atol=1e-12)
    assert quads.descriptors(np.ones((2, 4, 3))).shape == (0, 6)


@pytest.fixture
def mixture() -> Mixture:
    return Mixture(np.array([0.3, 0.7]), np.array([[0.0, 1], [2, -1]]), np.array([[1.0, 0.5], [0.8, 2]]))


def log_likelihood(points: np.ndarray, mixture: Mixture) -> float:
    scaled = (points[:, None] - mixture.mean) / mixture.deviation
    densities = np.exp(-(scaled**2).sum(-1) / 2) / (2 * np.pi * mixture.deviation.prod(1))
    return float(np.log(densities @ mixture.share).mean())


def test_fisher_vector_is_the_gradient_of_the_likelihood(mixture: Mixture, rng: np.random.Generator) -> None:
    points, step = rng.normal(size=(40, 2)), 1e-6
    found = fisher.vector(fisher.moments(points, mixture), mixture).reshape(2, 2, 2)
    for part, name in enumerate(("mean", "deviation")):
        information = np.sqrt((1 + part) * mixture.share)  # of a mean, and of a deviation twice that
        for k, d in itertools.product(range(2), range(2)):
            values = []
            for sign in (1, -1):
                moved = getattr(mixture, name).copy()
                moved[k, d] += sign * step
                values.append(log_likelihood(points, mixture._replace(**{name: moved})))
            gradient = (values[0] - values[1]) / (2 * step)
            assert found[part, k, d] == pytest.approx(gradient * mixture.deviation[k, d] / information[k], abs=1e-6)


def test_fisher_vector_of_one_gaussian_by_hand() -> None:
    """Points 1 and 3 under a Gaussian at 0 with deviation 2: means (0.5 + 1.5) / 2, squares (0.25 + 2.25) / 2 - 1."""
    alone = Mixture(np.ones(1), np.zeros((1, 1)), np.full((1, 1), 2.0))
    found = fisher.vector(fisher.moments(np.array([[1.0], [3]]), alone), alone)
    np.testing.assert_allclose(found, [1, 0.25 / np.sqrt(2)])
    assert fisher.vector(np.zeros((1, 3)), alone).tolist() == [0, 0]
    np.testing.assert_allclose(fisher.improved(np.array([9.0, -16, 0])), [0.6, -0.8, 0])


def test_responsibilities_by_their_definition(mixture: Mixture, rng: np.random.Generator) -> None:
    points = rng.normal(size=(7, 2))
    found = fisher.responsibilities(points, mixture)
    for point, row in zip(points, found, strict=True):
        scaled = (point - mixture.mean) / mixture.deviation
        each = mixture.share * np.exp(-(scaled**2).sum(-1) / 2) / mixture.deviation.prod(1)
        np.testing.assert_allclose(row, each / each.sum())


def test_mixture_finds_two_heaps(rng: np.random.Generator) -> None:
    points = np.concatenate([rng.normal(0, 0.1, (300, 2)), rng.normal(5, 0.1, (100, 2))])
    found = fisher.fit(points, 2, 1)
    assert sorted(found.mean[:, 0].round(1).tolist()) == [0, 5] and sorted(found.share.round(2).tolist()) == [0.25, 0.75]
    assert len(fisher.fit(np.ones((9, 2)), 5, 1).share) == 1


def test_quads_are_all_or_a_draw(rng: np.random.Generator) -> None:
    assert skeletal_quads.choose(5, 99, rng).tolist() == [list(quad) for quad in itertools.combinations(range(5), 4)]
    drawn = skeletal_quads.choose(10, 20, rng)
    assert drawn.shape == (20, 4) and (np.diff(drawn, axis=1) > 0).all() and len(np.unique(drawn, axis=0)) == 20
    assert skeletal_quads.choose(3, 20, rng).shape == (0, 4)


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_spans_cover_the_clip(length: int) -> None:
    for n in (1, 2, 3):
        frames = [list(range(length))[skeletal_quads.span(length, i, n)] for i in range(n)]
        assert all(frames) and {frame for part in frames for frame in part} == set(range(length))


def test_six_fisher_vectors_follow_the_parts(rng: np.random.Generator) -> None:
    made = skeletal_quads.SkeletalQuads(30, CONFIG, gaussians=3, quads=30, samples=200)
    seen = [clip(rng, 6) for _ in range(3)]
    made.learn(seen, np.zeros(3, np.int64), META, Streams(1, 1))
    found = made.represent(seen[0]).reshape(6, -1)
    first_half = made.represent(seen[0][:3]).reshape(6, -1)[0]
    np.testing.assert_allclose(found[1], first_half, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)
    still = np.repeat(seen[0][:1], 6, axis=0)
    np.testing.assert_allclose(np.ptp(made.represent(still).reshape(6, -1), axis=0), 0, atol=1e-6)


# Poselets


def test_pairs_of_parts() -> None:
    parts = ((0,), (1, 2))
    assert poselets.pairs((*parts, ()), 1, 3) == [([0], [0]), ([0], [1, 2]), ([1, 2], [1, 2])]
    assert poselets.pairs(parts, 2, 3) == [([0], [3]), ([0], [4, 5]), ([1, 2], [3]), ([1, 2], [4, 5])]


def test_contrast_by_hand() -> None:
    """Word 0 in all clips of class 0 and in no other, 1 in all, 2 in half of class 0, 3 in all of class 1 and half of 0."""
    there = np.array([[1, 1, 1, 1], [1, 1, 0, 0], [0, 1, 0, 1], [0, 1, 0, 1]], bool)
    labels = np.array([0, 0, 1, 1])
    assert poselets.contrast(there, labels, 1, 0.2).tolist() == [0, 3]  # of the infinite growths the more frequent word
    assert poselets.contrast(there, labels, 2, 0.2).tolist() == [0, 1, 2, 3]  # then 2, and 1 for class 1
    assert poselets.contrast(there, labels, 2, 0.6).tolist() == [0, 1, 3]  # 2 is in too few clips
    assert poselets.contrast(there, labels, 1, 1.1).tolist() == [0]  # nothing is frequent enough: one word all the same


def test_k_means_finds_no_more_words_than_there_are() -> None:
    assert poselets.cluster(np.array([[1.0], [3], [1]]), 5, 0).tolist() == [[1], [3]]
    heaps = np.array([[0.0], [0.2], [9], [9.2]])
    assert sorted(poselets.cluster(heaps, 2, 0).round(2).ravel().tolist()) == [0.1, 9.1]


def test_words_are_counted_in_frames(rng: np.random.Generator) -> None:
    parts = ((0, 1, 2, 3, 4),)
    made = poselets.Poselets(30, CONFIG, parts=parts, features="joint", words=2, kept=2, support=0.0, samples=99)
    poses = clip(rng, 2)
    near, far = poses[:1].repeat(6, 0), poses[1:].repeat(6, 0)
    far[:, 1] += 5
    mixed = np.concatenate([near[:2], far[:4]])
    made.learn([near, far], np.array([0, 1]), META, Streams(1, 1))
    np.testing.assert_allclose(sorted(made.represent(mixed)), [1 / 3, 2 / 3], rtol=1e-6)
    assert sorted(made.represent(near).tolist()) == [0, 1]
    moved = (mixed @ Rotation.random(rng=rng).as_matrix().T + 4).astype(np.float32)
    np.testing.assert_allclose(made.represent(moved), made.represent(mixed))  # distances: no camera changes them


# Machines


def test_dual_machine_is_the_librarys_own(rng: np.random.Generator) -> None:
    x = rng.normal(size=(30, 4))
    positive = x[:, 0] + 0.3 * rng.normal(size=30) > 0.5
    dual, offset = one_vs_all.fit(x @ x.T, positive, 2.0, False)
    theirs = SVC(C=2.0, kernel="linear").fit(x, positive)
    np.testing.assert_allclose(dual @ x, theirs.coef_[0], atol=1e-3)
    assert offset == pytest.approx(theirs.intercept_[0], abs=1e-3)
    sides = {True: (~positive).sum() / positive.sum(), False: 1.0}
    dual, _ = one_vs_all.fit(x @ x.T, positive, 2.0, True)
    np.testing.assert_allclose(dual @ x, SVC(C=2.0, kernel="linear", class_weight=sides).fit(x, positive).coef_[0], atol=1e-3)
    dual, offset = one_vs_all.fit(x @ x.T, np.ones(30, bool), 2.0, False)
    assert not dual.any() and offset == 1


def test_squared_hinge_by_hand() -> None:
    margins = np.array([[2.0, -0.5], [0.5, 0.5]], np.float32)
    assert one_vs_all.squared_hinge(margins, np.array([0, 1])) == pytest.approx((0 + 0.25 + 2.25 + 0.25) / 4)


class Plain(Fitted):
    """Reads the first frame's first joint."""

    def represent(self, clip: np.ndarray) -> np.ndarray:
        return clip[0, 0, 0]


def test_scores_are_margins_and_a_class_without_clips_comes_last(rng: np.random.Generator) -> None:
    made = Plain(30, Config(joints=5, bodies=2, classes=3, spatial=False, temporal=False))
    found = [rng.normal(size=3).astype(np.float32) for _ in range(12)]
    y = np.array([0, 2] * 6)
    margins = machines(made, found, y, 1.0)
    seen = np.zeros((4, 2, 5, 3), np.float32)
    for x, row in zip(found, margins, strict=True):
        seen[0, 0, 0] = x
        scores = made.scores(seen)
        np.testing.assert_allclose(scores[[0, 2]], row[[0, 2]], atol=1e-5)
        assert scores[1] == pytest.approx(scores.min()) and scores[1] < scores[[0, 2]].min()
