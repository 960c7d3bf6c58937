/* Finds, starts, loses and forgets the sequences of a model. */
#include "sequences.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "pool.h"

typedef struct {
  uint64_t number;
  const char *text; /* "": the id is the number */
} SequenceId;

/* An error means that the id is a text, or that the server has none. */
static bool succeeded(TritonError *error) {
  if (error != NULL) TRITONSERVER_ErrorDelete(error);
  return error == NULL;
}

static SequenceId id_of(TritonRequest *request) {
  SequenceId id = {.text = ""};
  const char *text = NULL;
  if (succeeded(TRITONBACKEND_RequestCorrelationId(request, &id.number))) return id;
  id.number = 0;
  if (TRITONBACKEND_RequestCorrelationIdString != NULL && succeeded(TRITONBACKEND_RequestCorrelationIdString(request, &text)) &&
      text != NULL)
    id.text = text;
  return id;
}

static uint32_t flags_of(TritonRequest *request) {
  uint32_t flags = 0;
  bool known = TRITONBACKEND_RequestFlags != NULL && succeeded(TRITONBACKEND_RequestFlags(request, &flags));
  return known ? flags : 0;
}

bool sequences_is_null(TritonRequest *request) {
  SequenceId id = id_of(request); /* Triton refuses requests of clients without an id */
  return id.number == 0 && id.text[0] == '\0';
}

static Sequence **bucket_of(Sequences *table, const SequenceId *id) {
  uint64_t hash = id->number * 0x9E3779B97F4A7C15u;
  for (const char *at = id->text; *at != '\0'; at++) hash = (hash ^ (uint8_t)*at) * 0x100000001B3u;
  return &table->buckets[(hash >> 32) % SEQUENCE_BUCKETS];
}

static Sequence *find(Sequences *table, const SequenceId *id) {
  Sequence *sequence = *bucket_of(table, id);
  while (sequence != NULL && (sequence->number != id->number || strcmp(sequence->text, id->text) != 0)) sequence = sequence->next;
  return sequence;
}

static void count_live(Pool *pool, int more) {
  pool->sequences.live = (uint32_t)((int)pool->sequences.live + more);
  gauge_set(pool->sequences.gauge, pool->sequences.live);
}

void sequences_show(Pool *pool) {
  const Declaration *declaration = &pool->declaration;
  pool->sequences.gauge = gauge_new(GAUGE_LIVE_SEQUENCES, declaration->name, declaration->version);
  pool->sequences.limit = gauge_new(GAUGE_MAX_LIVE_SEQUENCES, declaration->name, declaration->version);
  gauge_set(pool->sequences.limit, declaration->max_live);
  gauge_set(pool->sequences.gauge, pool->sequences.live);
}

void sequences_hide(Pool *pool) {
  gauge_free(pool->sequences.gauge);
  gauge_free(pool->sequences.limit);
  pool->sequences.gauge = pool->sequences.limit = NULL;
}

void sequences_pin(Sequence *sequence, Channel *channel) {
  if (sequence->channel != NULL) sequence->channel->sequences--;
  if (channel != NULL) channel->sequences++;
  sequence->channel = channel;
}

/* Frees a sequence that no request can find, once it has none left. */
static void free_if_over(Sequences *table, Sequence *sequence) {
  if (sequence->listed || sequence->requests > 0) return;
  Channel *channel = sequence->channel;
  sequences_pin(sequence, NULL);
  if (sequence->after != NULL) sequence->after->before = sequence->before;
  *(sequence->before == NULL ? &table->all : &sequence->before->after) = sequence->after;
  free(sequence);
  if (channel != NULL) pool_drop_if_over(channel);
}

/* Later requests find it. */
static void list(Pool *pool, Sequence *sequence) {
  Sequence **bucket = bucket_of(&pool->sequences, &(SequenceId){sequence->number, sequence->text});
  sequence->next = *bucket;
  *bucket = sequence;
  sequence->listed = true;
  count_live(pool, 1);
}

/* Later requests do not find it any more. */
static void unlist(Pool *pool, Sequence *sequence) {
  Sequence **place = bucket_of(&pool->sequences, &(SequenceId){sequence->number, sequence->text});
  while (*place != sequence) place = &(*place)->next;
  *place = sequence->next;
  sequence->next = NULL;
  sequence->listed = false;
  if (sequence->loss == SEQUENCE_KEPT) count_live(pool, -1);
}

static void lose(Pool *pool, Sequence *sequence, SequenceLoss loss) {
  if (sequence->loss != SEQUENCE_KEPT) return;
  if (sequence->listed) count_live(pool, -1);
  sequences_pin(sequence, NULL);
  sequence->loss = loss;
}

static bool is_idle(const Pool *pool, const Sequence *sequence, uint64_t now) {
  return sequence->requests == 0 && now > sequence->used_at + pool->declaration.max_idle_ms * NS_PER_MS;
}

void sequences_expire(Pool *pool, uint64_t now) {
  for (Sequence *after, *sequence = pool->sequences.all; sequence != NULL; sequence = after) {
    after = sequence->after;
    if (!sequence->listed || !is_idle(pool, sequence, now)) continue;
    unlist(pool, sequence);
    free_if_over(&pool->sequences, sequence);
  }
}

