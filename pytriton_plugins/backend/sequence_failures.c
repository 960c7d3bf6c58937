/* Why a request of a sequence cannot run. */
#include <stdio.h>

#include "pool.h"

static void name_of(uint64_t number, const char *text, char *name, size_t size) {
  if (text[0] == '\0')
    snprintf(name, size, "%llu", (unsigned long long)number);
  else
    snprintf(name, size, "%s", text);
}

void sequences_describe_loss(const Pool *pool, const Sequence *sequence, Failure *failure) {
  const char *model = pool->declaration.name, *again = "start it again (sequence_start)";
  char name[256];
  name_of(sequence->number, sequence->text, name, sizeof name);
  if (sequence->loss == SEQUENCE_NOT_STARTED)
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: sequence %s did not start: its first request failed; %s", model, name, again);
  else
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: the state of sequence %s is lost: its worker %s; %s", model, name,
                sequence->loss == SEQUENCE_WORKER_ENDED ? "ended" : "was replaced", again);
}

void sequences_describe_unknown(const Pool *pool, uint64_t number, const char *text, Failure *failure) {
  char name[256];
  name_of(number, text, name, sizeof name);
  failure_set(failure, TRITON_ERROR_INVALID_ARG,
              "model %s: sequence %s has no state: its start was refused, or it was idle for longer than max_idle (%g s); "
              "start it again (sequence_start)",
              pool->declaration.name, name, pool->declaration.max_idle_ms / 1000.0);
}
