/* Executes the requests that Triton passes to an instance. */
#ifndef PYTRITON_EXECUTE_H
#define PYTRITON_EXECUTE_H

#include "instance.h"

/* Takes ownership of the requests, queues them, and runs queued requests while a worker is free. The thread of another
 * instance may answer the requests after this returns. */
void execute(Instance *instance, TritonRequest **requests, uint32_t count);

#endif
