"""The site: the README, the pages of docs/ and a reference of every public name.

``sphinx-build -W --keep-going -c website . site`` in the repository builds it.
"""

import re
import sys
from pathlib import Path

from sphinx.application import Sphinx

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(REPOSITORY / "website"), str(REPOSITORY / "src")]

import vicinal  # noqa: E402

project = "vicinal"
author = "the vicinal authors"
release = version = vicinal.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton"]
extensions += ["reference"]

# The pages' links are relative to the repository, so that they work on a forge as well.
root_doc = "README"
include_patterns = ["README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"]
include_patterns += ["docs/**.md", "findings/README.md"]
exclude_patterns = ["site", "build", "dist", "runs", "models", "src", "tests", "shared", ".*"]

myst_heading_anchors = 4
myst_links_external_new_tab = False
# Indented blocks are commands, and what they print.
highlight_language = "none"

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
python_maximum_signature_line_length = 70
python_use_unqualified_type_names = True
add_module_names = False
napoleon_numpy_docstring = False
napoleon_custom_sections = [("Source", "notes_style")]
toc_object_entries_show_parents = "hide"

copybutton_prompt_text = r">>> |\.\.\. "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"vicinal {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_extra_path = ["index.html"]
html_copy_source = False
html_show_sphinx = False
templates_path = []


def order(page: str) -> list[tuple[str, list[str]]]:
    """The captions of docs/index.md, each with the pages that it links to, without suffixes."""
    captions = []
    for line in page.splitlines():
        if line.startswith("## "):
            captions.append((line[3:], []))
        for link in re.findall(r"\]\(([^):#]+)\.md\)", line):
            path = (REPOSITORY / "docs" / link).resolve().relative_to(REPOSITORY)
            captions[-1][1].append(path.as_posix())
    return captions


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the README the list of all pages, and a page with pages in its folder that list."""
    if docname == "README":
        app.env.note_dependency(str(REPOSITORY / "docs" / "index.md"))
        source[0] += "\n```{toctree}\n:hidden:\n\n/docs/index\n```\n"
        for caption, pages in order((REPOSITORY / "docs" / "index.md").read_text()):
            listed = "\n".join(f"/{page}" for page in pages if page != "README")
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n"
    elif docname == "docs/trainers":
        source[0] += "\n```{toctree}\n:hidden:\n:glob:\n\ntrainers/*\n```\n"


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_contents)
