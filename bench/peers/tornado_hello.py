"""Tornado's hello: one process, one handler, 100 bytes of JSON.  `tornado_hello.py PORT`."""

import asyncio
import sys

import tornado.web

BODY = b'{"status":"ok","version":"0.1.0","hello":"a hundred bytes of JSON, as small answers often are","n":12345678}'


class Hello(tornado.web.RequestHandler):
    def get(self) -> None:
        self.set_header("Content-Type", "application/json")
        self.finish(BODY)


async def main() -> None:
    tornado.web.Application([("/", Hello)]).listen(int(sys.argv[1]), address="127.0.0.1")
    await asyncio.Event().wait()


asyncio.run(main())
