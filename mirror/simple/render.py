"""Writes the pages that clients get: values in, bytes out. What a client would trip over is left out or escaped here.

- A link is relative, ends in the file's name and has no query; the upstream's own URL is never shown.
- No null, ever: a field that is not known is not there.
- Of hashes SHA-256 alone where it is known: pip takes a file when any one of the listed hashes matches, so that a weak one
  beside it would weaken it.
- A quarantined project offers no files (PEP 792).

Nothing on a page depends on who asks, so that it can be written once and kept.
"""

from mirror.model import ProjectList, ProjectPage
from mirror.simple import render_html, render_json
from mirror.simple.media import Form

__all__ = ["Form", "project_list", "project_page"]


def project_page(page: ProjectPage, *, file_base: str, form: Form) -> bytes:
    """Write a project page.

    Args:
        page: what it says.
        file_base: what the link of a file begins with, e.g. `../../files/`; the project and the file's name follow.
        form: JSON or HTML.
    """
    write = render_json.project_page if form is Form.JSON else render_html.project_page
    return write(page, file_base)


def project_list(projects: ProjectList, *, form: Form) -> bytes:
    """Write the project list; memory beside the result stays small for any number of names."""
    write = render_json.project_list if form is Form.JSON else render_html.project_list
    return write(projects)
