"""Where Jupyter looks for kernels: without the directory of IPython's, which goes with the task and so never has any.

To find out which that would be, the server would import all of IPython as it starts, for half a second of people's time.
"""

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_path


class KernelSpecs(KernelSpecManager):
    def _kernel_dirs_default(self) -> list[str]:
        return jupyter_path("kernels")
