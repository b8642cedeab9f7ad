"""Numbers in sentences."""


def counted(count: int, one: str, many: str = '') -> str:
    """Return how many of something there are: '1 frame', '2 frames', '0 people'; `many` where an s does not do."""
    return f'{count} {one}' if count == 1 else f'{count} {many or one + "s"}'
