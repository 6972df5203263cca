"""The page with the face: what a stream sends, in a browser on this machine, and its controls.

The page is served by a process of its own (`server`), which `Link` starts and feeds; whoever drives
a face hands it frames and sound and takes the controls that come back, and never waits for it.
"""

from __future__ import annotations


class PreviewError(RuntimeError):
    """Something about the page that a user can put right; one line with the remedy."""
