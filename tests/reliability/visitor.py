"""A visitor over a raw web socket: opens pages by address, uploads files to their widgets, notes what goes wrong."""

import asyncio
import urllib.request
import uuid
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from streamlit.proto.Alert_pb2 import Alert
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.Common_pb2 import FileURLs, UploadedFileInfo
from streamlit.proto.Element_pb2 import Element
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from streamlit.proto.WidgetStates_pb2 import WidgetState

from tests.reliability.tabs import COOKIE, Tab, tab

# A page that has not finished by then is an error.
PATIENCE_S = 300.0


@dataclass(slots=True)
class Visitor:
    """An open tab with the elements of its last run, and the errors that it was shown."""

    address: str
    tab: Tab
    page: str = ""
    query: str = ""
    elements: list[Element] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    runs: int = 0

    async def look(self, page: str, query: str = "") -> None:
        """Open `page`, or run it again, with the choices of `query`."""
        self.page, self.query = page, query
        await self._run([])

    async def give(self, label: str, files: Iterable[tuple[str, bytes]]) -> None:
        """Upload files to the uploader of this page whose label begins with `label`, as the browser does."""
        uploader = next((e.file_uploader for e in self.elements if e.file_uploader.label.startswith(label)), None)
        if uploader is None:
            self.errors.append(f"{self._where}: Expected an uploader {label!r}. Received: none.")
            return
        state = WidgetState(id=uploader.id)
        state.file_uploader_state_value.SetInParent()
        for name, data in files:
            urls = await self._place_for(name)
            await asyncio.to_thread(self._put, urls.upload_url, name, data)
            info = UploadedFileInfo(file_id=urls.file_id, name=name, size=len(data), file_urls=urls)
            state.file_uploader_state_value.uploaded_file_info.append(info)
        await self._run([state])

    async def press(self, label: str) -> None:
        """Press the button whose label begins with `label`, if the page has it."""
        button = next((e.button for e in self.elements if e.button.label.startswith(label)), None)
        if button is not None:
            await self._run([WidgetState(id=button.id, trigger_value=True)])

    async def _run(self, widgets: list[WidgetState]) -> None:
        message = BackMsg()
        message.rerun_script.query_string = self.query
        message.rerun_script.page_name = self.page
        message.rerun_script.widget_states.widgets.extend(widgets)
        await self.tab.socket.send(message.SerializeToString())
        self.elements, self.runs = [], self.runs + 1
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not self._is_end(await self._receive()):
                    pass
        except TimeoutError:
            raise TimeoutError(f"{self._where}: not finished within {PATIENCE_S:.0f} s") from None

    @property
    def _where(self) -> str:
        return f"{self.page or 'compare'}?{self.query}"

    def _is_end(self, received: ForwardMsg) -> bool:
        """Note what the page shows, and return whether that was the last of a run."""
        kind = received.WhichOneof("type")
        if kind == "delta" and received.delta.HasField("new_element"):
            self._note(received.delta.new_element)
        return kind == "script_finished" and received.script_finished == ForwardMsg.FINISHED_SUCCESSFULLY

    def _note(self, element: Element) -> None:
        self.elements.append(element)
        if element.WhichOneof("type") == "exception":
            self.errors.append(f"{self._where}: {element.exception.type}: {element.exception.message}"[:300])
        elif element.WhichOneof("type") == "alert" and element.alert.format == Alert.ERROR:
            self.errors.append(f"{self._where}: {element.alert.body}"[:300])

    async def _place_for(self, name: str) -> FileURLs:
        message = BackMsg()
        message.file_urls_request.request_id = uuid.uuid4().hex
        message.file_urls_request.file_names.append(name)
        message.file_urls_request.session_id = self.tab.session
        await self.tab.socket.send(message.SerializeToString())
        async with asyncio.timeout(PATIENCE_S):
            while (received := await self._receive()).WhichOneof("type") != "file_urls_response":
                pass
        return received.file_urls_response.file_urls[0]

    def _put(self, path: str, name: str, data: bytes) -> None:
        head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"; filename="{name}"\r\n'
        body = head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + data + b"\r\n--frontier--\r\n"
        headers = {
            "Content-Type": "multipart/form-data; boundary=frontier",
            "Cookie": f"{COOKIE}={self.tab.token}",
            "X-Xsrftoken": self.tab.token,
        }
        request = urllib.request.Request(self.address + path, data=body, headers=headers, method="PUT")
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            answer.read()

    async def _receive(self) -> ForwardMsg:
        message = ForwardMsg()
        data = await self.tab.socket.recv()
        message.ParseFromString(data if isinstance(data, bytes) else data.encode())
        return message


@asynccontextmanager
async def visitor(address: str) -> AsyncIterator[Visitor]:
    """Open a tab on the first page of the server at `address`; it is closed with the block."""
    host, _, port = address.removeprefix("http://").partition(":")
    async with tab(host, int(port or 80)) as opened:
        yield Visitor(address, opened)
