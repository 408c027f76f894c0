"""Named checks of one client against one server. Each prints a JSON line: group, name, and what went wrong, if anything."""

import asyncio
import inspect
import json
import sys
import traceback

_checks = []


def check(group, *cases):
    """Registers a function (or coroutine function), once for each case: a tuple of its further arguments."""

    def register(function):
        for case in cases or ((),):
            name = " ".join([function.__name__.replace("_", " "), *map(str, case)])
            _checks.append((group, name, function, case))
        return function

    return register


def expect(condition, message):
    if not condition:
        raise AssertionError(message)


def equal(got, wanted, what=""):
    expect(got == wanted, f"{what}: got {got!r}, wanted {wanted!r}")


def run(context):
    """Runs every check with `context` as its first argument. A server or client that hangs is ended by whoever started us."""
    for group, name, function, case in _checks:
        fault = None
        try:
            result = function(context, *case)
            if inspect.isawaitable(result):
                asyncio.run(_await(result))
        except Exception:
            fault = traceback.format_exc(limit=-3)
        print(json.dumps({"group": group, "name": name, "fault": fault}), flush=True)
    sys.exit(0)


async def _await(result):
    await result
