"""Fail when an import name of wheelkeep has a second owner in this environment (docs/adr/0001)."""

import sys
from importlib.metadata import packages_distributions

OURS = ("config", "mirror", "proxy", "wheelkeep")


def second_owners() -> dict[str, list[str]]:
    """Give each of our import names that another distribution provides as well, with all its owners."""
    owners = packages_distributions()
    return {
        name: sorted(set(owners.get(name, []))) for name in OURS if set(owners.get(name, [])) != {"wheelkeep"}
    }


if __name__ == "__main__":
    wrong = second_owners()
    for name, found in wrong.items():
        sys.stderr.write(
            f"The import name {name!r} must belong to wheelkeep alone; it belongs to: {', '.join(found) or 'nobody'}.\n"
        )
    sys.exit(1 if wrong else 0)
