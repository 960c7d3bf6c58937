/* Makes Triton's request of a checked message: inputs of a fixed size stay in the segments, strings are written again. */
#include "call_request.h"

#include <stdlib.h>
#include <string.h>

#include "call_chain.h"
#include "link.h"

/* The text with a zero byte at its end, until the next use of this place of calls->text. */
static const char *text_at(Calls *calls, size_t place, const uint8_t *text, size_t length) {
  memcpy(calls->text + place, text, length);
  calls->text[place + length] = '\0';
  return calls->text + place;
}

static uint64_t offset_at(const uint8_t *table, uint64_t index) {
  return ((const volatile uint64_t *)(const void *)table)[index];
}

/* Writes strings in Triton's form. The worker can change the table at any time, so each offset is read once. */
static bool write_strings(const uint8_t *data, uint64_t length, uint64_t elements, uint8_t *to) {
  const uint8_t *text = data + (elements + 1) * sizeof(uint64_t);
  uint64_t left = length - (elements + 1) * sizeof(uint64_t), at = offset_at(data, 0);
  if (at != 0) return false;
  for (uint64_t i = 1; i <= elements; i++) {
    uint64_t next = offset_at(data, i);
    if (next < at || next > left || next - at > UINT32_MAX) return false;
    uint32_t size = (uint32_t)(next - at);
    memcpy(to, &size, sizeof size);
    memcpy(to + sizeof size, text + at, size);
    to += sizeof size + size;
    at = next;
  }
  return at == left;
}

/* Rewrites an input of strings. Sets data and length. */
static bool copy_strings(Call *call, const CallInput *input, const uint8_t **data, uint64_t *length, Failure *failure) {
  uint64_t text = *length - (input->elements + 1) * sizeof(uint64_t), bytes = input->elements * sizeof(uint32_t) + text;
  CallMemory *memory = malloc(sizeof *memory + bytes);
  if (memory == NULL) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: out of memory for the inputs of a call", call->model);
    return false;
  }
  memory->next = call->memory;
  call->memory = memory;
  if (!write_strings(*data, *length, input->elements, memory->bytes)) {
    failure_set(failure, TRITON_ERROR_INVALID_ARG, "model %s: an input of the call has an invalid table of offsets", call->model);
    return false;
  }
  *data = memory->bytes;
  *length = bytes;
  return true;
}

static bool add_input(Calls *calls, Call *call, TritonInference *inference, const Segment *request, const CallInput *input,
                      Failure *failure) {
  const WireCallTensor *head = &input->head;
  const char *name = text_at(calls, 0, input->name, head->name_length);
  const Segment *segment = head->place == WIRE_IN_REQUEST_SEGMENT ? request : &calls->segment;
  const uint8_t *data = segment->bytes == NULL ? NULL : segment->bytes + head->offset;
  uint64_t length = head->length;
  if (head->place == WIRE_IN_REQUEST_SEGMENT && call->request == NULL) call->request = segment_share(request);
  if (head->dtype == WIRE_TYPE_BYTES && !copy_strings(call, input, &data, &length, failure)) return false;
  return call_succeeded(INFERENCE(AddInput)(inference, name, head->dtype, input->dims, head->rank), failure) &&
         call_succeeded(INFERENCE(AppendInputData)(inference, name, data, length, TRITON_MEMORY_CPU, 0), failure);
}

static bool add_parameter(Calls *calls, TritonInference *inference, const CallParameter *parameter, Failure *failure) {
  const WireParameter *head = &parameter->head;
  const char *name = text_at(calls, 0, parameter->name, head->name_length);
  int64_t number;
  double fraction;
  switch (head->type) {
    case WIRE_INT:
      memcpy(&number, parameter->value, sizeof number);
      return call_succeeded(INFERENCE(SetIntParameter)(inference, name, number), failure);
    case WIRE_BOOL: return call_succeeded(INFERENCE(SetBoolParameter)(inference, name, *parameter->value != 0), failure);
    case WIRE_DOUBLE:
      memcpy(&fraction, parameter->value, sizeof fraction);
      if (INFERENCE(SetDoubleParameter) == NULL) return true; /* not in older servers */
      return call_succeeded(INFERENCE(SetDoubleParameter)(inference, name, fraction), failure);
    default:
      return call_succeeded(
          INFERENCE(SetStringParameter)(inference, name, text_at(calls, head->name_length + 1, parameter->value, head->value_length)),
          failure);
  }
}

static bool set_properties(Calls *calls, TritonInference *inference, const CallMessage *message, Failure *failure) {
  const WireCall *head = &message->head;
  uint32_t flags = (head->flags & WIRE_CALL_START ? TRITON_SEQUENCE_START : 0) | (head->flags & WIRE_CALL_END ? TRITON_SEQUENCE_END : 0);
  if (head->id_length > 0 && !call_succeeded(INFERENCE(SetId)(inference, text_at(calls, 0, message->id, head->id_length)), failure))
    return false;
  if (flags != 0 && !call_succeeded(INFERENCE(SetFlags)(inference, flags), failure)) return false;
  if (head->correlation != 0 && !call_succeeded(INFERENCE(SetCorrelationId)(inference, head->correlation), failure)) return false;
  if (head->timeout_us != 0 && !call_succeeded(INFERENCE(SetTimeoutMicroseconds)(inference, head->timeout_us), failure)) return false;
  return head->priority == 0 || INFERENCE(SetPriorityUInt64) == NULL ||
         call_succeeded(INFERENCE(SetPriorityUInt64)(inference, head->priority), failure);
}

