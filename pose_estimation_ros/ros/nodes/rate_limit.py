"""At most so many pictures a second, exact in the mean, whatever the camera's jitter."""

MOST_CREDIT = 2.5
"""A picture that comes early may use what a late one left; a long pause is not made good by a burst."""


class RateLimit:
    """Earns a picture every 1/rate seconds and spends it on the next that comes. Not for several threads at once."""

    def __init__(self) -> None:
        self._rate = self._credit = self._last = 0.0

    def allows(self, now: float, rate: float) -> bool:
        """Whether a picture that came at `now` (seconds of any steady clock) may pass; a rate of 0 lets all pass.

        In any stretch of t seconds at most rate * t + MOST_CREDIT pictures pass.
        """
        earned = (now - self._last) * rate if rate == self._rate else MOST_CREDIT
        self._rate, self._last = rate, now
        self._credit = min(MOST_CREDIT, self._credit + earned)
        allowed = not rate or self._credit >= 1
        if allowed:
            self._credit = max(0.0, self._credit - 1)
        return allowed
