/* Runs in Triton's threads: takes the responses of a called model, and sends them to the worker when it has room. */
#include "call.h"

#include <stdlib.h>
#include <string.h>

#include "calls.h"

Call *call_new(Calls *calls, const CallMessage *message, uint64_t number) {
  Call *call = calloc(1, sizeof *call);
  if (call == NULL) return NULL;
  atomic_init(&call->references, 1);
  call->calls = calls_share(calls);
  call->number = number;
  call->wait.correlation = message->head.correlation;
  call->end = &call->first;
  call->is_stream = message->head.flags & WIRE_CALL_STREAM;
  call->inputs = segment_share(&calls->segment);
  call->area_mapping = segment_share(&calls->segment);
  call->area_offset = message->head.area_offset;
  call->area_length = message->head.area_length;
  memcpy(call->model, message->model, message->head.model_length);
  return call;
}

static void drop_replies(Call *call) {
  while (call->first != NULL) {
    Reply *reply = call->first;
    call->first = reply->next;
    reply_free(reply);
  }
  call->end = &call->first;
  call->held = 0;
  call->held_bytes = 0;
}

/* The segments of lingering calls, each counted once. The channel has others, so no memory policy counts these. */
static void hold_mapping(Call *call, Mapping *mapping) {
  if (mapping != NULL && atomic_fetch_add(&mapping->lingering, 1) == 0) atomic_fetch_add(&call->calls->lingering_bytes, mapping->size);
}

static void stop_holding_mapping(Call *call, Mapping *mapping) {
  if (mapping != NULL && atomic_fetch_sub(&mapping->lingering, 1) == 1) atomic_fetch_sub(&call->calls->lingering_bytes, mapping->size);
}

static void stop_lingering(Call *call) {
  stop_holding_mapping(call, call->inputs);
  stop_holding_mapping(call, call->request);
  stop_holding_mapping(call, call->area_mapping);
  atomic_fetch_sub(&call->calls->lingering, 1);
}

void call_release(Call *call) {
  if (atomic_fetch_sub(&call->references, 1) > 1) return;
  drop_replies(call);
  if (call->is_lingering) stop_lingering(call);
  mapping_release(call->inputs);
  mapping_release(call->request);
  mapping_release(call->area_mapping);
  while (call->memory != NULL) {
    CallMemory *memory = call->memory;
    call->memory = memory->next;
    free(memory);
  }
  calls_release(call->calls);
  free(call->failure);
  free(call);
}

void call_expect(Call *call, TritonInference *inference) {
  call->inference = inference;
  call->wait.request = inference;
  atomic_fetch_add(&call->references, 2);
}

void call_refused(Call *call) {
  call->inference = NULL;
  call->wait.request = NULL;
  call->is_complete = true;
  atomic_fetch_sub(&call->references, 2);
}

void call_detach(Call *call) {
  call->is_open = false;
  drop_replies(call);
  if (call->is_complete) return;
  call->is_lingering = true;
  atomic_fetch_add(&call->calls->lingering, 1);
  hold_mapping(call, call->inputs);
  hold_mapping(call, call->request);
  hold_mapping(call, call->area_mapping);
  if (call->inference != NULL && INFERENCE(Cancel) != NULL) failure_log(INFERENCE(Cancel)(call->inference), "cancelling a call");
}

static uint32_t end_flags(const Call *call) {
  return WIRE_FINAL | (call->is_complete ? 0 : WIRE_LINGERS);
}

/* After the end was sent: gives up the reference of the channel. */
static void close_call(Call *call) {
  calls_remove(call->calls, call);
  call_detach(call);
  call_release(call);
}

static void end(Call *call, const Failure *failure) {
  calls_send_result(call, end_flags(call), NULL, failure, 0);
  close_call(call);
}

void call_fail(Call *call, const Failure *failure) {
  if (call->is_open) end(call, failure);
}

static void fail_as_stream(Call *call, const char *responses) {
  Failure failure;
  failure_set(&failure, TRITON_ERROR_UNSUPPORTED, "model %s: %s response to one call; use .stream(\xe2\x80\xa6)", call->model, responses);
  call_fail(call, &failure);
}

static void fail_with_long_result(Call *call) {
  static const Failure FAILURE = {.code = TRITON_ERROR_UNSUPPORTED,
                                  .text = "the names and parameters of a response are longer than a message to the caller"};
  call_fail(call, &FAILURE);
}

static void fail_without_memory(Call *call) {
  static const Failure FAILURE = {.code = TRITON_ERROR_UNAVAILABLE, .text = "out of memory for the responses of a call"};
  call_fail(call, &FAILURE);
}

/* Sends the first response that waits, or asks for room for it. False: the call ended. */
static bool send_reply(Call *call) {
  Reply *reply = call->first;
  uint8_t *segment = call->area_mapping == NULL ? NULL : call->area_mapping->bytes;
  call->awaits_room = true;
  call->asks_room = false;
  if (!reply_place(reply, (ReplyArea){segment, call->area_offset, call->area_length})) {
    if (reply->is_lost) {
      fail_without_memory(call);
      return false;
    }
    call->asks_room = true;
    calls_send_result(call, WIRE_NO_ROOM, NULL, NULL, reply->needed);
    return false;
  }
  call->first = reply->next;
  if (call->first == NULL) call->end = &call->first;
  call->held--;
  call->held_bytes -= reply->needed;
  bool is_last = call->is_complete && call->first == NULL && call->failure == NULL;
  bool is_sent = calls_send_result(call, is_last ? end_flags(call) : 0, reply, NULL, 0);
  reply_free(reply);
  if (is_sent && is_last) close_call(call);
  if (!is_sent) fail_with_long_result(call);
  return is_sent && !is_last;
}

