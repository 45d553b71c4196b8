"""The command line.

Exit status: 0 done; 1 failed, with one sentence on stderr that says what, where and what to do; 2 wrong usage, likewise.
A traceback is a defect of ours and is never shown for anything an operator did. Commands are imported when they are
called, so that `--help` and `--version` answer at once.
"""

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import App, CycloptsError, Parameter
from cyclopts.validators import Number

from wheelkeep import __version__
from wheelkeep.terminal import Failed, complain, prepare, silence

DONE, FAILED, WRONG_USAGE = 0, 1, 2
INTERRUPTED = 128 + signal.SIGINT
"""What a shell reports of a program that Ctrl-C ended."""

_CONFIG_HELP = "The configuration. Default: $WHEELKEEP_CONFIG, else ./wheelkeep.toml if it is there."
Config = Annotated[Path | None, Parameter(name="--config", help=_CONFIG_HELP)]

app = App(
    name="wheelkeep",
    help="An offline mirror and caching proxy for private Python package repositories.",
    help_epilogue=(
        "Examples:\n\n"
        "  wheelkeep serve\n\n"
        "  wheelkeep serve --config wheelkeep.toml\n\n"
        "  wheelkeep doctor --json"
    ),
    help_format="plaintext",
    version=__version__,
    suppress_keyboard_interrupt=False,
    result_action="return_value",
)


@app.command(
    help_epilogue=(
        "Examples:\n\n"
        "  wheelkeep serve\n\n"
        "  wheelkeep serve --host 0.0.0.0 --port 8000\n\n"
        "  WHEELKEEP_SERVER__PORT=8000 wheelkeep serve --config /etc/wheelkeep.toml"
    )
)
def serve(
    *,
    config: Config = None,
    host: str | None = None,
    port: Annotated[int | None, Parameter(validator=Number(gte=0, lte=65535))] = None,
) -> int:
    """Serve the indexes until SIGTERM or Ctrl-C, then let running downloads end.

    Args:
        config: the configuration file.
        host: The address to listen on; wins over the configuration.
        port: The port to listen on; wins over the configuration.
    """
    from wheelkeep.commands import serve as command  # noqa: PLC0415  (see the module)

    command.run(config, host=host, port=port)
    return DONE


@app.command(
    help_epilogue=(
        "Examples:\n\n  wheelkeep doctor\n\n  wheelkeep doctor --config /etc/wheelkeep.toml --json"
    )
)
def doctor(
    *, config: Config = None, as_json: Annotated[bool, Parameter(name="--json", negative="")] = False
) -> int:
    """Check configuration, store, cache, upstreams and credentials, and say what to fix.

    Args:
        config: the configuration file.
        as_json: Print one JSON document instead of a line for each check.
    """
    from wheelkeep.commands import doctor as command  # noqa: PLC0415  (see the module)

    return DONE if command.run(config, as_json=as_json) else FAILED


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and give its exit status.

    Args:
        arguments: of the command line, without the program; None takes the process's own.
    """
    prepare()
    given = sys.argv[1:] if arguments is None else list(arguments)
    if not given:
        app.help_print([])
        return WRONG_USAGE
    try:
        status = app(given, exit_on_error=False, print_error=False)
    except CycloptsError as error:
        complain(f"{' '.join(str(error).split())} See wheelkeep --help.")
        return WRONG_USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has had enough.
        silence()
        return FAILED
    except Exception as error:
        if not _is_ours(error):
            raise
        complain(str(error))
        return FAILED
    return status if isinstance(status, int) else DONE


def _is_ours(error: Exception) -> bool:
    """Tell whether an error was raised on purpose and is a sentence for a person."""
    from config.errors import ConfigurationError  # noqa: PLC0415  (see the module)
    from mirror.errors import WheelkeepError  # noqa: PLC0415

    return isinstance(error, ConfigurationError | Failed | WheelkeepError)


if __name__ == "__main__":
    sys.exit(main())
