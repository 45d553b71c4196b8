"""Reads what an upstream sent as a page of the simple API: bytes in, values out, and hostile bytes refused.

Whatever comes back is whole and clean: names of files are safe path segments and unique, links are absolute, of http or
https and without userinfo, digests have their length, texts have no control characters. Whatever is cut off, is no index,
speaks another version or belongs to another project raises `Invalid`, so that a failure is never an empty answer.

Both functions are work for the processor alone: a few milliseconds for a thousand files.
"""

from mirror.errors import Invalid
from mirror.model import ProjectList, ProjectPage
from mirror.names import ProjectName
from mirror.simple import parse_html, parse_json
from mirror.simple.media import TEXT_HTML, V1_HTML, V1_JSON, bare
from mirror.simple.sign_in import looks_like_sign_in

__all__ = ["looks_like_sign_in", "page", "project_list"]

_HTML = frozenset({TEXT_HTML, V1_HTML})
_JSON = frozenset({V1_JSON, "application/json"})


def page(body: bytes, *, media_type: str, url: str, project: ProjectName) -> ProjectPage:
    """Read a project page.

    Args:
        body: the whole body, decoded from its content coding.
        media_type: its Content-Type; parameters do not matter, both forms are UTF-8.
        url: the final URL of the response: its links may be relative to it.
        project: whose page was asked for.

    Raises:
        Invalid: it is not a whole page of that project in version 1 of the simple API.
    """
    bare_type = bare(media_type)
    if bare_type in _HTML:
        return parse_html.page(body, url=url, project=project)
    return parse_json.page(body, url=url, project=project, says_version=_is_generic_json(bare_type))


def project_list(body: bytes, *, media_type: str, url: str) -> ProjectList:
    """Read a project list. Arguments are those of `page`.

    Raises:
        Invalid: it is not a whole project list in version 1 of the simple API.
    """
    bare_type = bare(media_type)
    if bare_type in _HTML:
        return parse_html.project_list(body, url=url)
    return parse_json.project_list(body, says_version=_is_generic_json(bare_type))


def _is_generic_json(bare_type: str) -> bool:
    if bare_type not in _JSON:
        raise Invalid("Its media type is not one of the simple API in version 1.")
    return bare_type != V1_JSON
