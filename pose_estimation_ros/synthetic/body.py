"""The articulated figure: proportions, joint angles, forward kinematics.

Frames: a person's own axes are x to the person's left, y up, z forward (right-handed, metres). In the world y is up
and z points towards the camera, so that a person of heading 0 faces the camera with the left hand on image right.
Arrays of sides are ordered (right, left), as OPENPOSE_18 is.
"""

from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray

X, Y, Z = range(3)
SIDES = np.array([-1.0, 1.0])
TRUNK_ANGLES = tuple(f'{part}_{turn}' for part in ('pelvis', 'spine', 'head') for turn in ('pitch', 'roll', 'yaw'))
ARM_ANGLES = ('shoulder_flex', 'shoulder_abduct', 'shoulder_rotate', 'elbow', 'twist', 'wrist', 'grip')
LEG_ANGLES = ('hip_flex', 'hip_abduct', 'hip_rotate', 'knee', 'ankle')
ANGLES = (
    *TRUNK_ANGLES,
    *(f'{side}_{name}' for side in ('right', 'left') for name in ARM_ANGLES),
    *(f'{side}_{name}' for side in ('right', 'left') for name in LEG_ANGLES),
)
_INDICES = {name: index for index, name in enumerate(ANGLES)}
LUMBAR = 0.585
SHOULDER_LINE = 0.818
SOLE = 0.039


@dataclass(frozen=True)
class Build:
    """Measures of one person; lengths are fractions of `stature` (metres), the others factors around 1."""

    stature: float = 1.75
    shoulder_half: float = 0.099
    hip_half: float = 0.054
    head_height: float = 0.132
    girth: float = 1.0
    limb_girth: float = 1.0
    waist: float = 1.0
    chest: float = 1.0
    hips: float = 1.0
    bust: float = 0.0

    @classmethod
    def random(cls, rng: np.random.Generator, feminine: bool, child: bool) -> 'Build':
        """Draw a plausible person."""
        stature = rng.normal(1.65, 0.06) if feminine else rng.normal(1.77, 0.07)
        girth = float(np.clip(rng.normal(1.0, 0.1), 0.86, 1.3))
        return cls(
            stature=float(rng.uniform(1.15, 1.4) if child else np.clip(stature, 1.5, 1.98)),
            shoulder_half=(0.091 if feminine or child else 0.1) * float(rng.uniform(0.97, 1.04)),
            hip_half=0.056 if feminine else 0.053,
            head_height=0.155 if child else float(rng.uniform(0.127, 0.136)),
            girth=girth,
            limb_girth=float(0.5 + 0.5 * girth) * (0.95 if feminine or child else 1.04),
            waist=(0.86 if feminine else 1.0) * max(1.0, girth) ** 0.7,
            chest=0.93 if feminine else 1.03,
            hips=1.06 if feminine else 0.96,
            bust=float(rng.uniform(0.007, 0.018)) if feminine and not child else 0.0,
        )


@dataclass(frozen=True, eq=False)
class Figure:
    """A posed body. Points are world metres; rotations' columns are the part's x, y, z axes in the world.

    Arrays of limbs begin with (right, left); `upper_arm_axes` to `foot_axes` are rotations (2, 3, 3).
    """

    build: Build
    pelvis: FloatArray
    pelvis_axes: FloatArray
    lumbar: FloatArray
    chest_axes: FloatArray
    chest: FloatArray
    neck_base: FloatArray
    head: FloatArray
    head_axes: FloatArray
    arms: FloatArray
    """(2, 3, 3) shoulder, elbow, wrist of each side"""
    upper_arm_axes: FloatArray
    hand_axes: FloatArray
    legs: FloatArray
    """(2, 3, 3) hip, knee, ankle of each side"""
    thigh_axes: FloatArray
    foot_axes: FloatArray
    grips: FloatArray
    """(2,) curl of the fingers, radians"""

    @property
    def neck(self) -> FloatArray:
        """Midpoint of the shoulders: OpenPose's neck."""
        return np.asarray(self.arms[:, 0].mean(axis=0))


def angles(**degrees: float) -> FloatArray:
    """Return joint angles in radians, in the order of ANGLES; those not named are 0. `both_x` sets both sides."""
    values = np.zeros(len(ANGLES))
    for name, value in degrees.items():
        for side in ('right_', 'left_') if name.startswith('both_') else ('',):
            values[_INDICES[side + name.removeprefix('both_')]] = np.radians(value)
    return values


def mirrored(posture: FloatArray) -> FloatArray:
    """Swap left and right."""
    return np.asarray(posture[_MIRROR] * _MIRROR_SIGN)


