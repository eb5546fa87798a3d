"""pika's consumer for bench/amqp: PORT QUEUE PREFETCH ACK_EVERY COUNT; parses each message, keeps nothing. Prints seconds and CPU seconds."""

import json
import resource
import sys
import time

import pika

port, queue, prefetch, every, count = int(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6])
channel = pika.BlockingConnection(pika.ConnectionParameters("127.0.0.1", port, heartbeat=0)).channel()
channel.basic_qos(prefetch_count=prefetch)
before = resource.getrusage(resource.RUSAGE_SELF)
began = time.perf_counter()
got = 0
for method, _, body in channel.consume(queue):
    json.loads(body)
    got += 1
    if got % every == 0 or got == count:
        channel.basic_ack(method.delivery_tag, multiple=True)
    if got == count:
        break
took = time.perf_counter() - began
after = resource.getrusage(resource.RUSAGE_SELF)
print(took, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, flush=True)
