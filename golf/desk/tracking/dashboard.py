"""Trackio's own dashboard on a store: its server in this process, on loopback, for as long as the block lasts.

What is shown may be read by every user of this machine; renaming and deleting runs wants Trackio's write token, which
is made for the occasion and told to nobody. No tunnel, no MCP server, no upload, no custom pages.
"""

import contextlib
import io
from collections.abc import Iterator
from pathlib import Path

from golf.desk.tracking.trackio_store import bound, database, names, surroundings
from golf.errors import BadConfig, TrackingFailed
from golf.schema import Noun

HOST = "127.0.0.1"
PORT_MAX = 65_535
END_S = 5.0
"""For a request that is on when the dashboard ends."""


class Dashboard(Noun):
    """A dashboard that is being served."""

    url: str
    project: str
    runs: int
    """In the project's store when it was opened; what comes later is shown too."""
    store: str


@contextlib.contextmanager
def served(folder: Path, project: str, port: int | None = None) -> Iterator[Dashboard]:
    """Serve the dashboard of a store.

    Args:
        folder: Trackio's store.
        project: What is shown first; the page offers all projects of the store.
        port: Of loopback; None takes the first free one from 7860 on.

    Raises:
        BadConfig: no machine has such a port.
        MissingPackage: Trackio is not installed.
        TrackingFailed: it could not be started, e.g. because the port is taken.
    """
    if port is not None and port > PORT_MAX:
        raise BadConfig(f"--port is {port}; ports are 1 to {PORT_MAX}. Leave it out for a free one")
    said = io.StringIO()
    path = database(folder, project)
    runs = len(set(names(folder, project)))
    with contextlib.ExitStack() as stack:
        with bound(folder, said) as trackio:
            from trackio.frontend_config import BUNDLED_FRONTEND_DIR

            try:
                app, url, _, _ = trackio.show(
                    path.stem, open_browser=False, block_thread=False, host=HOST, server_port=port, share=False,
                    mcp_server=False, frontend_dir=BUNDLED_FRONTEND_DIR,
                )  # fmt: skip
            except Exception as error:  # whatever its server raises
                taken = f"port {port} is taken; give another, or none" if port else str(error)
                raise TrackingFailed(f"Trackio's dashboard could not be started: {taken}") from error
        stack.callback(_end, app)
        stack.enter_context(surroundings(folder.resolve()))
        yield Dashboard(url=f"{url}?project={path.stem}", project=path.stem, runs=runs, store=str(path))


def _end(app: object) -> None:
    with contextlib.redirect_stdout(io.StringIO()):
        app.close()  # type: ignore[attr-defined] # trackio.server.TrackioDashboardApp
    server = getattr(app, "_uvicorn_server", None)
    thread = getattr(server, "thread", None)
    if thread is not None:  # close() only asks
        thread.join(END_S)
