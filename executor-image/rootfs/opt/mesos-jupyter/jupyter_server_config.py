"""How a node's Jupyter serves. What differs between nodes comes in the environment, what is secret from the trusted directory."""

import os
import sys
from pathlib import Path

# Where our own classes are. Last: nothing of Jupyter's is to be found here.
sys.path.append(os.path.dirname(__file__))

c = get_config()  # noqa: F821 (Jupyter defines it)

c.ServerApp.ip = "0.0.0.0"
c.ServerApp.port = int(os.environ["MESOS_JUPYTER_PORT"])
# Another port would be one where nobody looks for it: rather fail, and be started again.
c.ServerApp.port_retries = 0
c.ServerApp.base_url = os.environ["MESOS_JUPYTER_BASE_PATH"]
c.ServerApp.root_dir = os.environ["MESOS_JUPYTER_NOTEBOOKS"]
c.ServerApp.allow_root = True
c.ServerApp.open_browser = False

# Read here, so that it is in no argument and no variable.
c.IdentityProvider.token = Path(os.environ["MESOS_JUPYTER_TOKEN_FILE"]).read_text().strip()
c.PasswordIdentityProvider.allow_password_change = False

# Behind the scheduler's proxy, or at a bare address, `Host` is not localhost. The token protects, and the check of `Origin`.
c.ServerApp.allow_remote_access = True
c.ServerApp.trust_xheaders = True

# The shim is for settings of the notebook server of old, which it would import IPython to look for.
c.ServerApp.jpserver_extensions.update({"farewell": True, "notebook_shim": False})
c.ServerApp.kernel_spec_manager_class = "kernel_specs.KernelSpecs"
c.ServerApp.kernel_websocket_connection_class = "farewell.Connection"

# A terminal may take less of the machine than etcd and the node agent do; kernel.json does the same for kernels.
c.ServerApp.terminado_settings = {
    "shell_command": ["/usr/bin/nice", "-n", "10", "/usr/bin/choom", "-n", "500", "--", "/bin/bash", "-l"]
}
# A terminal that nobody looks at keeps what runs in it; it ends with Jupyter.
c.TerminalManager.cull_inactive_timeout = 0

# No node is sure of a way to the internet: no news, no look for updates, no extension from there.
c.LabApp.news_url = None
c.LabApp.check_for_updates_class = "jupyterlab.handlers.announcements.NeverCheckForUpdate"
c.LabApp.extension_manager = "readonly"
