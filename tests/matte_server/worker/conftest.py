"""The small pictures of the server's tests."""

from tests.matte_server.server.conftest import client, pictures, request_for, server

__all__ = ["client", "pictures", "request_for", "server"]
