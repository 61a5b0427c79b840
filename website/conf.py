"""The site: the README, the pages of docs/ and a reference of every public name.

``sphinx-build -W --keep-going -c website . site`` in the repository builds it.
"""

import re
import sys
from pathlib import Path

from docutils import nodes
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
html_show_copyright = False


def order(page: str) -> list[tuple[str, list[str]]]:
    """The captions of docs/index.md, each with the pages that it links to, as a list has them."""
    captions = []
    for line in page.splitlines():
        if line.startswith("## "):
            captions.append((line[3:], []))
        # Only lists: a table of tasks links to the same pages.
        for text, link in re.findall(r"^- \[([^]]+)\]\(([^):#]+)\.md\)", line):
            path = (REPOSITORY / "docs" / link).resolve().relative_to(REPOSITORY)
            if path.as_posix() != root_doc:
                captions[-1][1].append(f"{text} </{path.as_posix()}>")
    return captions


def add_contents(app: Sphinx, docname: str, source: list[str]) -> None:
    """Give the README the list of all pages, and a page with pages in its folder that list."""
    if docname == "README":
        app.env.note_dependency(str(REPOSITORY / "docs" / "index.md"))
        source[0] += "\n```{toctree}\n:hidden:\n\n/docs/index\n```\n"
        for caption, pages in order((REPOSITORY / "docs" / "index.md").read_text()):
            listed = "\n".join(pages)
            source[0] += f"\n```{{toctree}}\n:hidden:\n:caption: {caption}\n\n{listed}\n```\n"
    elif docname == "docs/index":
        source[0] = f"---\nnosearch: true\n---\n{source[0]}"  # it names all that is elsewhere
    elif docname == "docs/trainers":
        source[0] += "\n```{toctree}\n:hidden:\n:glob:\n\ntrainers/*\n```\n"


def keep_together(app: Sphinx, tree: nodes.document) -> None:
    """Break no line between a number and "%", nor at the hyphens of a short piece of code."""
    for code in tree.findall(nodes.literal):
        if len(code.astext()) <= 20:
            code["classes"].append("short")
    for text in list(tree.findall(nodes.Text)):
        if not isinstance(text.parent, nodes.literal | nodes.literal_block):
            text.parent.replace(text, nodes.Text(re.sub(r"(?<=\d) %", "\N{NO-BREAK SPACE}%", text)))


def setup(app: Sphinx) -> None:
    app.connect("source-read", add_contents)
    app.connect("doctree-read", keep_together)
