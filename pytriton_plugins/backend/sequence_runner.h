/* Executes the requests that Triton passes to an instance of a model with sequences. */
#ifndef PYTRITON_SEQUENCE_RUNNER_H
#define PYTRITON_SEQUENCE_RUNNER_H

#include "instance.h"

/* Takes ownership of the requests, and only queues them. Triton gives all requests of a sequence to one instance,
 * so its thread must not wait for another sequence. Threads of our own, one for each instance, run the queue. */
void execute_sequences(Instance *instance, TritonRequest **requests, uint32_t count);

/* False: there is no thread. */
bool sequence_runner_start(Instance *instance);
void sequence_runner_stop(Instance *instance);

#endif
