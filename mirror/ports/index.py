"""What answers for projects: indexes, and the sources that they are made of."""

from __future__ import annotations

from typing import Protocol

from mirror.model import Answer, FileRef, Listing
from mirror.names import ProjectName


class Index(Protocol):
    """A repository. Every feature is a wrapper around one of these.

    "Project unknown" and "file unknown" are different errors: the first lets the next source answer, the second does
    not. That difference is the defence against dependency confusion.
    """

    async def projects(self) -> Listing:
        """List every project.

        Raises:
            UpstreamError: a source that would have to be asked failed, and nothing is held in its place.
            StoreError: the store failed.
        """
        ...

    async def project(self, name: ProjectName) -> Answer:
        """Give a project's page: the same `ProjectPage` object for as long as it says the same.

        Raises:
            ProjectNotFound: it is known not to be here.
            UpstreamError: the source failed, and nothing is held in its place.
            StoreError: the store failed.
        """
        ...

    async def locate(self, name: ProjectName, filename: str) -> FileRef:
        """Find one file.

        Raises:
            ProjectNotFound, UpstreamError, StoreError: as `project`.
            FileNotFound: the project is here and has no such file.
        """
        ...


class Source(Index, Protocol):
    """An index that is one of the ordered sources of another."""

    name: str
    """Its name in the configuration."""
    identity: str
    """What that name stands for: another one once it is pointed elsewhere, so that no old word of it counts any more."""

    async def recall(self, name: ProjectName) -> Answer:
        """Give what is held of a project's page, asking nobody outside.

        A local source (a catalogue) knows all it holds: here `recall` and `project` are the same.

        Raises:
            ProjectNotFound: nothing is held; for a remote source this says nothing about whether it knows the project.
            StoreError: the store failed.
        """
        ...

    async def recall_projects(self) -> Listing:
        """List what `projects` last said, asking nobody outside; empty when nothing is held.

        Raises:
            StoreError: the store failed.
        """
        ...

    @property
    def remote(self) -> bool:
        """Whether answering means asking somebody outside."""
        ...
