"""The one exception of `config`: what an operator wrote, or where it should be read from, is wrong."""


class ConfigurationError(Exception):
    """The configuration cannot be used.

    `str(error)` is one sentence that names the file, the key or the variable and says what to do; it never holds a
    secret.
    """
