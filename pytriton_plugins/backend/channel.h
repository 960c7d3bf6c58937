/* One exchange with the worker: EXECUTE out, DONE back. */
#ifndef PYTRITON_CHANNEL_H
#define PYTRITON_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "loan.h"
#include "response_block.h"
#include "segment.h"

typedef struct Channel {
  uint32_t number;
  int socket;
  bool busy;        /* borrowed: only the borrower touches what stands below `next` */
  bool closing;     /* no new batch; freed when it is given back */
  bool reclaim_due; /* it is to be tidied when it is given back */
  struct Channel *next;
  struct Pool *pool;
  const Declaration *declaration; /* the pool's */
  uint64_t batch;                 /* number of the last batch */
  uint64_t trimmed_batch;         /* what that was when the channel was trimmed */
  uint64_t idle_since;            /* since when it has been idle */
  bool timed_out;                 /* its worker did not answer in time */
  bool sent_followup;             /* the worker was told more about the batch than what it takes to run it */
  int spin_score;                 /* how often spinning paid of late; see channel.c */
  Segment request;                /* written by us; number 0 while there is none */
  Segment response;               /* written by the worker */
  Loans loans;
} Channel;

typedef enum {
  EXCHANGE_DONE,
  EXCHANGE_PART,      /* one response of a stream: the worker waits for channel_acknowledge */
  EXCHANGE_NOT_SENT,  /* the worker was gone before it took the batch: try another channel */
  EXCHANGE_LOST,      /* the worker ended while the batch was with it */
  EXCHANGE_BROKEN,    /* it sent something that docs/protocol.md does not allow */
  EXCHANGE_TIMED_OUT, /* it did not answer in time */
} Exchange;

/* Hand the block of length bytes at the start of the request segment to the worker. False: it is gone. */
bool channel_send(Channel *channel, uint64_t length);

/* Wait for its answer until a time in nanoseconds of CLOCK_MONOTONIC, and tell the worker meanwhile which requests of the
 * batch nobody waits for any more. wrong says what was broken. */
Exchange channel_receive(Channel *channel, Batch *batch, uint64_t until, Answer *answer, const char **problem);

/* The response was taken: the worker may write the next one in its place, unless nobody wants it. False: it is gone. */
bool channel_acknowledge(Channel *channel, Batch *batch);

/* Give up the request segment and all loans, to some of which the callable still refers; the next batch gets others. */
void channel_retire_request(Channel *channel);

/* Call in the loans that nobody has used for a while, and give back the memory of a channel that has long been idle. */
void channel_reclaim(Channel *channel);

#endif
