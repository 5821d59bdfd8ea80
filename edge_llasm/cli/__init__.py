"""The command line: what goes wrong becomes one line and an exit status.

0; 1 an error; 2 usage; 3 no speech; 130 Ctrl-C; 141 the reader of standard output went away.
"""

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

__all__ = ["main", "run"]

OK, FAILED, USAGE, NO_SPEECH, INTERRUPTED, READER_GONE = 0, 1, 2, 3, 130, 141


def main() -> NoReturn:
    """Run the command in sys.argv and end the process. Never a traceback for anything a user can cause."""
    if sys.argv[1:2] != ["bench"]:  # which measures what the machine can do
        # Nothing that answers multiplies by numpy; its pool would spin beside the start for nothing.
        os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        from edge_llasm.cli.leave import leave

        status = run(sys.argv[1:])
    except KeyboardInterrupt:
        from edge_llasm.cli.leave import leave

        status = INTERRUPTED
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write("edge-llasm: click is not installed: pip install click\n")
        status = FAILED
    leave(status)


def run(argv: Sequence[str]) -> int:
    """Run one command; the exit status. What goes wrong is told on standard error."""
    import click  # here and not above, so that `main` answers a Ctrl-C during these imports too

    from edge_llasm.cli.app import app
    from edge_llasm.cli.output import ReaderGone, tell
    from edge_llasm.errors import EdgeLlasmError, NoSpeech

    verbose = "--verbose" in argv
    try:
        result = app.main(list(argv), prog_name="edge-llasm", standalone_mode=False)
        return result if isinstance(result, int) else OK
    except click.UsageError as error:
        error.show(sys.stderr)
        return USAGE
    except click.Abort:
        return INTERRUPTED
    except (ReaderGone, SystemExit):  # the latter is click's own answer to a closed pipe
        return READER_GONE
    except (EdgeLlasmError, click.ClickException) as error:
        tell(str(error))
        if verbose:
            _traceback()
        return NO_SPEECH if isinstance(error, NoSpeech) else FAILED
    except ImportError as error:
        tell(f"{error}: run edge-llasm doctor, it names what to install")
    except MemoryError:
        tell("not enough memory: take a smaller model (edge-llasm models) or close other programs")
    except OSError as error:
        name = f"{error.filename}: " if error.filename else ""
        tell(f"{name}{error.strerror or error}: check that it exists and may be used")
    except Exception as error:  # noqa: BLE001  a bug, told in one line like everything else
        tell(f"unexpected {type(error).__name__}: {error}: --verbose shows where; please report it")
    if verbose:
        _traceback()
    return FAILED


def _traceback() -> None:
    import traceback

    traceback.print_exc()