static Sequence *add(Pool *pool, const SequenceId *id, Failure *failure) {
  const Declaration *declaration = &pool->declaration;
  if (pool->sequences.live >= declaration->max_live) sequences_expire(pool, clock_ns());
  if (pool->sequences.live >= declaration->max_live) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: too many live sequences (max_live %u); start it again when another has ended",
                declaration->name, declaration->max_live);
    return NULL;
  }
  size_t length = strlen(id->text) + 1;
  Sequence *sequence = calloc(1, sizeof *sequence + length);
  if (sequence == NULL) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: out of memory for a sequence", declaration->name);
    return NULL;
  }
  *sequence = (Sequence){.number = id->number};
  memcpy(sequence->text, id->text, length);
  sequence->after = pool->sequences.all;
  if (sequence->after != NULL) sequence->after->before = sequence;
  pool->sequences.all = sequence;
  list(pool, sequence);
  return sequence;
}

/* A repeated start begins anew where the sequence is, unless its state is lost or its worker is being replaced. */
static Sequence *start(Pool *pool, Sequence *known, const SequenceId *id, Failure *failure) {
  if (known != NULL && known->loss == SEQUENCE_KEPT && (known->channel == NULL || !known->channel->closing)) return known;
  if (known != NULL) {
    unlist(pool, known);
    free_if_over(&pool->sequences, known);
  }
  return add(pool, id, failure);
}

bool sequences_admit(Pool *pool, Request *request, Failure *failure) {
  SequenceId id = id_of(request->triton);
  uint32_t flags = flags_of(request->triton);
  uint64_t now = clock_ns();
  Sequence *sequence = find(&pool->sequences, &id);
  if (sequence != NULL && is_idle(pool, sequence, now)) {
    unlist(pool, sequence);
    free_if_over(&pool->sequences, sequence);
    sequence = NULL;
  }
  request->starts = (flags & TRITON_SEQUENCE_START) != 0;
  request->ends = (flags & TRITON_SEQUENCE_END) != 0;
  if (request->starts && (sequence = start(pool, sequence, &id, failure)) == NULL) return false;
  if (sequence == NULL) {
    sequences_describe_unknown(pool, id.number, id.text, failure);
    return false;
  }
  if (sequence->loss != SEQUENCE_KEPT) sequences_describe_loss(pool, sequence, failure);
  bool lost = sequence->loss != SEQUENCE_KEPT;
  sequence->used_at = now;
  if (!lost) {
    sequence->requests++;
    request->sequence = sequence;
  }
  if (request->ends) {
    unlist(pool, sequence);
    free_if_over(&pool->sequences, sequence);
  }
  return !lost;
}

void sequences_lose(Pool *pool, const Channel *channel, SequenceLoss loss) {
  for (Sequence *sequence = pool->sequences.all; sequence != NULL; sequence = sequence->after)
    if (sequence->channel == channel) lose(pool, sequence, loss);
}

/* Its last request does not reach the worker, which keeps the state until it is idle: it counts as long. */
static void list_again(Pool *pool, Sequence *sequence) {
  SequenceId id = {sequence->number, sequence->text};
  if (sequence->listed || sequence->loss != SEQUENCE_KEPT || find(&pool->sequences, &id) != NULL) return;
  list(pool, sequence);
}

void sequences_fail(Pool *pool, const Batch *batch) {
  for (uint32_t i = 0; i < batch->count; i++) {
    Request *request = batch->requests[i];
    if (request->sequence == NULL) continue;
    if (request->starts)
      lose(pool, request->sequence, SEQUENCE_NOT_STARTED);
    else if (request->ends)
      list_again(pool, request->sequence);
    request->ends = false; /* once: it may be called again for the batch */
  }
}

void sequences_refuse(Pool *pool, TritonRequest *request) {
  if (!(flags_of(request) & TRITON_SEQUENCE_START)) return;
  SequenceId id = id_of(request);
  Sequence *sequence = find(&pool->sequences, &id);
  if (sequence != NULL) lose(pool, sequence, SEQUENCE_NOT_STARTED);
}

void sequences_reject(Pool *pool, const Batch *batch) {
  if (!pool->declaration.sequence) return;
  pthread_mutex_lock(&pool->lock);
  sequences_fail(pool, batch);
  pthread_mutex_unlock(&pool->lock);
}

void sequences_finish(Pool *pool, const Batch *batch) {
  if (!pool->declaration.sequence) return;
  pthread_mutex_lock(&pool->lock);
  for (uint32_t i = 0; i < batch->count; i++) {
    Sequence *sequence = batch->requests[i]->sequence;
    if (sequence == NULL) continue;
    batch->requests[i]->sequence = NULL;
    sequence->requests--;
    sequence->used_at = clock_ns();
    free_if_over(&pool->sequences, sequence);
  }
  pthread_mutex_unlock(&pool->lock);
}

Channel *sequences_channel(Pool *pool, uint64_t number) {
  Sequence *sequence = find(&pool->sequences, &(SequenceId){number, ""});
  return sequence == NULL ? NULL : sequence->channel;
}

void sequences_free(Pool *pool) {
  for (Sequence *after, *sequence = pool->sequences.all; sequence != NULL; sequence = after) {
    after = sequence->after;
    free(sequence);
  }
}
