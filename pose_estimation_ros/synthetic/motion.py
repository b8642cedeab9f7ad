"""Actions of people: postures as smooth functions of time (seconds) or of the walking phase (strides)."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pose_estimation_ros.core.arrays import FloatArray
from pose_estimation_ros.synthetic.body import ANGLES, angles, mirrored

# Sagittal angles (degrees) of hip, knee and ankle at tenths of the gait cycle, beginning with the heel's strike: the
# shape of any textbook's normal gait.
_HIP = (28, 24, 16, 7, -2, -9, -7, 8, 24, 31)
_KNEE = (6, 17, 16, 9, 6, 14, 40, 62, 46, 14)
_ANKLE = (0, -4, 4, 8, 10, 4, -15, -5, 1, 1)


@dataclass(frozen=True, eq=False)
class Style:
    """Individual motion: `phase`, `tempo` and amplitude (`energy`); `habit` is added to every posture."""

    phase: float
    tempo: float
    energy: float
    left_handed: bool
    habit: FloatArray

    @classmethod
    def random(cls, rng: np.random.Generator) -> 'Style':
        habit = np.radians(rng.normal(0, 1, len(ANGLES)) * _HABIT)
        return cls(
            *(float(rng.uniform(0, 10)), float(rng.uniform(0.8, 1.2)), float(rng.uniform(0.85, 1.15))),
            *(bool(rng.random() < 0.5), habit),
        )


Action = Callable[[float, Style], FloatArray]


def walk(phase: float, style: Style, pace: float = 1.0) -> FloatArray:
    """Posture at `phase` strides (two steps each); `pace` 1 is a stroll, 1.6 and more a run."""
    legs = {}
    swing = 20 * style.energy * pace
    running = max(0.0, pace - 1.1) / 0.6
    for side, shift in (('right', 0.0), ('left', 0.5)):
        at = phase + shift
        arm = np.cos(2 * np.pi * at)
        legs[f'{side}_hip_flex'] = _cyclic(_HIP, at) * (0.85 + 0.3 * pace * 0.5) + 8 * running
        legs[f'{side}_knee'] = _cyclic(_KNEE, at) * (1 + 0.4 * running) + 12 * running
        legs[f'{side}_ankle'] = _cyclic(_ANKLE, at) + 6 * running
        legs[f'{side}_shoulder_flex'] = -swing * arm - 2
        legs[f'{side}_elbow'] = 22 - 12 * arm * style.energy + 60 * running
    turn = np.cos(2 * np.pi * phase)
    roll = 2.5 * np.sin(2 * np.pi * phase)
    trunk = angles(pelvis_roll=roll, spine_roll=-roll, spine_pitch=2 + 8 * running)
    trunk += angles(pelvis_yaw=4 * turn, spine_yaw=-9 * turn, head_yaw=5 * turn)
    arms = angles(both_shoulder_abduct=7, both_shoulder_rotate=-12, both_grip=25)
    return trunk + arms + angles(**legs) + style.habit


def stand(time: float, style: Style) -> FloatArray:
    """Weight on one leg, breathing, looking about."""
    sway = _sway(time, style)
    trunk = angles(pelvis_roll=5, pelvis_yaw=3 * sway, spine_roll=-6)
    trunk += angles(spine_pitch=1 + 1.2 * np.sin(1.6 * time + style.phase))
    trunk += angles(head_yaw=16 * _sway(time * 0.7 + 3, style), head_pitch=3 + 4 * sway)
    legs = angles(left_hip_flex=8, left_hip_abduct=9, left_hip_rotate=12, left_knee=14, left_ankle=4)
    legs += angles(right_hip_abduct=-1, right_hip_rotate=5)
    arms = angles(right_shoulder_flex=2 + 3 * sway, left_shoulder_flex=5 - 3 * sway)
    arms += angles(both_shoulder_abduct=8, both_shoulder_rotate=-10, both_elbow=14, both_grip=25)
    return _handed(trunk + legs + arms, style) + style.habit


def wave(time: float, style: Style) -> FloatArray:
    """One hand up and waving."""
    beat = np.sin(2 * np.pi * 1.1 * style.tempo * time + style.phase)
    arm = angles(right_shoulder_flex=10, right_shoulder_abduct=95 * style.energy + 8 * beat - 8)
    arm += angles(right_shoulder_rotate=80, right_elbow=75 + 22 * beat, right_wrist=-6 * beat, right_grip=4)
    return _with_arms(stand(time, style), arm + angles(head_roll=3), style)


def reach(time: float, style: Style) -> FloatArray:
    """One hand stretched out in front, as if taking something from a shelf."""
    way = 0.5 - 0.5 * np.cos(2 * np.pi * 0.25 * style.tempo * time + style.phase)
    arm = angles(right_shoulder_flex=45 + 55 * way, right_shoulder_abduct=14, right_elbow=60 - 45 * way, right_grip=15)
    return _with_arms(stand(time, style), arm + angles(spine_pitch=8 * way, spine_yaw=14 * way), style)


def raise_arms(time: float, style: Style) -> FloatArray:
    """Both hands up, as in joy or surrender."""
    beat = np.sin(2 * np.pi * 0.6 * style.tempo * time + style.phase)
    arms = angles(both_shoulder_abduct=118 + 18 * beat, both_shoulder_rotate=70, both_elbow=32 - 14 * beat, both_grip=8)
    return _with_arms(stand(time, style), arms, style, both=True)


def hands_on_hips(time: float, style: Style) -> FloatArray:
    """Elbows out."""
    arms = angles(both_shoulder_abduct=46, both_shoulder_flex=-18, both_shoulder_rotate=-58, both_elbow=96)
    return _with_arms(stand(time, style), arms + angles(both_grip=40), style, both=True)


def telephone(time: float, style: Style) -> FloatArray:
    """Look at something held in one hand."""
    arm = angles(right_shoulder_flex=34, right_shoulder_abduct=10, right_shoulder_rotate=-24)
    arm += angles(right_elbow=104 + 3 * _sway(time, style), right_twist=60, right_grip=55)
    return _with_arms(stand(time, style), arm + angles(head_pitch=20, spine_pitch=4), style)


def talk(time: float, style: Style) -> FloatArray:
    """Both hands moving with the words."""
    beat = np.sin(2 * np.pi * 0.45 * style.tempo * time + style.phase)
    other = np.sin(2 * np.pi * 0.31 * style.tempo * time + 2 * style.phase)
    arms = angles(right_shoulder_flex=30 + 14 * beat, right_elbow=84 + 16 * other)
    arms += angles(left_shoulder_flex=24 + 12 * other, left_elbow=78 + 18 * beat)
    arms += angles(both_shoulder_abduct=16, both_shoulder_rotate=-6 + 8 * beat, both_twist=25, both_grip=20)
    return _with_arms(stand(time, style), arms + angles(head_pitch=4 * beat), style, both=True)


def crouch(time: float, style: Style) -> FloatArray:
    """Knees bent, leaning forward, hands by the knees."""
    sway = _sway(time, style)
    trunk = angles(pelvis_pitch=16, spine_pitch=24, head_pitch=-24)
    legs = angles(both_hip_flex=78 + 4 * sway, both_hip_abduct=14, both_hip_rotate=14)
    legs += angles(both_knee=88 + 6 * sway, both_ankle=20)
    arms = angles(both_shoulder_flex=40, both_shoulder_abduct=8, both_elbow=52, both_grip=30)
    return style.habit + (trunk + legs + arms)


def sit(time: float, style: Style) -> FloatArray:
    """On a seat, hands on the thighs."""
    sway = _sway(time, style)
    trunk = angles(pelvis_pitch=-5, spine_pitch=5 + 2 * sway, head_pitch=2, head_yaw=16 * sway)
    legs = angles(both_hip_flex=86, both_hip_abduct=8, both_hip_rotate=6, both_knee=84)
    arms = angles(both_shoulder_flex=26, both_shoulder_abduct=9, both_shoulder_rotate=-8)
    arms += angles(both_elbow=48, both_twist=50, both_grip=30)
    return style.habit * 0.6 + (trunk + legs + arms)


_ACTIONS: tuple[Action, ...] = (stand, wave, reach, raise_arms, hands_on_hips, telephone, talk, crouch)
STANDING = {action.__name__: action for action in _ACTIONS}


def _with_arms(posture: FloatArray, arms: FloatArray, style: Style, both: bool = False) -> FloatArray:
    """Replace the right arm, or both, by those of another posture and add its trunk."""
    arms = _handed(arms, style)
    result = posture.copy()
    for first, right in ((9, True), (16, False)):
        if both or right != style.left_handed:
            result[first : first + 7] = arms[first : first + 7] + style.habit[first : first + 7]
    result[:9] += arms[:9]
    return result


def _handed(posture: FloatArray, style: Style) -> FloatArray:
    return mirrored(posture) if style.left_handed else posture


def _sway(time: float, style: Style) -> float:
    """Slow irregular movement between -1 and 1."""
    at = style.tempo * time
    return float(0.6 * np.sin(0.9 * at + style.phase) + 0.4 * np.sin(0.53 * at + 1.7 * style.phase))


def _cyclic(knots: tuple[int, ...], phase: float) -> float:
    """Smooth periodic curve through equally spaced knots (trigonometric interpolation)."""
    spectrum = np.fft.rfft(knots) / len(knots)
    waves = np.arange(len(spectrum))
    weights = np.where((waves == 0) | (2 * waves == len(knots)), 1, 2)
    return float((weights * spectrum * np.exp(2j * np.pi * waves * phase)).real.sum())


_HABIT = np.array(
    [
        {'pitch': 2.0, 'roll': 1.5, 'yaw': 3.0}.get(name.rsplit('_', 1)[1], 0.0)
        if name.startswith(('pelvis', 'spine', 'head'))
        else 3.0 * (not name.endswith(('knee', 'ankle', 'hip_abduct', 'hip_rotate', 'twist')))
        for name in ANGLES
    ]
)
