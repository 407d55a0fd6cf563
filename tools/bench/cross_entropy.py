#!/usr/bin/env python3
"""Peak memory and time of the loss over a large vocabulary, chunked and plain, each in its own process.

    tools/bench/cross_entropy.py [--tokens 4096] [--vocabulary 32000] [--dim 256] [--chunk 256]

Forward and backward, float32, one thread. Memory is the peak of the process minus what it used before.
"""

import argparse
import multiprocessing
import resource
import time

import torch
from torch.nn import functional as F

from vsr.models.chunked import chunked_cross_entropy


def measure(way: str, args: argparse.Namespace, queue) -> None:
    """Put (MiB above the start, CPU seconds, loss) into the queue."""
    torch.set_num_threads(1)
    rng = torch.Generator().manual_seed(0)
    hidden = torch.randn(args.tokens, args.dim, generator=rng, requires_grad=True)
    weight = torch.randn(args.vocabulary, args.dim, generator=rng, requires_grad=True)
    targets = torch.randint(0, args.vocabulary, (args.tokens,), generator=rng)
    before, start_time = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    if way == "plain":
        loss = F.cross_entropy(F.linear(hidden, weight), targets)
    else:
        loss = chunked_cross_entropy(hidden, weight, targets, chunk=args.chunk).mean()
    loss.backward()
    spent, after = time.process_time() - start_time, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    queue.put(((after - before) / 1024, spent, float(loss.detach())))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in (("tokens", 4096), ("vocabulary", 32000), ("dim", 256), ("chunk", 256)):
        parser.add_argument(f"--{name}", type=int, default=value)
    args = parser.parse_args()
    context, results = multiprocessing.get_context("spawn"), {}
    for way in ("plain", "chunked"):
        queue = context.Queue()
        process = context.Process(target=measure, args=(way, args, queue))
        process.start()
        results[way] = queue.get()
        process.join()
        memory, seconds, loss = results[way]
        print(f"{way:8} {memory:8.0f} MiB  {seconds:6.2f} s  loss {loss:.6f}")
    memory, seconds = (results["chunked"][index] / results["plain"][index] for index in (0, 1))
    print(f"chunked / plain: memory {memory:.2f}, time {seconds:.2f}")


if __name__ == "__main__":
    main()
