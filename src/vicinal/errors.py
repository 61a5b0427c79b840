"""What the caller can mend."""


class VicinalError(ValueError):
    """Something the caller can mend; its text is one sentence that says what and how.

    The command line prints the sentence and exits with code 2.
    """


class Diverged(VicinalError):
    """A training whose loss is no number any more."""
