"""What all commands use."""

import typer


def typed_options(context: typer.Context) -> list[str]:
    """The names of the options that were given, also those given as their default."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return [name for name, source in sources.items() if source and source.name == "COMMANDLINE"]


def log(name: str, text: str) -> None:
    """Print a line of a table of names and texts."""
    print(f"{name and name + ':':15} {text}", flush=True)
