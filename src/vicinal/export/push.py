"""Uploading a folder to the Hugging Face hub, where that is asked for."""

import re
from pathlib import Path

from vicinal.errors import VicinalError
from vicinal.stored import first_line


def check_repo(name: str) -> None:
    """Refuse a name that no repository can have, before anything is written.

    Raises:
        VicinalError: it is none.
    """
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise VicinalError(f"--push-to-hub {name} names no repository: use OWNER/NAME")


def push(folder: Path, files: list[str], repo: str) -> str:
    """Upload files of a folder to a repository of the hub, which is made if there is none.

    Returns:
        Its address.

    Raises:
        VicinalError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi

    api = HfApi()
    try:
        address = api.create_repo(repo, exist_ok=True)
        api.upload_folder(
            repo_id=repo,
            folder_path=folder,
            allow_patterns=files,
            commit_message="Export a run of vicinal",
        )
    except Exception as error:  # those of its HTTP library, which differ from version to version
        raise VicinalError(
            f"{folder} is written, but {repo} cannot be pushed ({first_line(error)}): log in by "
            "hf auth login, check the name and the network, and export again with --overwrite"
        ) from error
    return str(address)
