/* How many of the waiting requests one batch takes when the model has several channels. */
#ifndef PYTRITON_FAIR_SHARE_H
#define PYTRITON_FAIR_SHARE_H

#include "batch.h"
#include "pool.h"

/* With the lock held, and the channel of the batch marked as busy: rows at which a batch of much data ends, so that other
 * channels get the rest of the queue. UINT64_MAX: no limit. */
uint64_t fair_share_rows(const Pool *pool);

/* Whether the batch has its share: the rows, and so much data that a further channel is worth its wake-up. */
bool fair_share_taken(const Batch *batch, uint64_t rows);

#endif
