// JupyterLab asks yarn for its settings at each start, for builds that never happen here. This stands for it and says nothing.
