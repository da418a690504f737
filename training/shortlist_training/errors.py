"""The errors that training raises on purpose."""


class InputError(ValueError):
    """What the caller gave cannot be used: one line that names the file, column, option or value.

    Raised by the readers, the protocols, the recipes, `plan` and `evaluate`, before anything is computed; the commands
    print it and leave with code 2, as they do with the PackageError of `shortlist.package`.
    """


class GateError(RuntimeError):
    """A trained model is not good enough to be published: the gate, what was found and what it demands, in one line.

    Raised by `gates` and by what families export, before anything is published; the commands print it and leave with
    code 1.
    """

    def __init__(self, gate: str, reason: str) -> None:
        super().__init__(f"gate {gate}: {reason}; nothing was published")
        self.gate = gate
