"""Prints as JSON what keeps this container from connecting to each `host:port`; empty where it can.

Arguments: the deadline of one connection in seconds, then the addresses.
"""

import json
import socket
import sys

deadline, addresses = float(sys.argv[1]), sys.argv[2:]
found = {}
for address in addresses:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=deadline).close()
    except socket.gaierror as error:
        found[address] = f"the name does not resolve ({error.strerror})"
    except OSError as error:
        found[address] = f"no connection ({error.strerror or error})"
    else:
        found[address] = ""
print(json.dumps(found))
