"""A clock that stands still until a test moves it."""


class Clock:
    """Unix seconds, as `mirror.ports.Clock` gives them."""

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def forward(self, seconds: float) -> None:
        """Let time pass; a negative number sets the clock back."""
        self.now += seconds
