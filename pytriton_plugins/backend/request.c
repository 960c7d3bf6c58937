/* Reads and checks the inputs, rows and requested outputs of a request; sends error responses. */
#include "request.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"

/* One buffer of an input, in CPU memory. */
static bool part_buffer(const Part *part, uint32_t index, const void **buffer, uint64_t *bytes, Failure *failure) {
  int memory_type = TRITON_MEMORY_CPU;
  int64_t memory_id = 0;
  if (!failure_none(TRITONBACKEND_InputBuffer(part->input, index, buffer, bytes, &memory_type, &memory_id), failure)) return false;
  if (memory_type != TRITON_MEMORY_GPU) return true;
  failure_set(failure, TRITON_ERROR_UNSUPPORTED, "inputs in GPU memory are not supported; send them in CPU memory");
  return false;
}

const uint8_t *part_bytes(const Part *part) {
  const void *buffer = NULL;
  uint64_t bytes = 0;
  Failure failure;
  bool whole = part->buffers == 1 && part_buffer(part, 0, &buffer, &bytes, &failure) && bytes >= part->bytes;
  return whole ? buffer : NULL;
}

bool part_copy(const Part *part, const char *name, uint8_t *to, Failure *failure) {
  uint64_t left = part->bytes;
  for (uint32_t i = 0; i < part->buffers && left > 0; i++) {
    const void *buffer;
    uint64_t bytes;
    if (!part_buffer(part, i, &buffer, &bytes, failure)) return false;
    if (bytes > left) bytes = left;
    if (bytes > 0) memcpy(to, buffer, bytes);
    to += bytes;
    left -= bytes;
  }
  if (left > 0) failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s: shorter than its shape", name);
  return left == 0;
}

static bool join_buffers(const char *name, Part *part, Failure *failure) {
  uint64_t bytes = 0;
  const void *buffer = NULL;
  if (part->buffers == 1) {
    if (!part_buffer(part, 0, &buffer, &bytes, failure)) return false;
    part->text = buffer;
    return bytes >= part->bytes;
  }
  part->text = part->owned = malloc(part->bytes + 1);
  if (part->owned != NULL) return part_copy(part, name, part->owned, failure);
  failure_set(failure, TRITON_ERROR_UNAVAILABLE, "input %s: out of memory", name);
  return false;
}

/* Whether the bytes are exactly the elements of the shape, each with its four-byte length before it. */
static bool elements_fit(const Part *part) {
  uint64_t at = 0;
  for (uint64_t i = 0; i < part->elements; i++) {
    uint32_t length;
    if (part->bytes - at < sizeof length) return false;
    memcpy(&length, part->text + at, sizeof length);
    at += sizeof length;
    if (length > part->bytes - at) return false;
    at += length;
  }
  return at == part->bytes;
}

static bool check_content(const DeclaredTensor *tensor, Part *part, Failure *failure) {
  if (!wire_element_count(part->shape, part->rank, &part->elements)) {
    failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s: invalid shape", tensor->name);
    return false;
  }
  bool fits;
  if (tensor->item_size == 0) {
    fits = join_buffers(tensor->name, part, failure) && elements_fit(part);
  } else {
    fits = part->elements <= UINT64_MAX / tensor->item_size && part->bytes == part->elements * tensor->item_size;
  }
  if (!fits && failure->code == 0)
    failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s: %llu bytes do not fit its shape", tensor->name,
                (unsigned long long)part->bytes);
  return fits;
}

static bool read_input(const Declaration *declaration, Request *request, uint32_t index, Failure *failure) {
  TritonInput *input;
  const char *name;
  int dtype;
  Part part = {0};
  if (!failure_none(TRITONBACKEND_RequestInputByIndex(request->triton, index, &input), failure)) return false;
  if (!failure_none(TRITONBACKEND_InputProperties(input, &name, &dtype, &part.shape, &part.rank, &part.bytes, &part.buffers), failure))
    return false;
  int found = declaration_find_input(declaration, index, name);
  if (found < 0 || declaration->inputs[found].dtype != dtype) {
    failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s: not declared with this data type", name);
    return false;
  }
  const DeclaredTensor *tensor = &declaration->inputs[found];
  if (part.rank != tensor->rank + (uint32_t)declaration->batched) {
    failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s: %u dimensions, expected %u", name, part.rank,
                tensor->rank + (uint32_t)declaration->batched);
    return false;
  }
  part.input = input;
  request->parts[found] = part;
  return check_content(tensor, &request->parts[found], failure);
}

static bool read_outputs(const Declaration *declaration, Request *request, Failure *failure) {
  uint32_t count;
  if (!failure_none(TRITONBACKEND_RequestOutputCount(request->triton, &count), failure)) return false;
  for (uint32_t i = 0; i < count; i++) {
    const char *name;
    if (!failure_none(TRITONBACKEND_RequestOutputName(request->triton, i, &name), failure)) return false;
    int found = declaration_find_output(declaration, i, name);
    if (found >= 0) request->requested[found / 64] |= (uint64_t)1 << found % 64;
  }
  return true;
}

