"""Browser tabs without a browser: Streamlit's web socket and its upload route, as its own frontend uses them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie

from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

COOKIE = "_streamlit_xsrf"


@dataclass(slots=True)
class Tab:
    """An open tab: its web socket, the name of its session and its token against forged requests."""

    socket: ClientConnection
    session: str
    token: str

    async def rerun(self, query: str = "", page: str = "") -> int:
        """Run the page once; return how many bytes came until it had finished."""
        message = BackMsg()
        message.rerun_script.query_string = query
        message.rerun_script.page_name = page
        await self.socket.send(message.SerializeToString())
        received = 0
        while True:
            data = await self.socket.recv()
            received += len(data)
            if _parse(data).WhichOneof("type") == "script_finished":
                return received

    def upload_head(self, name: str, size_bytes: int) -> str:
        """Return the path and the headers of an upload, without the host."""
        return (
            f"PUT /_stcore/upload_file/{self.session}/{name} HTTP/1.1\r\n"
            f"Cookie: {COOKIE}={self.token}\r\nX-Xsrftoken: {self.token}\r\n"
            f"Content-Type: multipart/form-data; boundary=frontier\r\nContent-Length: {size_bytes}\r\n"
        )


@asynccontextmanager
async def tab(host: str, port: int, page: str = "") -> AsyncIterator[Tab]:
    """Open a tab, and close it with the block; its page has run once."""
    token = await _token(host, port)
    headers = {"Cookie": f"{COOKIE}={token}"}
    protocols = ["streamlit", token]
    async with connect(
        f"ws://{host}:{port}/_stcore/stream",
        subprotocols=protocols,  # type: ignore[arg-type]
        additional_headers=headers,
        origin=f"http://{host}:{port}",  # type: ignore[arg-type]
        max_size=None,
        open_timeout=60,
    ) as socket:
        opened = Tab(socket, "", token)
        message = BackMsg()
        message.rerun_script.page_name = page
        await socket.send(message.SerializeToString())
        while True:
            received = _parse(await socket.recv())
            if received.WhichOneof("type") == "new_session":
                opened.session = received.new_session.initialize.session_id
            if received.WhichOneof("type") == "script_finished":
                break
        yield opened


def _parse(data: bytes | str) -> ForwardMsg:
    message = ForwardMsg()
    message.ParseFromString(data)
    return message


async def _token(host: str, port: int) -> str:
    """Return the token that the server gives to a new visitor."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"GET /_stcore/health HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
    head = (await reader.read()).decode("latin-1").partition("\r\n\r\n")[0]
    writer.close()
    for line in head.splitlines():
        name, _, value = line.partition(": ")
        if name.lower() == "set-cookie" and COOKIE in value:
            return SimpleCookie(value)[COOKIE].value
    return ""
