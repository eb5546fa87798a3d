"""A usual Python sink: aiohttp takes NDJSON batches and puts each message into SQLite, committed before the answer.

    aiohttp_sqlite.py PORT FILE
"""

import json
import sqlite3
import sys

from aiohttp import web

FIELDS = ("ts", "host", "pid", "comm", "syscall", "count", "bytes", "lat")


def main() -> None:
    database = sqlite3.connect(sys.argv[2], isolation_level=None)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("PRAGMA synchronous = FULL")
    database.execute(f"CREATE TABLE messages ({', '.join(FIELDS)})")

    async def take(request: web.Request) -> web.Response:
        rows = [json.loads(line) for line in (await request.read()).splitlines()]
        database.execute("BEGIN")
        database.executemany(f"INSERT INTO messages VALUES ({', '.join(':' + name for name in FIELDS)})", rows)
        database.execute("COMMIT")
        return web.json_response({"count": len(rows)})

    app = web.Application(client_max_size=1 << 26)
    app.router.add_post("/messages", take)
    web.run_app(app, host="127.0.0.1", port=int(sys.argv[1]), print=None, access_log=None)


main()
