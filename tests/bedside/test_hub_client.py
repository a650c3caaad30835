"""Asking a hub over HTTP: answers, refusals, and everything that is no hub."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from bedside.hub_client import HubUnreachable, get
from tests.support.net import free_port


@contextmanager
def answering(answer: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that gives every connection the same bytes; its address, and what it was asked."""
    asked: list[bytes] = []
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = server.accept()
            except OSError:
                return
            with connection:
                asked.append(connection.recv(65536))
                connection.sendall(answer)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}", asked
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join()


def response(status: str, body: str = "", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers, "", body]
    return "\r\n".join(lines).encode()


def test_an_answer_is_told_with_the_servers_clock():
    with answering(response("200 OK", '{"a": 1}', "Date: Wed, 25 Nov 2026 10:00:00 GMT")) as (url, asked):
        answer = get(f"{url}/x", token="t.o.ken")
    assert (answer.status, answer.content, answer.date) == (200, {"a": 1}, datetime(2026, 11, 25, 10, tzinfo=UTC))
    assert b"GET /x HTTP/1.1" in asked[0]
    assert b"Authorization: Bearer t.o.ken" in asked[0]


@pytest.mark.parametrize("status", ["401 Unauthorized", "404 Not Found", "503 Service Unavailable"])
def test_a_refusal_is_an_answer_too(status):
    with answering(response(status, '{"detail": "why"}')) as (url, _):
        answer = get(url)
    assert (answer.status, answer.content["detail"]) == (int(status[:3]), "why")


def test_a_redirection_is_not_followed_for_the_token_would_go_with_it():
    with answering(response("200 OK", "{}")) as (other, asked):
        with answering(response("307 Temporary Redirect", "", f"Location: {other}/")) as (url, _):
            assert get(url, token="t").status == 307
        assert asked == []


def test_what_is_no_json_is_no_content():
    with answering(response("200 OK", "<html>")) as (url, _):
        assert get(url).content is None


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"-ERR unknown command\r\n", "what answers there is no web server"),
        (b"", "what answers there is no web server"),
        (response("200 OK", "{}", "Date: yesterday"), "Invalid date value"),
    ],
)
def test_what_is_no_hub_is_said_to_be_unreachable(answer, said):
    with answering(answer) as (url, _), pytest.raises(HubUnreachable, match=said):
        get(url, seconds=2)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        pytest.param(f"http://127.0.0.1:{free_port()}", "Connection refused", id="nobody"),
        ("http://nowhere.invalid", "Name or service not known|Temporary failure in name resolution"),
        ("ftp://127.0.0.1", "must begin with http:// or https://"),
        ("127.0.0.1:5054", "must begin with http:// or https://"),
        ("http://[::1", "Invalid IPv6 URL"),
        ("http://127.0.0.1:99999", "127.0.0.1:99999"),
    ],
)
def test_where_nothing_answers_the_address_is_named(url, said):
    with pytest.raises(HubUnreachable, match=said) as refused:
        get(url, seconds=2)
    assert url in str(refused.value)