/* The rows of a request: the first dimension of all its inputs. */
static bool read_rows(const Declaration *declaration, Request *request, Failure *failure) {
  const Part *parts = request->parts;
  int64_t rows = declaration->batched ? 0 : 1;
  for (uint32_t i = 0; declaration->batched && i < declaration->input_count; i++) {
    if (parts[i].input == NULL) continue;
    if (rows == 0) rows = parts[i].shape[0];
    if (rows != parts[i].shape[0] || rows < 1 || rows > INT32_MAX) {
      failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s: batch sizes differ", declaration->inputs[i].name);
      return false;
    }
  }
  request->rows = rows > 0 ? (uint32_t)rows : 1;
  return true;
}

static bool read_all(const Declaration *declaration, Request *request, Failure *failure) {
  uint32_t inputs;
  if (!failure_none(TRITONBACKEND_RequestInputCount(request->triton, &inputs), failure)) return false;
  for (uint32_t i = 0; i < inputs; i++)
    if (!read_input(declaration, request, i, failure)) return false;
  return read_outputs(declaration, request, failure) && read_rows(declaration, request, failure);
}

uint64_t request_timeout(TritonRequest *triton) {
  uint64_t timeout = 0;
  if (TRITONBACKEND_InferenceRequestTimeoutMicroseconds == NULL) return 0;
  TritonError *error = TRITONBACKEND_InferenceRequestTimeoutMicroseconds(triton, &timeout);
  failure_log(error, "reading the timeout of a request");
  return error == NULL ? timeout : 0;
}

/* As in Triton's queues, a request's own timeout can only shorten the timeout of the model. */
static uint64_t expiry_time(const Declaration *declaration, TritonRequest *triton, uint64_t now) {
  if (declaration->queue_ms == 0) return UINT64_MAX;
  uint64_t timeout_us = declaration->queue_ms * US_PER_MS;
  uint64_t own_us = declaration->own_timeouts ? request_timeout(triton) : 0;
  return now + (own_us != 0 && own_us < timeout_us ? own_us : timeout_us) * NS_PER_US;
}

Request *request_new(const Declaration *declaration, TritonRequest *triton, uint64_t now, Failure *failure) {
  size_t parts = declaration->input_count * sizeof(Part), words = declaration_words(declaration) * sizeof(uint64_t);
  Request *request = calloc(1, sizeof *request + parts + words);
  if (request == NULL) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "model %s: out of memory", declaration->name);
    return NULL;
  }
  request->triton = triton;
  request->requested = (uint64_t *)(void *)&request->parts[declaration->input_count];
  request->arrived_at = now;
  request->expires_at = expiry_time(declaration, triton, now);
  if (read_all(declaration, request, failure)) return request;
  request_free(declaration, request);
  return NULL;
}

void request_free(const Declaration *declaration, Request *request) {
  for (uint32_t i = 0; i < declaration->input_count; i++) free(request->parts[i].owned);
  free(request);
}

bool request_can_join(const Declaration *declaration, const Request *one, const Request *other) {
  for (uint32_t i = 0; i < declaration->input_count; i++) {
    const Part *a = &one->parts[i], *b = &other->parts[i];
    if ((a->input == NULL) != (b->input == NULL)) return false;
    for (uint32_t d = 1; a->input != NULL && !declaration->apart && d < a->rank; d++)
      if (a->shape[d] != b->shape[d]) return false;
  }
  return true;
}

bool request_is_cancelled(const Request *request) {
  bool cancelled = false;
  if (TRITONBACKEND_RequestIsCancelled == NULL) return false;
  failure_log(TRITONBACKEND_RequestIsCancelled(request->triton, &cancelled), "checking for cancellation");
  return cancelled;
}

/* The response cache also stores error responses, and later answers an equal request with success and without outputs.
 * An output without a buffer makes the insertion fail; the client still gets the error. */
static void prevent_caching(TritonResponse *response, const DeclaredTensor *tensor) {
  TritonOutput *output;
  int64_t dims[WIRE_MAX_RANK + 1] = {0};
  failure_log(TRITONBACKEND_ResponseOutput(response, &output, tensor->name, tensor->dtype, dims, tensor->rank),
              "keeping an error response out of the cache");
}

void request_send_error(const Declaration *declaration, TritonRequest *triton, const Failure *failure) {
  TritonResponse *response;
  TritonError *error = TRITONBACKEND_ResponseNew(&response, triton);
  if (error != NULL) {
    failure_log(error, "creating a response");
    return;
  }
  if (declaration->output_count > 0) prevent_caching(response, &declaration->outputs[0]);
  error = failure_to_error(failure);
  failure_log(TRITONBACKEND_ResponseSend(response, TRITON_RESPONSE_FINAL, error), "sending an error response");
  TRITONSERVER_ErrorDelete(error);
}
