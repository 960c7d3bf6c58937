/* Shares the waiting requests among the channels, when they have so much data that copying it costs more than a wake-up.
 *
 * A share is the rows of all requests, waiting or running, divided by the channels. With the waiting ones alone, two
 * workers and 32 clients would get batches of 11 and leave 10 waiting; with all, they get batches of 16. */
#include "fair_share.h"

enum { SHARED_BYTES = 256 << 10 };

/* A queue with a delay or preferred sizes has its own rules for the size of a batch, and with limits of the queue a
 * request that is left there may be refused or expire. */
static bool shares(const Declaration *declaration) {
  bool is_limited = declaration->queue_size > 0 || declaration->queue_ms > 0;
  return declaration->delay_ns == 0 && declaration->preferred_count == 0 && !is_limited;
}

/* A free channel counts only if a thread waits that can use it at once. */
FairShare fair_share_new(const Pool *pool) {
  uint64_t rows = pool->queued_rows, busy = 0, idle = 0;
  if (!shares(&pool->declaration)) return (FairShare){UINT64_MAX, 0};
  for (const Channel *channel = pool->channels; channel != NULL; channel = channel->next) {
    if (channel->closing) continue;
    busy += channel->busy;
    idle += !channel->busy;
    rows += channel->rows;
  }
  if (idle > (uint64_t)pool->waiting) idle = (uint64_t)pool->waiting;
  uint64_t channels = busy + idle;
  return (FairShare){channels < 2 ? UINT64_MAX : (rows + channels - 1) / channels, 0};
}

void fair_share_count(FairShare *share, const Batch *batch) {
  for (uint32_t i = 0; share->rows < UINT64_MAX && i < batch->declaration->input_count; i++)
    share->bytes += batch_part(batch, batch->count - 1, i)->bytes;
}

bool fair_share_taken(const FairShare *share, const Batch *batch, const Request *next) {
  return batch->rows >= share->rows && share->bytes >= SHARED_BYTES && !next->grouped;
}
