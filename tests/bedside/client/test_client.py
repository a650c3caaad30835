"""What the client says of its arguments before it connects."""

import pytest

from bedside.client import Client


@pytest.mark.parametrize("url", ["localhost:5054", "ws://localhost:5054", ""])
def test_an_address_that_is_not_of_http_is_refused_at_once(url):
    with pytest.raises(ValueError, match=f"^{url}: must begin with http:// or https://$"):
        Client(url, token="t")


@pytest.mark.parametrize("url", ["http://localhost:5054", "https://hub.example/"])
def test_an_address_of_http_is_taken(url):
    Client(url, token="t")
