"""uv, from the suite's own environment, taught to use the package index that pip is configured for."""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

from fixtures import process

INSTALL = (sys.executable, "-m", "uv", "pip", "install", "--quiet", "--require-hashes", "--python", sys.executable)
COMPILE = (
    *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-header", "--no-annotate"),
)
REMEDY = "the build needs a Python package index: see `pip config list` and your proxy settings"

_SETTINGS = {
    "index-url": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "extra-index-url": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "find-links": ("UV_FIND_LINKS",),
    "cert": ("SSL_CERT_FILE",),
}


@functools.cache
def environment(cache: Path) -> dict[str, str]:
    """Variables for uv that say what pip's configuration says; what is set for uv itself wins.

    Args:
        cache: the suite's cache directory; uv keeps its own cache there too, unless it is told otherwise.
    """
    result = process.run([sys.executable, "-m", "pip", "config", "list"], deadline=60, check=False)
    found = {"UV_LINK_MODE": "copy", "UV_PYTHON_DOWNLOADS": "never"}
    found["UV_CACHE_DIR"] = os.environ.get("UV_CACHE_DIR") or str(cache / "uv")
    for line in result.stdout.splitlines():
        name, _, value = line.partition("=")
        ours = _SETTINGS.get(name.rpartition(".")[2], ())
        if ours and not any(os.environ.get(variable) for variable in ours):
            found[ours[0]] = value.strip("'\"")
    return found
