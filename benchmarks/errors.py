"""What a measurement may say instead of a figure."""


class Unavailable(Exception):
    """There is no figure: something is not installed, not allowed or not there yet; the message is the reason."""


class WrongAnswer(Exception):
    """A server answered, and wrongly: another status, too few bytes, other bytes. It is never counted as speed."""
