"""Counts in sentences."""


def counted(count: int, one: str, many: str = '') -> str:
    """Return a count with its noun: '1 frame', '2 frames', '0 people'; `many` is an irregular plural."""
    return f'{count} {one}' if count == 1 else f'{count} {many or one + "s"}'
