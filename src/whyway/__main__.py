"""`whyway` and `python -m whyway`: the command line, with numpy on a single thread.

Our arrays are small, so helper threads of the linear algebra only take cores from each other, and figures are defined without
them. Numpy reads these variables once, when it is imported: hence here, before anything of ours is. Child processes inherit them.
"""

import os
import signal
import sys

THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main() -> int:
    """The console script; what the user has set stays. Being told to end (SIGTERM) is Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    for name in THREADS:
        os.environ.setdefault(name, "1")
    try:
        from whyway import cli

        return cli.main()
    except KeyboardInterrupt:  # while all that is being imported
        return 130


if __name__ == "__main__":
    sys.exit(main())
