"""Runs the container's program for an instance, and ends when the runtime ends.

Run by path and isolated (`python -I container.py FD FOLDER MODULE ARGUMENT...`): Python's variables, the working
folder and the user's packages are ignored, so that no code runs but the program and what is installed. FOLDER is
where the program's package is. FD is the reading end of a pipe whose other end only the runtime holds: it closes when
the runtime ends, however it ends, on every system.
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
    folder, module = sys.argv[2:4]
    sys.argv = [module, *sys.argv[4:]]
    sys.path.append(folder)
    runpy.run_module(module, run_name="__main__", alter_sys=True)
