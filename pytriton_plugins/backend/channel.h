/* A channel to a worker, and the exchange of one batch over it: EXECUTE out, DONE back. */
#ifndef PYTRITON_CHANNEL_H
#define PYTRITON_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "loan.h"
#include "response_block.h"
#include "segment.h"

struct Calls;

typedef struct Channel {
  uint32_t number;
  int socket;
  bool busy;                /* in use: only the thread that uses it touches the fields below `pool` */
  bool closing;             /* gets no new batch; freed when it is released */
  bool gone;                /* its worker has ended */
  bool reclaim_due;         /* its unused memory is freed when it is released */
  uint32_t rows;            /* of the batch that it runs, unless the model has sequences */
  uint32_t sequences;       /* whose state the worker has */
  uint64_t sequences_until; /* while it is closing: when those that are left are given up */
  struct Channel *next;
  struct Pool *pool;
  const Declaration *declaration; /* of the pool */
  uint64_t batch;                 /* number of the last batch */
  uint64_t trimmed_batch;         /* the value of `batch` when the channel was trimmed */
  uint64_t idle_since;            /* nanoseconds of CLOCK_MONOTONIC */
  uint64_t watched_at;            /* last check for cancelled requests, likewise */
  bool timed_out;                 /* its worker did not answer in time */
  bool sent_followup;             /* CANCEL or TAKEN was sent for the batch */
  int spin_score;                 /* recent success of spinning; see channel.c */
  Segment request;                /* written by the backend; number 0: none yet */
  Segment response;               /* written by the worker */
  Loans loans;
  struct Calls *calls; /* NULL: its worker cannot call models */
} Channel;

typedef enum {
  EXCHANGE_DONE,
  EXCHANGE_PART,      /* one response of a stream: the worker waits for channel_acknowledge */
  EXCHANGE_NOT_SENT,  /* the worker ended before it read the batch: use another channel */
  EXCHANGE_LOST,      /* the worker ended while it had the batch */
  EXCHANGE_BROKEN,    /* the worker violated docs/reference/protocol.md */
  EXCHANGE_TIMED_OUT, /* the worker did not answer in time */
} Exchange;

/* Sends the batch, whose block of length bytes is at the start of the request segment to the worker. False: the worker ended. */
bool channel_send(Channel *channel, const Batch *batch, uint64_t length);

/* Waits for the answer until a time in nanoseconds of CLOCK_MONOTONIC, and meanwhile reports cancelled requests to the
 * worker. problem names a violation of the protocol. */
Exchange channel_receive(Channel *channel, Batch *batch, uint64_t until, Answer *answer, const char **problem);

/* Sends TAKEN: the worker may overwrite the response with the next one, or stops when the request was cancelled or has
 * failed. False: the worker ended. */
bool channel_acknowledge(Channel *channel, Batch *batch);

/* Drops the request segment and all loans, because the callable still refers to them. The next batch gets new ones. */
void channel_retire_request(Channel *channel);

/* Revokes expired loans, and frees the pages of the segments after a long idle time. */
void channel_reclaim(Channel *channel);

#endif
