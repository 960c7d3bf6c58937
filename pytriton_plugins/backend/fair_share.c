/* Shares the waiting requests among the channels, when they have so much data that copying it costs more than a wake-up.
 *
 * A share is the rows of all requests, waiting or running, divided by the channels. With the waiting ones alone, two
 * workers and 32 clients would get batches of 11 and leave 10 waiting; with all, they get batches of 16. */
#include "fair_share.h"

enum { SHARED_BYTES = 256 << 10 };

/* Triton's batcher has its own rules for the size of a batch, and so has a queue with a delay or preferred sizes. */
static bool shares(const Pool *pool) {
  const Declaration *declaration = &pool->declaration;
  return declaration->delay_ns == 0 && declaration->preferred_count == 0 && pool->first != NULL && !pool->first->grouped;
}

/* A free channel counts only if a thread waits that can use it at once. */
uint64_t fair_share_rows(const Pool *pool) {
  uint64_t rows = pool->queued_rows, busy = 0, idle = 0;
  if (!shares(pool)) return UINT64_MAX;
  for (const Channel *channel = pool->channels; channel != NULL; channel = channel->next) {
    if (channel->closing) continue;
    busy += channel->busy;
    idle += !channel->busy;
    rows += channel->rows;
  }
  if (idle > (uint64_t)pool->waiting) idle = (uint64_t)pool->waiting;
  uint64_t channels = busy + idle;
  return channels < 2 ? UINT64_MAX : (rows + channels - 1) / channels;
}

static uint64_t input_bytes(const Batch *batch) {
  uint64_t bytes = 0;
  for (uint32_t r = 0; r < batch->count && bytes < SHARED_BYTES; r++)
    for (uint32_t i = 0; i < batch->declaration->input_count; i++) bytes += batch_part(batch, r, i)->bytes;
  return bytes;
}

bool fair_share_taken(const Batch *batch, uint64_t rows) {
  return batch->rows >= rows && input_bytes(batch) >= SHARED_BYTES;
}
