"""A whole OpenStack Swift on loopback that speaks S3: proxy, account, container and object server, one disk, one copy.

Swift's `s3api` is what many private clouds offer as S3: signatures are checked, buckets are containers. The programs come
from Debian's python3-swift, which starts nothing by itself.

    s3_server.py FOLDER PORT ACCESS_KEY SECRET_KEY BUCKET

ACCESS_KEY is `account:user`. The bucket is made when missing. Started again on the same folder it goes on with what it held. Ends when its input ends.
"""

import ctypes
import hashlib
import hmac
import os
import signal
import sys
import time
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import Request, urlopen

folder, port = Path(sys.argv[1]), int(sys.argv[2])
key, secret, bucket = sys.argv[3:]
account, user = key.split(":")
own = {"account": port + 1, "container": port + 2, "object": port + 3}

PROXY = f"""
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {folder}
log_name = proxy
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats cache s3api tempauth bulk slo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
# It wants to have been told of one; where it does not answer, nothing is remembered between requests.
[filter:cache]
use = egg:swift#memcache
memcache_servers = 127.0.0.1:9
[filter:tempauth]
use = egg:swift#tempauth
user_{account}_{user} = {secret} .admin
[filter:s3api]
use = egg:swift#s3api
s3_acl = false
auth_pipeline_check = true
location = us-east-1
""" + "".join(f"[filter:{name}]\nuse = egg:swift#{name}\n" for name in
              ("catch_errors", "gatekeeper", "listing_formats", "bulk", "slo"))

BACKEND = """
[DEFAULT]
bind_ip = 127.0.0.1
bind_port = {port}
workers = 0
swift_dir = {folder}
devices = {folder}/devices
mount_check = false
fallocate_reserve = 0
log_name = {name}
[pipeline:main]
pipeline = {name}-server
[app:{name}-server]
use = egg:swift#{name}
"""


def lay_out():
    """Configuration and rings, where they are not there yet."""
    if (folder / "proxy.conf").exists():
        return
    from swift.common.ring import RingBuilder

    (folder / "devices" / "disk").mkdir(parents=True)
    (folder / "swift.conf").write_text("[swift-hash]\nswift_hash_path_suffix = tests\n"
                                       "[storage-policy:0]\nname = only\ndefault = yes\n")
    for name, at in own.items():
        builder = RingBuilder(part_power=3, replicas=1, min_part_hours=0)
        builder.add_dev({"region": 1, "zone": 1, "ip": "127.0.0.1", "port": at, "device": "disk", "weight": 1,
                         "replication_ip": "127.0.0.1", "replication_port": at, "meta": ""})
        builder.rebalance()
        builder.get_ring().save(str(folder / f"{name}.ring.gz"))
        (folder / f"{name}.conf").write_text(BACKEND.format(port=at, folder=folder, name=name))
    (folder / "proxy.conf").write_text(PROXY)


def serve(name):
    from swift.common.wsgi import run_wsgi

    # However the parent ends, this ends with it.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)
    sys.exit(run_wsgi(str(folder / f"{name}.conf"), f"{name}-server"))


def make_bucket():
    """The one request that the city itself never makes, signed as S3 wants it (AWS Signature Version 4)."""
    now = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    nothing, signed = hashlib.sha256(b"").hexdigest(), "host;x-amz-content-sha256;x-amz-date"
    headers = {"host": f"127.0.0.1:{port}", "x-amz-content-sha256": nothing, "x-amz-date": now}
    lines = [f"{name}:{value}" for name, value in headers.items()]
    request = "\n".join(["PUT", f"/{bucket}", "", *lines, "", signed, nothing])
    scope = [now[:8], "us-east-1", "s3", "aws4_request"]
    text = "\n".join(["AWS4-HMAC-SHA256", now, "/".join(scope), hashlib.sha256(request.encode()).hexdigest()])
    by = f"AWS4{secret}".encode()
    for part in scope:
        by = hmac.digest(by, part.encode(), "sha256")
    signature = hmac.digest(by, text.encode(), "sha256").hex()
    headers["authorization"] = (f"AWS4-HMAC-SHA256 Credential={key}/{'/'.join(scope)}, SignedHeaders={signed}, "
                                f"Signature={signature}")
    urlopen(Request(f"http://127.0.0.1:{port}/{bucket}", b"", headers, method="PUT"), timeout=30)


os.environ["SWIFT_DIR"] = str(folder)
import swift.common.utils as utils  # noqa: E402

utils.SWIFT_CONF_FILE = str(folder / "swift.conf")
lay_out()
# Nobody's log is read here, and Swift would look for a syslog.
utils.HASH_PATH_SUFFIX, utils.HASH_PATH_PREFIX = b"tests", b""
children = []
for name in ("account", "container", "object", "proxy"):
    child = os.fork()
    if child == 0:
        serve(name)
    children.append(child)
# The servers behind the proxy take a moment, and until then it refuses.
for patience in range(600, -1, -1):
    try:
        make_bucket()
        break
    except OSError as error:
        if isinstance(error, HTTPError) and error.code == 409:
            break  # It is there since the last time.
        if patience == 0:
            raise
        time.sleep(0.1)
print("ready", flush=True)
sys.stdin.read()
for child in children:
    try:
        os.kill(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
