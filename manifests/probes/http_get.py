"""Prints as JSON what a GET from inside the cluster answers: status, final address, first bytes of the body.

Arguments: the address, then the deadline in seconds. A certificate is not checked: it may be for the address of users.
"""

import json
import ssl
import sys
import urllib.error
import urllib.request

LONGEST = 4 << 20  # the metrics of a busy deployment are longer than any page

url, deadline = sys.argv[1], float(sys.argv[2])
tls = ssl.create_default_context()
tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
try:
    asking = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
    with asking.open(url, timeout=deadline) as answer:
        found = {"status": answer.status, "url": answer.url, "body": answer.read(LONGEST).decode(errors="replace")}
except urllib.error.HTTPError as error:
    found = {"status": error.code, "url": url, "body": error.read(LONGEST).decode(errors="replace")}
except OSError as error:
    found = {"status": 0, "url": url, "body": "", "error": str(getattr(error, "reason", error))}
print(json.dumps(found))
