"""A link with delay and loss between two network devices, for systems whose kernel has no netem.

    python3 link.py FIRST SECOND DELAY_MS LOSS [SEED]

Makes two TUN devices of these names, which may be moved to other network namespaces afterwards, and passes packets
between them: each arrives DELAY_MS later, unless it is lost, which happens to a share LOSS of them. Says "ready" once the
devices are there, and runs until it is ended, its parent is gone, or its devices are.
"""

import fcntl
import heapq
import os
import random
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN, IFF_NO_PI = 0x0001, 0x1000
# Packets on their way in one direction: more are lost, as in the queue of a router.
QUEUE = 2000


def device(name: str) -> int:
    handle = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(handle, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return handle


# How long a device that is being moved may give errors, in seconds.
MOVING = 10.0


def take(handle: int):
    """The next packet; None where no more wait. A device that is being moved gives errors for a moment."""
    try:
        return os.read(handle, 65536)
    except BlockingIOError:
        return None


def main(first: str, second: str, delay_ms: str, loss: str, seed: str = "1") -> None:
    ends = [device(first), device(second)]
    chance, delay, share = random.Random(int(seed)), float(delay_ms) / 1000, float(loss)
    print("ready", flush=True)
    queues = [[], []]
    count, parent, faulty = 0, os.getppid(), None
    while os.getppid() == parent:
        now = time.monotonic()
        due = [queue[0][0] - now for queue in queues if queue]
        # A poll of a moment ago is near enough to the time.
        timeout = min(1.0, max(0.0, min(due))) if due else 1.0
        readable, _, _ = select.select(ends, [], [], timeout)
        now = time.monotonic()
        for handle in readable:
            side = ends.index(handle)
            for _ in range(64):
                try:
                    packet = take(handle)
                except OSError:
                    faulty = faulty or now
                    if now - faulty > MOVING:
                        return
                    time.sleep(0.01)
                    break
                faulty = None
                if packet is None:
                    break
                if chance.random() >= share and len(queues[1 - side]) < QUEUE:
                    count += 1
                    heapq.heappush(queues[1 - side], (now + delay, count, packet))
        for side, queue in enumerate(queues):
            while queue and queue[0][0] <= now:
                packet = heapq.heappop(queue)[2]
                try:
                    os.write(ends[side], packet)
                except OSError:
                    pass


if __name__ == "__main__":
    main(*sys.argv[1:])
