"""A real S3 (and STS) API on loopback: moto's server, in a process of its own.

`python -m tests.s3.moto_process` prints its port. Writes take turns: moto looks at a condition and
stores the object in two steps, between which another request could come.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable, Iterable
from typing import Any

Application = Callable[[dict[str, Any], Any], Iterable[bytes]]


def one_write_at_a_time(application: Application) -> Application:
    """The application, with a lock around whatever changes an object."""
    lock = threading.Lock()

    def guarded(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] in ("GET", "HEAD"):
            return application(environ, start)
        with lock:
            return application(environ, start)

    return guarded


def main() -> None:
    """Serves until it is killed."""
    from moto.server import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    application = one_write_at_a_time(DomainDispatcherApplication(create_backend_app))
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 0
    server = make_server("127.0.0.1", port, application, threaded=True)
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
