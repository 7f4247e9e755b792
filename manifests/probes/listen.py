"""Listens at a free port of this container, prints its number as JSON at once, and goes on without who asked.

Argument: after how many seconds it ends.
"""

import contextlib
import json
import os
import socket
import sys
import time

end = time.monotonic() + float(sys.argv[1])
if socket.has_dualstack_ipv6():
    server = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
else:
    server = socket.create_server(("", 0))
print(json.dumps(server.getsockname()[1]), flush=True)
if os.fork():
    os._exit(0)
os.setsid()
nothing = os.open(os.devnull, os.O_RDWR)
for stream in range(3):
    os.dup2(nothing, stream)
while (left := end - time.monotonic()) > 0:
    server.settimeout(left)
    with contextlib.suppress(OSError):
        server.accept()[0].close()
