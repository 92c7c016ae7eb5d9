"""A delay and a rate between two local processes: connections to one port are passed to another.

The kernel's own emulation needs privileges and is not everywhere. Each direction has one clock for all of its
connections, so that it passes so many bits a second in all, and both directions are full at once. Bytes arrive half a
round trip after they have left; connections are made at once. There is no loss, and no window that grows slowly.
"""

import queue
import socket
import threading
import time

CHUNK = 16_384
# Chunks on the way a connection; more wait at the sender, as with a full socket.
IN_FLIGHT = 4_096


def free_ports(count):
    """Ports that nobody listens on now."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class Direction:
    """One direction of the link: when the last byte so far has left."""

    def __init__(self, round_trip_ms, mbit):
        self.delay = round_trip_ms / 2e3
        self.bytes_per_second = mbit * 1e6 / 8
        self.free = 0.0
        self.lock = threading.Lock()

    def arrival(self, count, now):
        with self.lock:
            self.free = max(self.free, now) + count / self.bytes_per_second
            return self.free + self.delay


def deliver(chunks, target):
    while True:
        due, data = chunks.get()
        wait = due - time.monotonic()
        if wait > 0:
            time.sleep(wait)
        try:
            if not data:
                target.shutdown(socket.SHUT_WR)
                return
            target.sendall(data)
        except OSError:
            return


def pump(source, target, direction):
    chunks = queue.Queue(IN_FLIGHT)
    threading.Thread(target=deliver, args=(chunks, target), daemon=True).start()
    while True:
        try:
            data = source.recv(CHUNK)
        except OSError:
            data = b""
        chunks.put((direction.arrival(len(data), time.monotonic()), data))
        if not data:
            return


def connect(port):
    """Dials a party, which may still be starting."""
    until = time.monotonic() + 60
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def accept(listener, port, there, back):
    while True:
        near, _ = listener.accept()
        far = connect(port)
        for end in (near, far):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=pump, args=(near, far, there), daemon=True).start()
        threading.Thread(target=pump, args=(far, near, back), daemon=True).start()


def serve(round_trip_ms, mbit, routes):
    """Passes connections on for ever. `routes` has for each of two parties the port to listen on and its own."""
    directions = [Direction(round_trip_ms, mbit) for _ in routes]
    threads = []
    for place, (entry, port) in enumerate(routes):
        listener = socket.create_server(("127.0.0.1", entry))
        arguments = (listener, port, directions[place], directions[1 - place])
        threads.append(threading.Thread(target=accept, args=arguments, daemon=True))
        threads[-1].start()
    for thread in threads:
        thread.join()
