"""Known faults of the packages that are installed here, by pip-audit: exit code 1 if there are any.

Without the network, or where the registry does not tell of faults, nothing can be said: that is a line, and no failure.
"""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

COMMAND = [sys.executable, "-m", "pip_audit", "--local", "--skip-editable", "--progress-spinner", "off", "-f", "json"]


def main() -> int:
    """Ask, print what is said, and return the exit code."""
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)
    line, code = verdict(done.stdout, done.stderr)
    sys.stdout.write(f"{line}\n")
    return code


def verdict(report: str, errors: str) -> tuple[str, int]:
    """Return what pip-audit found, in words, and the exit code.

    Args:
        report: its JSON; nothing where it could not ask.
        errors: what it wrote to stderr.
    """
    try:
        packages: list[dict[str, Any]] = json.loads(report)["dependencies"]
    except (ValueError, KeyError):
        last = (errors.strip().splitlines() or ["it says nothing"])[-1]
        return f"audit skipped: the faults could not be asked for ({last[:200]})", 0
    asked = [package for package in packages if "skip_reason" not in package]
    if not asked:
        return f"audit skipped: this registry knows of none of the {len(packages)} packages whether they have faults", 0
    faults = [f"{one['name']} {one['version']}: {fault['id']}" for one in asked for fault in one.get("vulns", ())]
    unknown = f"; {len(packages) - len(asked)} could not be looked up" if len(asked) < len(packages) else ""
    line = f"packages audited: {len(asked)}; known faults: {len(faults)}{unknown}"
    return "\n".join([line, *faults]), int(bool(faults))


if __name__ == "__main__":
    sys.exit(main())
