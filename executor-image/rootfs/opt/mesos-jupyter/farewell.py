"""Tells people's browsers why the connections of kernels and terminals end, when another node is to have the notebook.

Jupyter itself just goes: a WebSocket is then closed with 1006, as by a network that failed.
"""

from typing import ClassVar

from jupyter_server.extension.application import ExtensionApp
from jupyter_server.services.kernels.connection.channels import ZMQChannelsWebsocketConnection

# RFC 6455's registry: the service is restarted, and who was connected may come back.
SERVICE_RESTART = 1012
# At most 123 bytes.
REASON = "the notebook is handed over to another node: what runs ends here, files are there"


class Connection(ZMQChannelsWebsocketConnection):
    """One that is known for as long as it is open."""

    known: ClassVar[set["Connection"]] = set()

    def connect(self):
        self.known.add(self)
        return super().connect()

    def disconnect(self):
        self.known.discard(self)
        super().disconnect()


class Farewell(ExtensionApp):
    # Extensions are stopped in order of name, and this one waits for nothing: it comes before terminals and kernels.
    name = "farewell"

    async def stop_extension(self) -> None:
        for connection in list(Connection.known):
            connection.websocket_handler.close(SERVICE_RESTART, REASON)
        for terminal in self.serverapp.web_app.settings["terminal_manager"].terminals.values():
            for client in list(terminal.clients):
                # On the screen; then as when a shell has ended, so that the lab does not ask for this terminal again.
                client.send_json_message(["stdout", f"\r\n\n{REASON}\r\n"])
                client.send_json_message(["disconnect", 1])
                client.close(SERVICE_RESTART, REASON)


def _jupyter_server_extension_points() -> list[dict[str, object]]:
    return [{"module": __name__, "app": Farewell}]
