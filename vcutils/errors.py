"""The one exception that bad input raises."""


class InputError(ValueError):
    """Something the caller gave cannot be used.

    The message is one sentence for a person: what is wrong, where, what to do.
    The command line prints it without a traceback and exits with 2.
    """
