"""Notebooks over the API: stored canonically, versioned, upgraded, refused with a finger on the fault."""

from __future__ import annotations

import copy
import io
import json

import nbformat
import pytest
from conftest import Server, notebook

RICH = {
    "nbformat": 4, "nbformat_minor": 5,
    "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"},
                 "mine": {"z": [1, 2.5, 1e22, 1e-7, -0.0, 123456789.125, True, None], "ä": "ü"}},
    "cells": [
        {"id": "md", "cell_type": "markdown", "metadata": {"tags": ["b", "a"]}, "source": "# Größe\u2028next\n\ttab \"q\" \\ \x07\n",
         "attachments": {"a.png": {"image/png": "QUJD\n"}}},
        {"id": "code", "cell_type": "code", "metadata": {"collapsed": False, "scrolled": "auto"}, "execution_count": 3,
         "source": "a = 1\r\nb = 2\n\nc", "outputs": [
             {"output_type": "stream", "name": "stdout", "text": "one\ntwo\x0cthree\x85four"},
             {"output_type": "display_data", "metadata": {"image/png": {"width": 3}}, "data": {
                 "text/plain": "<Figure>", "image/png": "iVBORw0KGgo=", "image/svg+xml": "<svg>\n</svg>",
                 "application/json": {"b": [1, {"x": []}], "a": {}}, "application/vnd.x+json": ["l\n", 1],
                 "application/javascript": "a();\nb();", "text/html": ""}},
             {"output_type": "execute_result", "execution_count": 3, "metadata": {}, "data": {"text/plain": "3"}},
             {"output_type": "error", "ename": "E", "evalue": "v", "traceback": ["\x1b[31mline\nbreak"]}]},
        {"id": "raw", "cell_type": "raw", "metadata": {"format": "text/x"}, "source": ""},
    ],
}


def put(server: Server, name: str, body: object, **more):
    data = body if isinstance(body, (bytes, str)) else json.dumps(body)
    return server.requests.put(f"/v1/notebooks/{name}", data=data, **more)


def canonical(notebook_json: dict) -> bytes:
    """What the nbformat package writes."""
    node = nbformat.from_dict(copy.deepcopy(notebook_json))
    out = io.StringIO()
    nbformat.write(node, out)
    return out.getvalue().encode()


def test_the_stored_file_is_byte_for_byte_what_nbformat_writes(shared_server: Server) -> None:
    for number, book in enumerate([RICH, notebook("print(1)", parameters="x = 1"), notebook()]):
        assert put(shared_server, f"canonical-{number}", book).status_code in (200, 201)
        stored = shared_server.requests.get(f"/v1/notebooks/canonical-{number}").content
        assert stored == canonical(book)
        nbformat.validate(json.loads(stored))


def test_an_executed_notebook_is_canonical_too(shared_server: Server) -> None:
    run = shared_server.run("print('a\\nb')", "{'k': 1.5}", "from IPython.display import JSON\nJSON({'b': [1.5e300], 'a': 1})")
    assert run["state"] == "succeeded", run
    stored = shared_server.requests.get(f"/v1/runs/{run['id']}/notebook").content
    book = nbformat.reads(stored.decode(), as_version=4)
    nbformat.validate(book)
    out = io.StringIO()
    nbformat.write(book, out)
    assert stored == out.getvalue().encode()


def test_versions_etags_and_lists(shared_server: Server) -> None:
    first = put(shared_server, "books/v", notebook("1"))
    assert first.status_code == 201 and first.json()["version"] == 1 and first.json()["cells"] == 1
    second = put(shared_server, "books/v", notebook("1", "2", parameters="n: int = 3  # how many"), headers={"If-Match": first.headers["ETag"]})
    assert second.status_code == 200 and second.json()["version"] == 2
    assert second.json()["parameters"] == [{"name": "n", "type": "int", "optional": False, "default": 3, "help": "how many"}]
    late = put(shared_server, "books/v", notebook("3"), headers={"If-Match": first.headers["ETag"]})
    assert late.status_code == 412
    assert len(json.loads(shared_server.requests.get("/v1/notebooks/books/v?version=1").content)["cells"]) == 1
    versions = shared_server.requests.get("/v1/notebooks/books/v?view=versions").json()["items"]
    assert [item["version"] for item in versions] == [2, 1]
    info = shared_server.requests.get("/v1/notebooks/books/v?view=info").json()
    assert info["parameters"] == second.json()["parameters"]
    assert shared_server.requests.get("/v1/notebooks/books/v?view=parameters").json()["items"] == info["parameters"]
    assert [item["name"] for item in shared_server.requests.get("/v1/notebooks?prefix=books/").json()["items"]] == ["books/v"]
    disposition = shared_server.requests.get("/v1/notebooks/books/v").headers["Content-Disposition"]
    assert disposition == 'attachment; filename="v.ipynb"'
    assert shared_server.requests.delete("/v1/notebooks/books/v").status_code == 204
    assert shared_server.requests.get("/v1/notebooks/books/v").status_code == 404


