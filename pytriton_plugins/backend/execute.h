/* What an instance does with the requests that Triton hands it. */
#ifndef PYTRITON_EXECUTE_H
#define PYTRITON_EXECUTE_H

#include "instance.h"

/* Queue the requests, which are ours from now on, and run what waits while a worker is free. The requests may be
 * answered by another instance's thread, after this returned. */
void execute(Instance *instance, TritonRequest **requests, uint32_t count);

#endif
