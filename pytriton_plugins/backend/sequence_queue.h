/* The queue of a model with sequences. */
#ifndef PYTRITON_SEQUENCE_QUEUE_H
#define PYTRITON_SEQUENCE_QUEUE_H

#include "queue.h"

/* Appends a request. False, with failure filled: its sequence is unknown, lost, or one too many. */
bool sequence_queue_append(Pool *pool, Request *request, Failure *failure);

/* A request cannot be read: the sequence that it would start has not started. */
void sequence_queue_refuse(Pool *pool, TritonRequest *request);

/* With the lock held: moves the next requests of sequences with the same free channel to the batch, and takes the channel.
 * NULL: none can run. */
Channel *sequence_queue_take(Pool *pool, Batch *batch);

/* The next work of a runner thread, as from queue_next; waits for it until `stopping` is set. */
Work sequence_queue_await(Pool *pool, Batch *batch, Channel **channel, Failure *failure, const bool *stopping);

/* Sets `stopping`, and wakes the threads in sequence_queue_await. */
void sequence_queue_stop(Pool *pool, bool *stopping);

#endif