def test_older_minors_are_upgraded_and_version_three_is_converted(shared_server: Server) -> None:
    old = notebook("x")
    old["nbformat_minor"] = 2
    del old["cells"][0]["id"]
    assert put(shared_server, "old", old).status_code == 201
    stored = shared_server.requests.get("/v1/notebooks/old").json()
    assert stored["nbformat_minor"] == 5 and stored["cells"][0]["id"]
    nbformat.validate(stored)
    third = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": "t"}, "worksheets": [{"metadata": {}, "cells": [
        {"cell_type": "heading", "level": 1, "metadata": {}, "source": "T"},
        {"cell_type": "code", "collapsed": False, "input": ["print(1)\n", "2"], "language": "python", "metadata": {}, "prompt_number": 1,
         "outputs": [{"output_type": "stream", "stream": "stdout", "text": "1\n"},
                     {"output_type": "pyout", "metadata": {}, "prompt_number": 1, "text": "2", "png": "QUJD"}]}]}]}
    assert put(shared_server, "third", third).status_code == 201
    mine = shared_server.requests.get("/v1/notebooks/third").json()
    theirs = nbformat.convert(nbformat.from_dict(copy.deepcopy(third)), 4)
    nbformat.validate(mine)
    assert [cell["cell_type"] for cell in mine["cells"]] == [cell["cell_type"] for cell in theirs["cells"]]
    assert "".join(mine["cells"][1]["source"]) == "".join(theirs["cells"][1]["source"])
    assert mine["cells"][1]["outputs"][1]["data"].keys() == theirs["cells"][1]["outputs"][1]["data"].keys()


@pytest.mark.parametrize("body, field", [
    (b"", None), (b"hello", None), (b"[1]", "/"), (b"{}", "/nbformat"), (b'{"nbformat": 5, "cells": [], "metadata": {}, "nbformat_minor": 0}', "/nbformat"),
    (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "/cells"),
    (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code"}]}', "/cells/0/metadata"),
    (b'{"nbformat": 4, "nbformat": 4}', None), (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [], "x": NaN}', None),
    (b'{"nbformat": 4, "metadata": ' + b"[" * 10_000, None), (b"\xff\xfe{}", None),
    (b'{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [], "extra": 1}', "/extra"),
])
def test_what_is_no_notebook_is_refused_with_the_place(shared_server: Server, body: bytes, field: str | None) -> None:
    answer = put(shared_server, "no-notebook", body)
    assert answer.status_code in (400, 413), answer.text
    problem = answer.json()
    assert problem["detail"] and problem.get("hint")
    if field and field != "/cells/0/metadata":
        assert problem["field"] == field
    assert shared_server.requests.get("/v1/notebooks/no-notebook").status_code == 404


def test_an_unknown_kernel_is_refused_when_it_is_to_run(shared_server: Server) -> None:
    book = notebook("1")
    book["metadata"]["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    book["metadata"]["language_info"] = {"name": "R"}
    assert put(shared_server, "r-book", book).status_code == 201
    answer = shared_server.requests.post("/v1/runs", json={"notebook": "r-book"})
    assert answer.status_code == 400
    assert '"ir"' in answer.json()["detail"] and answer.json()["hint"]


def test_a_notebook_past_the_size_limit_is_refused(shared_server: Server) -> None:
    answer = put(shared_server, "large", b" " * (64 * 1024 * 1024 + 1))
    assert answer.status_code == 413
