/* The sequences of a model: which channel has the state of each. */
#ifndef PYTRITON_SEQUENCES_H
#define PYTRITON_SEQUENCES_H

#include <stdbool.h>
#include <stdint.h>

#include "batch.h"
#include "triton_metrics.h"

struct Channel;
struct Pool;

enum { SEQUENCE_BUCKETS = 1024 };

typedef enum { SEQUENCE_KEPT, SEQUENCE_WORKER_ENDED, SEQUENCE_WORKER_REPLACED, SEQUENCE_NOT_STARTED } SequenceLoss;

typedef struct Sequence {
  struct Sequence *next;           /* in its bucket */
  struct Sequence *before, *after; /* of all */
  struct Channel *channel;         /* leads to its state; NULL: its first request waits for one, or the state is lost */
  uint64_t number;                 /* its id, unless it is a text */
  uint64_t used_at;                /* nanoseconds of CLOCK_MONOTONIC */
  uint64_t pass;                   /* the last pass over the queue that met a request of it */
  uint32_t requests;               /* that are queued or run */
  bool listed;                     /* its last request has not arrived */
  SequenceLoss loss;               /* why requests without START fail */
  char text[];                     /* its id; empty: a number */
} Sequence;

typedef struct {
  Sequence *buckets[SEQUENCE_BUCKETS];
  Sequence *all;   /* also those that are not listed any more */
  uint32_t live;   /* listed and kept */
  uint64_t passes; /* over the queue */
  TritonMetric *gauge, *limit;
} Sequences;

/* Whether Triton filled an unused slot of the direct strategy with this request: nobody waits for its answer. */
bool sequences_is_null(TritonRequest *request);

/* The functions below need the lock of the pool. */

/* The gauges on the metrics port, while Triton uses the pool. */
void sequences_show(struct Pool *pool);
void sequences_hide(struct Pool *pool);

/* Finds the sequence of a request that has arrived, or starts it. False, with failure filled: it cannot run. */
bool sequences_admit(struct Pool *pool, Request *request, Failure *failure);

/* Gives a sequence its channel; NULL takes it away. */
void sequences_pin(Sequence *sequence, struct Channel *channel);

/* The state of all sequences of the channel is lost. */
void sequences_lose(struct Pool *pool, const struct Channel *channel, SequenceLoss loss);

/* The requests of the batch fail without having run: those that start a sequence do not start it, and those that end
 * one leave its state, which is live until it is idle. */
void sequences_fail(struct Pool *pool, const Batch *batch);

/* The same for a request that was never admitted. */
void sequences_refuse(struct Pool *pool, TritonRequest *request);

/* Fills the failure of a request whose sequence is lost. */
void sequences_describe_loss(const struct Pool *pool, const Sequence *sequence, Failure *failure);

/* The same for a request whose sequence is not known. */
void sequences_describe_unknown(const struct Pool *pool, uint64_t number, const char *text, Failure *failure);

/* Forgets sequences that have been idle for too long. */
void sequences_expire(struct Pool *pool, uint64_t now);

/* The channel that has the state of the sequence with this number; NULL: any may get its next request. */
struct Channel *sequences_channel(struct Pool *pool, uint64_t number);

void sequences_free(struct Pool *pool);

/* These two take the lock themselves. The requests of the batch cannot run: as sequences_fail. */
void sequences_reject(struct Pool *pool, const Batch *batch);

/* The requests of the batch are answered. */
void sequences_finish(struct Pool *pool, const Batch *batch);

#endif
