"""The resident memory of the server at an address of this machine, and files dropped into its pages."""

import asyncio
import io
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import psutil
from PIL import Image
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from imgrec.settings import MIB
from tests.reliability.tabs import Tab

SAMPLE_EVERY_S = 0.1

# How long the memory is watched before an attack; the least counts.
IDLE_S = 3.0

TALL = (1_279, 20_900)


def tall_png(number: int) -> bytes:
    """Return a PNG of one color, different for each number: 100 kB that take 80 MB as pixels."""
    file = io.BytesIO()
    Image.new("RGB", TALL, (number % 256, number // 256, 99)).save(file, "PNG")
    return file.getvalue()


class Memory:
    """The resident MiB of a server process with its children, from what is sampled until now."""

    def __init__(self, port: int) -> None:
        self._process = next(
            psutil.Process(one.pid)
            for one in psutil.net_connections("tcp")
            if one.status == psutil.CONN_LISTEN and one.laddr.port == port and one.pid is not None
        )
        self.peak_mib = 0.0

    def now_mib(self) -> float:
        """Return the memory at this moment."""
        found = 0
        for process in [self._process, *self._process.children(recursive=True)]:
            try:
                found += process.memory_info().rss
            except psutil.NoSuchProcess:  # a child that has ended since
                continue
        return found / MIB

    async def least_mib(self, seconds: float) -> float:
        """Return the least memory in the next seconds."""
        samples = []
        for _ in range(int(seconds / SAMPLE_EVERY_S)):
            samples.append(self.now_mib())
            await asyncio.sleep(SAMPLE_EVERY_S)
        return min(samples)

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Note the most memory while the block runs."""

        async def watch() -> None:
            while True:
                self.peak_mib = max(self.peak_mib, self.now_mib())
                await asyncio.sleep(SAMPLE_EVERY_S)

        watching = asyncio.create_task(watch())
        try:
            yield
        finally:
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


def body_of(file: bytes) -> bytes:
    """Return `file` as the body of an upload."""
    head = b'--frontier\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n'
    return head + b"\r\n" + file + b"\r\n--frontier--\r\n"


async def upload(host: str, port: int, tab: Tab, file: bytes, name: str | None = None) -> int:
    """Send `file` as the frontend does, claimed by no widget; return the status."""
    body = body_of(file)
    reader, writer = await asyncio.open_connection(host, port)
    head = tab.upload_head(name or str(uuid.uuid4()), len(body)) + f"Host: {host}:{port}\r\n\r\n"
    try:
        writer.write(head.encode() + body)
        return int((await reader.readline()).split()[1])
    except (OSError, IndexError):  # the connection has ended before there was an answer
        return 0
    finally:
        writer.close()


async def drop(host: str, port: int, tab: Tab, files: Sequence[bytes], page: str = "") -> list[int]:
    """Drop files into the first uploader of a page, and let the page run; return the statuses of the uploads."""
    uploader = await _first_uploader(tab, page)
    statuses = []
    message = BackMsg()
    message.rerun_script.page_name = page
    state = message.rerun_script.widget_states.widgets.add(id=uploader)
    for number, file in enumerate(files):
        name = str(uuid.uuid4())
        statuses.append(await upload(host, port, tab, file, name))
        if statuses[-1] == 204:
            info = state.file_uploader_state_value.uploaded_file_info.add(name=f"{number}.png", size=len(file))
            info.file_id = name
            info.file_urls.file_id = name
            info.file_urls.upload_url = info.file_urls.delete_url = f"/_stcore/upload_file/{tab.session}/{name}"
    await tab.socket.send(message.SerializeToString())
    await _until_finished(tab)
    return statuses


async def _first_uploader(tab: Tab, page: str) -> str:
    message = BackMsg()
    message.rerun_script.page_name = page
    await tab.socket.send(message.SerializeToString())
    found = [one.delta.new_element.file_uploader.id for one in await _until_finished(tab)]
    return next(one for one in found if one)


async def _until_finished(tab: Tab) -> list[ForwardMsg]:
    """Return the messages until the page has run; a click in between, as of a fragment, has its own end."""
    messages = []
    while True:
        message = ForwardMsg()
        message.ParseFromString(bytes(await tab.socket.recv(decode=False)))
        messages.append(message)
        if message.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY and message.HasField("script_finished"):
            return messages
