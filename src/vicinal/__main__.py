"""The command ``vicinal``, also as ``python -m vicinal``."""

import gc
import sys


def main() -> None:
    try:
        from vicinal.cli import run
    except ModuleNotFoundError as error:
        sys.exit(f"vicinal: the command line needs {error.name}: pip install 'vicinal[train]'")
    try:
        code = run()
    finally:
        gc.freeze()  # Python would look for garbage in all that was loaded, up to a second
    sys.exit(code)


if __name__ == "__main__":
    main()
