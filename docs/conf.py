"""The documentation as a site: ``make site`` (decision 45).

The pages stay plain Markdown that reads the same in the repository. What the site needs beyond
them, its navigation, is made here of the lists of links in ``docs/index.md``.
"""

import re
from typing import Any

project = "statusgate"
extensions = ["myst_parser"]
include_patterns = ["docs/**", "*.md", "interop/README.md"]
root_doc = "docs/index"
myst_heading_anchors = 4
html_theme = "furo"
html_title = "statusgate"
html_static_path = ["site.css"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
nitpicky = True

_SECTION = re.compile(r"^## (.+)\n((?:(?!## ).*\n)*)", re.MULTILINE)
_ENTRY = re.compile(r"^- \[([^\]]+)\]\(([^)#:]+)\.md\)", re.MULTILINE)


def _with_navigation(_app: Any, name: str, source: list[str]) -> None:
    """Append to the index one hidden table of contents for each of its sections."""
    if name == "docs/decisions/README":
        source[0] += "\n\n```{toctree}\n:glob:\n\n0*\n```\n"
    if name != root_doc:
        return
    for title, body in _SECTION.findall(source[0] + "\n"):
        entries = "\n".join(f"{text} <{page}>" for text, page in _ENTRY.findall(body))
        source[0] += f"\n\n```{{toctree}}\n:hidden:\n:caption: {title}\n\n{entries}\n```\n"


def setup(app: Any) -> None:
    """Sphinx calls this."""
    app.connect("source-read", _with_navigation)
