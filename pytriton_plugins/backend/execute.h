/* Executes the requests that Triton passes to an instance. */
#ifndef PYTRITON_EXECUTE_H
#define PYTRITON_EXECUTE_H

#include "instance.h"

/* Takes ownership of the requests, queues them, and runs queued requests while a worker is free. The thread of another
 * instance may answer the requests after this returns. */
void execute(Instance *instance, TritonRequest **requests, uint32_t count);

/* The same for a model with sequences: only queues the requests. Triton gives all requests of a sequence to one instance,
 * so its thread must not wait for another sequence. Threads of our own, one for each instance, run the queue. */
void execute_sequences(Instance *instance, TritonRequest **requests, uint32_t count);

/* False: there is no thread. */
bool sequence_runner_start(Instance *instance);
void sequence_runner_stop(Instance *instance);

#endif
