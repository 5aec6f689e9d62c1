"""A stand-in that answers ListObjectsV2 of one invented bucket, and nothing else, from two processes.

    python -m tests.benchmarks.listing_stand_in KEYS EDITION MILLISECONDS LAYOUT

Keys are `docs/000/report-0000000.html` … in a hundred folders, or `flat` in one: `docs/report-0000000.html`
…, or `random`: `docs/<32 hexadecimal characters>.html`. Edition 2 has one per cent of them
edited, one per cent gone and one per cent new. Every answer takes so many milliseconds longer, as
S3's own do.
"""

from __future__ import annotations

import asyncio
import hashlib
import multiprocessing
import os
import socket
import sys
from bisect import bisect_right
from urllib.parse import parse_qs, quote, urlsplit

FOLDERS, PAGE = 100, 1_000
LAYOUTS = {
    "folders": lambda number: f"docs/{number % FOLDERS:03d}/report-{number:07d}.html",
    "flat": lambda number: f"docs/report-{number:07d}.html",
    "random": lambda number: f"docs/{hashlib.md5(b'%d' % number).hexdigest()}.html",
}
_ENTRY = (
    "<Contents><Key>{0}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>"
    "<ETag>&quot;{1:032x}&quot;</ETag><Size>{2}</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


def names(keys: int, edition: int, layout: str = "folders") -> list[tuple[str, int]]:
    """Every key with the number that its ETag shows, sorted."""
    shift = keys // 100 if edition == 2 else 0
    found = []
    for number in range(shift, keys + shift):
        edited = edition == 2 and number // FOLDERS % 100 == 50
        found.append((LAYOUTS[layout](number), number * 2 + edited))
    return sorted(found)


class Listing:
    """The bucket of these names."""

    def __init__(self, held: list[tuple[str, int]], seconds: float) -> None:
        self._held = held
        self._keys = [key for key, _ in held]
        self._seconds = seconds

    def page(self, query: dict[str, str]) -> bytes:
        """The XML of one page."""
        prefix, after = query.get("prefix", ""), query.get("start-after", "")
        after = query.get("continuation-token", after)
        at = bisect_right(self._keys, after) if after >= prefix and after else 0
        at = max(
            at, bisect_right(self._keys, prefix[:-1] + chr(ord(prefix[-1]) - 1)) if prefix else 0
        )
        while at < len(self._keys) and self._keys[at] < prefix:
            at += 1
        if query.get("delimiter"):
            return self._folders(prefix)
        some = [each for each in self._held[at : at + PAGE] if each[0].startswith(prefix)]
        more = len(some) == PAGE and at + PAGE < len(self._held)
        more = more and self._keys[at + PAGE].startswith(prefix)
        body = "".join(_ENTRY.format(quote(key), tag, 7_000 + tag % 2) for key, tag in some)
        token = (
            f"<NextContinuationToken>{quote(some[-1][0])}</NextContinuationToken>" if more else ""
        )
        return self._document(prefix, body + token, len(some), more)

    def _folders(self, prefix: str) -> bytes:
        depth = prefix.count("/")
        found = {"/".join(key.split("/")[: depth + 1]) + "/" for key in self._keys[:: max(1, PAGE // 10)]
                 if key.startswith(prefix) and key.count("/") > depth}  # fmt: skip
        body = "".join(
            f"<CommonPrefixes><Prefix>{quote(each)}</Prefix></CommonPrefixes>"
            for each in sorted(found)
        )
        return self._document(prefix, body, len(found), more=False)

    def _document(self, prefix: str, body: str, count: int, more: bool) -> bytes:
        text = (
            '<?xml version="1.0"?><ListBucketResult><Name>wide</Name>'
            f"<Prefix>{prefix}</Prefix><KeyCount>{count}</KeyCount><MaxKeys>{PAGE}</MaxKeys>"
            f"<EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{body}"
            "</ListBucketResult>"
        )
        return text.encode()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        while line := await reader.readline():
            while (await reader.readline()).strip():
                pass
            query = parse_qs(urlsplit(line.split()[1].decode()).query, keep_blank_values=True)
            await asyncio.sleep(self._seconds)
            body = self.page({name: values[0] for name, values in query.items()})
            head = f"HTTP/1.1 200 OK\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n\r\n"
            writer.write(head.encode() + body)
            await writer.drain()
        writer.close()


def _process(port: int, held: list[tuple[str, int]], seconds: float, parent: int = 0) -> None:
    async def run() -> None:
        listing = Listing(held, seconds)
        await asyncio.start_server(listing.serve, "127.0.0.1", port, reuse_port=True, backlog=256)
        # Until whoever started us ends, if only by being killed.
        while not parent or os.getppid() == parent:  # noqa: ASYNC110 - there is no such event
            await asyncio.sleep(1)

    asyncio.run(run())


def main() -> None:
    """Serves until it is killed."""
    keys, edition, milliseconds = map(int, sys.argv[1:4])
    held = names(keys, edition, sys.argv[4])
    with socket.socket() as chosen:
        chosen.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        chosen.bind(("127.0.0.1", 0))
        port = chosen.getsockname()[1]
        context = multiprocessing.get_context("fork")
        second = context.Process(
            target=_process, args=(port, held, milliseconds / 1e3, os.getpid()), daemon=True
        )
        second.start()
        print(port, flush=True)
        _process(port, held, milliseconds / 1e3)


if __name__ == "__main__":
    main()
