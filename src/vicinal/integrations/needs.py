"""The error for a trainer that is not installed."""


def missing(extra: str, error: ModuleNotFoundError) -> ModuleNotFoundError:
    """The error to raise if an integration's trainer cannot be imported.

    >>> missing("keras", ModuleNotFoundError(name="keras"))
    ModuleNotFoundError("vicinal.integrations.keras needs keras: pip install 'vicinal[keras]'")
    """
    return ModuleNotFoundError(
        f"vicinal.integrations.{extra} needs {error.name}: pip install 'vicinal[{extra}]'",
        name=error.name,
    )
