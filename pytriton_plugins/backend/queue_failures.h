/* Queued requests that fail before they run. */
#ifndef PYTRITON_QUEUE_FAILURES_H
#define PYTRITON_QUEUE_FAILURES_H

#include "pool.h"

/* With the lock held: moves requests that fail to the batch, and fills the failure. False: none. */
bool queue_collect_failed(Pool *pool, Batch *batch, Failure *failure);

/* The same for those that have waited for too long while there is no worker. */
bool queue_collect_overdue(Pool *pool, Batch *batch, Failure *failure);

#endif
