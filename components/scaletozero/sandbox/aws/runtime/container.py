"""What the runtime starts for an instance: the container's program, ended when the runtime is.

Run by path (`python -P container.py FD MODULE ARGUMENT...`), so that nothing but the program itself is imported. FD is
the reading end of a pipe whose other end only the runtime holds: it closes when the runtime ends, however it ends, on
every system.
"""

import os
import runpy
import sys
import threading


def _end_with_the_runtime(descriptor: int) -> None:
    while os.read(descriptor, 1):
        pass
    os._exit(3)


if __name__ == "__main__":
    threading.Thread(target=_end_with_the_runtime, args=(int(sys.argv[1]),), daemon=True).start()
    module = sys.argv[2]
    sys.argv = [module, *sys.argv[3:]]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
