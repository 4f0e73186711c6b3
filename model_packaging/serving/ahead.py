"""Work on a thread of its own, which is begun before its result is needed. Standard library only."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Ahead(Generic[T]):
    """Work that has begun. (`concurrent.futures` does the same; to import it takes longer than what is saved here.)"""

    def __init__(self, work: Callable[[], T]) -> None:
        self._found: list[T] = []
        self._error: BaseException | None = None
        # A daemon: a program that ends because of another error does not wait for it.
        self._thread = threading.Thread(target=self._run, args=(work,), daemon=True)
        self._thread.start()

    def _run(self, work: Callable[[], T]) -> None:
        try:
            self._found.append(work())
        except BaseException as error:  # noqa: BLE001 - raised where the result is asked for
            self._error = error

    def result(self) -> T:
        """Waits for the result.

        Raises:
            BaseException: whatever the work raised.
        """
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._found[0]
