"""Prints outage events as they are committed. Standard library only: NATS is lines of text on a TCP connection."""
import json, socket, sys

host, port = (sys.argv + ["127.0.0.1:4222"])[1].rsplit(":", 1)
bus = socket.create_connection((host, int(port)))
lines = bus.makefile("rb")
bus.sendall(b'CONNECT {"verbose":false}\r\nSUB dmonitor.outages.> 1\r\nPING\r\n')
for line in lines:
    if line.startswith(b"MSG "):  # MSG <subject> 1 <bytes>, and then the body
        event = json.loads(lines.read(int(line.split()[-1]) + 2))
        down = [vote["node"] for vote in event["votes"] if vote["vote"] == "down"]
        print(event["event"], event["host"] + "/" + event["test"], "down:", down, flush=True)
    elif line.startswith(b"PING"):
        bus.sendall(b"PONG\r\n")
    elif line.startswith(b"PONG"):
        print("listening", file=sys.stderr, flush=True)
    elif line.startswith(b"-ERR"):
        sys.exit(line.decode().strip())
