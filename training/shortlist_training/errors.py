"""The one error that training raises on purpose."""


class InputError(ValueError):
    """What the caller gave cannot be used: one line that names the file, column, option or value.

    Raised by the readers, the split, the recipes, `plan`, `export`, `package` and `evaluate`; the commands print it and
    leave with code 2.
    """
