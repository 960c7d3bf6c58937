/* One exchange with the worker: EXECUTE out, DONE back. */
#ifndef PYTRITON_CHANNEL_H
#define PYTRITON_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "pool.h"

typedef enum {
  EXCHANGE_DONE,
  EXCHANGE_PART,     /* one response of a stream: the worker waits for channel_taken */
  EXCHANGE_NOT_SENT, /* the worker was gone before it took the batch: try another channel */
  EXCHANGE_LOST,     /* the worker ended while the batch was with it */
  EXCHANGE_BROKEN,   /* it sent something that docs/protocol.md does not allow */
  EXCHANGE_LATE,     /* it did not answer in time */
} Exchange;

/* Hand the block of length bytes at the start of the request segment to the worker. False: it is gone. */
bool channel_send(Channel *channel, uint64_t length);

/* Wait for its answer until a time in nanoseconds of CLOCK_MONOTONIC, and tell the worker meanwhile which requests of the
 * batch nobody waits for any more. wrong says what was broken. */
Exchange channel_receive(Channel *channel, Batch *batch, uint64_t until, Answer *answer, const char **wrong);

/* The response was taken: the worker may write the next one in its place, unless nobody wants it. False: it is gone. */
bool channel_taken(Channel *channel, Batch *batch);

/* Give up the request segment and all loans, to some of which the callable still refers; the next batch gets others. */
void channel_retire_request(Channel *channel);

/* Call in the loans that nobody has used for a while, and give back the memory of a channel that has long been idle. */
void channel_tidy(Channel *channel);

#endif
