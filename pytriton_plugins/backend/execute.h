/* Executes the requests that Triton passes to an instance. */
#ifndef PYTRITON_EXECUTE_H
#define PYTRITON_EXECUTE_H

#include "instance.h"

/* Takes ownership of the requests, queues them, and runs queued requests while a worker is free. The thread of another
 * instance may answer the requests after this returns. */
void execute(Instance *instance, TritonRequest **requests, uint32_t count);

/* Runs the batch of the instance on a channel that is taken for it, and releases the channel. */
void execute_on_channel(Instance *instance, Channel *channel);

/* Sends an error response to every request of the batch, which was not sent to a worker. */
void execute_rejection(Instance *instance, const Failure *failure);

#endif
