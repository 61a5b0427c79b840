"""Errors that the caller can fix."""


class VicinalError(ValueError):
    """An error that the caller can fix; its message is one sentence that says what and how.

    The command line prints the sentence and exits with code 2.
    """


class Diverged(VicinalError):
    """A training whose loss has become NaN or infinite."""
