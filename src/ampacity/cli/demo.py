"""placeholder until the plant on the wire stands."""


def demo() -> None:
    """Watch."""
