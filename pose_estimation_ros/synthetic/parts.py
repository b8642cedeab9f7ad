"""Names of the body parts that are drawn."""

from enum import IntEnum


class Part(IntEnum):
    """Body parts as the drawing names them, right before left."""

    TORSO = 1
    PELVIS = 2
    NECK = 3
    HEAD = 4
    HAIR = 5
    RIGHT_UPPER_ARM = 6
    LEFT_UPPER_ARM = 7
    RIGHT_FOREARM = 8
    LEFT_FOREARM = 9
    RIGHT_HAND = 10
    LEFT_HAND = 11
    RIGHT_THIGH = 12
    LEFT_THIGH = 13
    RIGHT_SHIN = 14
    LEFT_SHIN = 15
    RIGHT_FOOT = 16
    LEFT_FOOT = 17
    SKIRT = 18
    SEAT = 19
