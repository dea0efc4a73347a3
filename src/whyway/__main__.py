"""`whyway` and `python -m whyway`: the command line, with numpy on a single thread.

Our arrays are small, so helper threads of the linear algebra only take cores from each other, and figures are defined without
them. Numpy reads these variables once, when it is imported: hence here, before anything of ours is. Child processes inherit them.
"""

import os
import signal
import sys
from types import FrameType

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C, or being told to end.

    A class of its own because Python 3.10 remembers a plain KeyboardInterrupt that crossed an `exec`, and then kills itself with
    SIGINT at exit although it was handled: the exit code would be lost.
    """


def _interrupt(number: int, frame: FrameType | None) -> None:
    raise Interrupted


def main() -> int:
    """The console script; what the user has set stays. Being told to end (SIGTERM) is Ctrl-C."""
    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as a shell starts its background jobs
            signal.signal(number, _interrupt)
    for name in THREADS:
        os.environ.setdefault(name, "1")
    try:
        from whyway import cli

        return cli.main()
    except KeyboardInterrupt:  # while all that is being imported
        return 130


if __name__ == "__main__":
    sys.exit(main())
