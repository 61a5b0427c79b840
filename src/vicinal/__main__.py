"""The command ``vicinal``, also as ``python -m vicinal``."""

import sys


def main() -> None:
    try:
        from vicinal.cli import run
    except ModuleNotFoundError as error:
        sys.exit(f"vicinal: the command line needs {error.name}: pip install 'vicinal[train]'")
    sys.exit(run())


if __name__ == "__main__":
    main()
