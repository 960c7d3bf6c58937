/* Queues the requests of sequences, and runs them in threads of our own. */
#include "sequence_runner.h"

#include "clock.h"
#include "execute.h"
#include "sequence_queue.h"

/* Queues a request, or sends its error response. */
static void queue_sequence(Instance *instance, TritonRequest *triton) {
  Failure failure = {.code = 0};
  const Declaration *declaration = &instance->pool->declaration;
  Request *request = request_new(declaration, triton, clock_ns(), &failure);
  if (request == NULL)
    sequence_queue_refuse(instance->pool, triton);
  else if (sequence_queue_append(instance->pool, request, &failure))
    return;
  reject_request(instance, triton, &failure);
  if (request != NULL) request_free(declaration, request);
}

void execute_sequences(Instance *instance, TritonRequest **requests, uint32_t count) {
  pool_count_requests(instance->pool, (int)count);
  for (uint32_t i = 0; i < count; i++) {
    if (sequences_is_null(requests[i]))
      drop_request(instance, requests[i]);
    else
      queue_sequence(instance, requests[i]);
  }
}

static void *run_sequences(void *argument) {
  Instance *instance = argument;
  Channel *channel;
  Failure failure;
  for (;;) {
    failure.code = 0;
    switch (sequence_queue_await(instance->pool, &instance->batch, &channel, &failure, &instance->stopping)) {
      case WORK_RUN: execute_on_channel(instance, channel); break;
      case WORK_FAIL: execute_rejection(instance, &failure); break;
      case WORK_NONE: return NULL;
    }
    release_answered(instance);
  }
}

bool sequence_runner_start(Instance *instance) {
  instance->has_runner = pthread_create(&instance->runner, NULL, run_sequences, instance) == 0;
  return instance->has_runner;
}

void sequence_runner_stop(Instance *instance) {
  if (!instance->has_runner) return;
  sequence_queue_stop(instance->pool, &instance->stopping);
  pthread_join(instance->runner, NULL);
}