def pose_figure(build: Build, posture: FloatArray, ground_xz: FloatArray, heading: float) -> Figure:
    """Place a figure with its lowest sole on the ground (y = 0), pelvis over `ground_xz`, turned by `heading` radians.

    Heading 0 looks at the camera, positive headings turn to the person's left (image right).
    """
    trunk, arm_angles = posture[:9].reshape(3, 3), posture[9:23].reshape(2, 7)
    leg_angles = posture[23:].reshape(2, 5)
    unit = build.stature
    pelvis_axes = _turn(Y, np.array(heading)) @ _euler(trunk[0])
    chest_axes = pelvis_axes @ _euler(trunk[1])
    thigh = _swing(pelvis_axes, leg_angles)
    shin = thigh @ _turn(X, leg_angles[:, 3])
    foot = shin @ _turn(X, -leg_angles[:, 4])
    hips = (SIDES * build.hip_half * unit)[:, None] * pelvis_axes[:, 0]
    knees = hips - 0.245 * unit * thigh[:, :, 1]
    ankles = knees - 0.246 * unit * shin[:, :, 1]
    pelvis = np.array([ground_xz[0], -_lowest(ankles, foot, unit), ground_xz[1]])
    lumbar = pelvis + pelvis_axes[:, 1] * (LUMBAR - 0.53) * unit
    chest = lumbar + chest_axes @ np.array([0.0, SHOULDER_LINE - LUMBAR, -0.006]) * unit
    upper_arm = _swing(chest_axes, arm_angles)
    shoulders = chest + _shoulder_offsets(build, upper_arm, chest_axes)
    forearm = upper_arm @ _turn(X, -arm_angles[:, 3]) @ _turn(Y, SIDES * -arm_angles[:, 4])
    hand = forearm @ _turn(Z, -SIDES * arm_angles[:, 5])
    elbows = shoulders - 0.176 * unit * upper_arm[:, :, 1]
    wrists = elbows - 0.149 * unit * forearm[:, :, 1]
    head_axes = chest_axes @ _euler(trunk[2])
    neck_base = chest + chest_axes @ np.array([0.0, 0.028, -0.006]) * unit
    skull = neck_base + (chest_axes[:, 1] + head_axes[:, 1]) * 0.02 * unit + chest_axes[:, 2] * 0.012 * unit
    return Figure(
        *(build, pelvis, pelvis_axes, lumbar, chest_axes, chest, neck_base),
        *(skull + head_axes @ np.array([0.0, -0.016, 0.006]) * unit, head_axes),
        *(np.stack([shoulders, elbows, wrists], axis=1), upper_arm, hand),
        *(pelvis + np.stack([hips, knees, ankles], axis=1), thigh, foot, arm_angles[:, 6]),
    )


def _lowest(ankles: FloatArray, foot_axes: FloatArray, unit: float) -> float:
    """Lowest height of heels and toes, relative to the pelvis."""
    soles = np.array([[0, -SOLE, -0.036], [0, -SOLE, 0.075], [0, -SOLE + 0.006, 0.11]]) * unit
    points = ankles[:, None] + np.einsum('sij,pj->spi', foot_axes, soles)
    return float(points[..., 1].min())


def _shoulder_offsets(build: Build, upper_arm: FloatArray, chest_axes: FloatArray) -> FloatArray:
    """Shoulder joints relative to the shoulder line's middle; a raised arm takes its shoulder up and inwards."""
    raised = np.clip(0.5 - upper_arm[:, :, 1] @ chest_axes[:, 1] * 0.5, 0, 1) ** 1.5
    local = np.stack([SIDES * (build.shoulder_half - 0.014 * raised), 0.034 * raised, 0 * raised], axis=1)
    return local @ chest_axes.T * build.stature


def _swing(parent: FloatArray, limb: FloatArray) -> FloatArray:
    """Rotations (2, 3, 3) of upper limbs from their flexion, abduction and outward rotation."""
    local = _turn(Z, SIDES * limb[:, 1]) @ _turn(X, -limb[:, 0]) @ _turn(Y, SIDES * limb[:, 2])
    return parent @ local


def _euler(pitch_roll_yaw: FloatArray) -> FloatArray:
    pitch, roll, yaw = pitch_roll_yaw
    return _turn(Y, yaw) @ _turn(X, pitch) @ _turn(Z, roll)


def _turn(axis: int, angle: FloatArray) -> FloatArray:
    """Right-handed rotation around an axis."""
    first, second = (axis + 1) % 3, (axis + 2) % 3
    angle = np.asarray(angle, dtype=float)
    matrix = np.zeros((*angle.shape, 3, 3))
    matrix[..., range(3), range(3)] = 1.0
    matrix[..., first, first] = matrix[..., second, second] = np.cos(angle)
    matrix[..., second, first] = np.sin(angle)
    matrix[..., first, second] = -np.sin(angle)
    return matrix


_MIRROR = np.array(
    [_INDICES[name.replace('right_', 'l@').replace('left_', 'right_').replace('l@', 'left_')] for name in ANGLES]
)
_MIRROR_SIGN = np.array([-1.0 if name in TRUNK_ANGLES and not name.endswith('pitch') else 1.0 for name in ANGLES])
