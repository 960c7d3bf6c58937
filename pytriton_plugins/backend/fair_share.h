/* How many of the waiting requests one batch takes when the model has several channels. */
#ifndef PYTRITON_FAIR_SHARE_H
#define PYTRITON_FAIR_SHARE_H

#include "batch.h"
#include "pool.h"

typedef struct {
  uint64_t rows;  /* at which a large batch ends; UINT64_MAX: no limit */
  uint64_t bytes; /* of the inputs of the batch so far */
} FairShare;

/* With the lock held, and the channel of the batch marked as busy: the share of a batch that is still empty. */
FairShare fair_share_new(const Pool *pool);

/* Counts the last request of the batch. */
void fair_share_count(FairShare *share, const Batch *batch);

/* Whether the batch ends before `next`: it has its rows, and so much data that another channel is worth its wake-up. */
bool fair_share_taken(const FairShare *share, const Batch *batch, const Request *next);

#endif
