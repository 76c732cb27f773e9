"""Health of a service of Airflow by HTTP: exit code 0 when it answers with 200 and says nothing unhealthy.

``python deploy/health.py URL [COMPONENT ...]``: each component's status must be ``healthy`` in the answer.
"""

from __future__ import annotations

import json
import sys
import urllib.request


def main(url: str, *components: str) -> int:
    """Ask once.

    :param components: keys of the answer, as ``metadatabase``.
    """
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            text = answer.read()
    except OSError as error:
        print(f"{url}: {error}")
        return 1
    states = json.loads(text) if components else {}
    wrong = [name for name in components if (states.get(name) or {}).get("status") != "healthy"]
    if wrong:
        print(f"{url}: not healthy: {', '.join(wrong)}")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
