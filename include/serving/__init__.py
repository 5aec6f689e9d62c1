"""The HTTP API: search, answers and conversations over the live index, for programs and chat clients.

`command` is what `python -m include serve` runs, `server` opens the socket, `app` is the application.
See docs/api.md.
"""