static bool add_contents(Call *call, TritonInference *inference, const Segment *request, const CallMessage *message, Failure *failure) {
  Calls *calls = call->calls;
  Cursor inputs = message->inputs, outputs = message->outputs, parameters = message->parameters;
  for (uint32_t i = 0; i < message->head.input_count; i++) {
    CallInput input;
    call_message_input(&inputs, &input);
    if (!add_input(calls, call, inference, request, &input, failure)) return false;
  }
  for (uint32_t i = 0; i < message->head.output_count; i++) {
    uint32_t length;
    const uint8_t *name = call_message_output(&outputs, &length);
    if (!call_succeeded(INFERENCE(AddRequestedOutput)(inference, text_at(calls, 0, name, length)), failure)) return false;
  }
  for (uint32_t i = 0; i < message->head.parameter_count; i++) {
    CallParameter parameter;
    call_message_parameter(&parameters, &parameter);
    if (!add_parameter(calls, inference, &parameter, failure)) return false;
  }
  return set_properties(calls, inference, message, failure);
}

static TritonInference *make_request(Call *call, const Segment *request, const CallMessage *message, Failure *failure) {
  CallServer *server = call->calls->server;
  TritonInference *inference;
  if (!call_succeeded(INFERENCE(New)(&inference, atomic_load(&server->triton), call->model, message->head.version), failure)) return NULL;
  if (add_contents(call, inference, request, message, failure) &&
      call_succeeded(INFERENCE(SetReleaseCallback)(inference, call_released, call), failure) &&
      call_succeeded(INFERENCE(SetResponseCallback)(inference, server->allocator, call, call_responded, call), failure))
    return inference;
  failure_log(INFERENCE(Delete)(inference), "deleting the request of a call");
  return NULL;
}

/* A child of the trace of the first request that has one; NULL: none. */
static TritonTrace *make_trace(const Batch *batch) {
  TritonTrace *trace = NULL, *child = NULL;
  if (TRITONBACKEND_RequestTrace == NULL || TRITONSERVER_InferenceTraceSpawnChildTrace == NULL) return NULL;
  for (uint32_t i = 0; trace == NULL && i < batch->count; i++) {
    TritonError *error = TRITONBACKEND_RequestTrace(batch->requests[i]->triton, &trace);
    if (error != NULL) {
      TRITONSERVER_ErrorDelete(error); /* a server without traces */
      return NULL;
    }
  }
  if (trace != NULL) failure_log(TRITONSERVER_InferenceTraceSpawnChildTrace(trace, &child), "tracing a call");
  return child;
}

/* Opens the call. False, with failure filled: it could only wait for itself. */
static bool open_call(Calls *calls, Call *call, Failure *failure) {
  pthread_mutex_lock(&calls->server->chains);
  pthread_mutex_lock(&calls->lock);
  call->next = calls->open;
  call->is_open = true;
  call->wait.order = 1 + atomic_fetch_add(&calls->server->opened, 1);
  calls->open = call;
  calls->count++;
  pthread_mutex_unlock(&calls->lock);
  bool is_stuck = call->wait.count > 0 && call_chain_is_stuck(&call->wait, failure);
  pthread_mutex_lock(&calls->lock);
  if (is_stuck) {
    call->is_complete = true;
    calls_remove(calls, call);
    call->is_open = false;
  } else {
    atomic_fetch_add(&call->references, 1); /* of the channel */
  }
  pthread_mutex_unlock(&calls->lock);
  pthread_mutex_unlock(&calls->server->chains);
  return !is_stuck;
}

/* Gives the request to Triton, which may answer at once, in this thread or another. */
static void send_request(Calls *calls, Call *call, TritonInference *inference, TritonTrace *trace) {
  Failure failure;
  pthread_mutex_lock(&calls->lock);
  call_expect(call, inference);
  pthread_mutex_unlock(&calls->lock);
  if (call_succeeded(TRITONSERVER_ServerInferAsync(atomic_load(&calls->server->triton), inference, trace), &failure)) return;
  pthread_mutex_lock(&calls->lock);
  call_refused(call);
  call_fail(call, &failure);
  pthread_mutex_unlock(&calls->lock);
  failure_log(INFERENCE(Delete)(inference), "deleting the request of a call");
}

bool call_request_send(Calls *calls, const Batch *batch, const Segment *request, const CallMessage *message, uint64_t number,
                       Failure *failure) {
  Call *call = call_new(calls, message, number);
  if (call == NULL) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "out of memory for a call");
    return false;
  }
  TritonInference *inference = make_request(call, request, message, failure);
  if (inference != NULL) link_find_called(calls->server->link, call->model, message->head.version, &call->wait);
  bool is_open = inference != NULL && open_call(calls, call, failure);
  if (is_open)
    send_request(calls, call, inference, make_trace(batch));
  else if (inference != NULL)
    failure_log(INFERENCE(Delete)(inference), "deleting the request of a call");
  call_release(call);
  return is_open;
}