/* Sends what can be sent. The caller has a reference. */
static void advance(Call *call) {
  if (!call->is_open) return;
  bool is_ended = call->is_complete || call->failure != NULL, can_send = call->is_stream || is_ended;
  while (can_send && call->first != NULL && !call->awaits_room)
    if (!send_reply(call)) return;
  if (!is_ended || call->first != NULL) return;
  if (call->failure == NULL && !call->is_stream)
    fail_as_stream(call, "no");
  else
    end(call, call->failure);
}

bool call_give_room(Call *call, Mapping *mapping, uint64_t offset, uint64_t length) {
  if (!call->awaits_room) return false;
  mapping_release(call->area_mapping);
  call->area_mapping = mapping;
  call->area_offset = offset;
  call->area_length = length;
  call->awaits_room = false;
  advance(call);
  return true;
}

static void set_failure(Call *call, const Failure *failure) {
  if (call->failure != NULL) return;
  call->failure = malloc(sizeof *call->failure);
  if (call->failure != NULL)
    *call->failure = *failure;
  else
    fail_without_memory(call);
}

static void append(Call *call, Reply *reply) {
  *call->end = reply;
  call->end = &reply->next;
  call->held++;
  call->held_bytes += reply->needed;
  Failure failure;
  if (!call->is_stream && call->held > 1) {
    fail_as_stream(call, "more than one");
  } else if (call->held > WIRE_MAX_HELD || (call->held > 1 && call->held_bytes > WIRE_MAX_HELD_BYTES)) {
    failure_set(&failure, TRITON_ERROR_UNAVAILABLE,
                "model %s: %u responses with %.1f MiB wait for the caller; read them faster, or end the stream earlier", call->model,
                call->held, (double)call->held_bytes / (1 << 20));
    call_fail(call, &failure);
  }
}

/* Whether the call takes the result. */
static bool take(Call *call, TritonResult *result) {
  Failure failure = {.code = 0};
  TritonError *error = RESULT(Error)(result);
  if (call->failure != NULL) return false;
  Reply *reply = NULL;
  if (error != NULL)
    call_failure(error, &failure);
  else
    reply = reply_new(result, &failure);
  if (reply == NULL)
    set_failure(call, &failure);
  else
    append(call, reply);
  return reply != NULL;
}

void call_responded(TritonResult *result, uint32_t flags, void *user) {
  Call *call = user;
  bool is_last = flags & TRITON_RESPONSE_FINAL, is_taken = false;
  pthread_mutex_lock(&call->calls->lock);
  if (is_last) call->is_complete = true;
  if (result != NULL && call->is_open) is_taken = take(call, result);
  advance(call);
  pthread_mutex_unlock(&call->calls->lock);
  if (result != NULL && !is_taken) failure_log(RESULT(Delete)(result), "deleting a result");
  if (is_last) call_release(call);
}

void call_released(TritonInference *inference, uint32_t flags, void *user) {
  Call *call = user;
  if (!(flags & TRITON_RELEASE_ALL)) return;
  pthread_mutex_lock(&call->calls->lock);
  call->inference = NULL;
  call->wait.request = NULL;
  pthread_mutex_unlock(&call->calls->lock);
  failure_log(INFERENCE(Delete)(inference), "deleting the request of a call");
  call_release(call);
}

TritonError *call_start_response(TritonAllocator *allocator, void *user) {
  Call *call = user;
  (void)allocator;
  pthread_mutex_lock(&call->calls->lock);
  call->started++;
  pthread_mutex_unlock(&call->calls->lock);
  return NULL;
}

/* Memory in the area, for the only response of a call. Responses of a stream can be made at the same time, and wait. */
static uint8_t *allocate_in_area(Call *call, uint64_t bytes) {
  if (call->is_stream || call->started > 1 || bytes > call->area_length - call->area_used) return NULL;
  uint8_t *found = call->area_mapping->bytes + call->area_offset + call->area_used;
  uint64_t used = wire_aligned(bytes);
  call->area_used = used > call->area_length - call->area_used ? call->area_length : call->area_used + used;
  return found;
}

TritonError *call_allocate(TritonAllocator *allocator, const char *output, size_t bytes, int memory_type, int64_t memory_id, void *user,
                           void **buffer, void **buffer_user, int *actual_type, int64_t *actual_id) {
  Call *call = user;
  (void)allocator, (void)memory_type, (void)memory_id;
  *buffer = *buffer_user = NULL;
  *actual_type = TRITON_MEMORY_CPU;
  *actual_id = 0;
  if (bytes == 0) return NULL;
  pthread_mutex_lock(&call->calls->lock);
  bool is_wanted = call->is_open;
  if (is_wanted) *buffer = allocate_in_area(call, bytes);
  pthread_mutex_unlock(&call->calls->lock);
  if (!is_wanted) return TRITONSERVER_ErrorNew(TRITON_ERROR_CANCELLED, "the caller no longer waits for the response");
  if (*buffer != NULL) return NULL;
  if (bytes <= SIZE_MAX - WIRE_ALIGNMENT) *buffer = *buffer_user = aligned_alloc(WIRE_ALIGNMENT, wire_aligned(bytes));
  if (*buffer != NULL) return NULL;
  Failure failure;
  failure_set(&failure, TRITON_ERROR_UNAVAILABLE, "output %s: out of memory", output);
  return failure_to_error(&failure);
}

TritonError *call_free_buffer(TritonAllocator *allocator, void *buffer, void *buffer_user, size_t bytes, int memory_type,
                              int64_t memory_id) {
  (void)allocator, (void)buffer, (void)bytes, (void)memory_type, (void)memory_id;
  free(buffer_user);
  return NULL;
}
