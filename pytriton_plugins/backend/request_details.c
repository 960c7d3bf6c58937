/* Writes the details of requests behind the tensors in the request segment; docs/reference/protocol.md has the layout. */
#include "request_details.h"

#include <string.h>

/* Of one request; a property that Triton does not have stays empty. */
typedef struct {
  const char *id, *text;
  uint64_t number;
  uint32_t parameters, flags;
} Properties;

typedef struct {
  const char *name;
  const void *value;
  uint32_t type, name_length, value_length; /* type 0: not supported */
} Parameter;

static uint32_t length_of(const char *text) {
  size_t length = text == NULL ? 0 : strlen(text);
  return length > UINT32_MAX / 4 ? 0 : (uint32_t)length;
}

/* Frees the error, which means that the property does not exist. */
static bool succeeded(TritonError *error) {
  if (error != NULL) TRITONSERVER_ErrorDelete(error);
  return error == NULL;
}

static Properties properties_of(TritonRequest *request) {
  Properties found = {0};
  if (!succeeded(TRITONBACKEND_RequestId(request, &found.id))) found.id = NULL;
  if (!succeeded(TRITONBACKEND_RequestCorrelationId(request, &found.number))) {
    found.number = 0;
    if (TRITONBACKEND_RequestCorrelationIdString == NULL || !succeeded(TRITONBACKEND_RequestCorrelationIdString(request, &found.text)))
      found.text = NULL;
  }
  if (TRITONBACKEND_RequestParameterCount == NULL || TRITONBACKEND_RequestParameter == NULL ||
      !succeeded(TRITONBACKEND_RequestParameterCount(request, &found.parameters)))
    found.parameters = 0;
  if (TRITONBACKEND_RequestFlags == NULL || !succeeded(TRITONBACKEND_RequestFlags(request, &found.flags))) found.flags = 0;
  return found;
}

/* The number of the type for doubles differs between versions of Triton. */
static bool is_double(int type) {
  const char *name = TRITONSERVER_ParameterTypeString(type);
  return name != NULL && strcmp(name, "DOUBLE") == 0;
}

static Parameter parameter_at(TritonRequest *request, uint32_t index) {
  Parameter found = {0};
  int type;
  if (!succeeded(TRITONBACKEND_RequestParameter(request, index, &found.name, &type, &found.value)) || found.value == NULL)
    return (Parameter){0};
  found.name_length = length_of(found.name);
  if (type == TRITON_PARAMETER_STRING) {
    found.type = WIRE_STRING;
    found.value_length = length_of(found.value);
  } else if (type == TRITON_PARAMETER_INT) {
    found.type = WIRE_INT;
    found.value_length = sizeof(int64_t);
  } else if (type == TRITON_PARAMETER_BOOL) {
    found.type = WIRE_BOOL;
    found.value_length = sizeof(bool);
  } else if (is_double(type)) {
    found.type = WIRE_DOUBLE;
    found.value_length = sizeof(double);
  }
  return found;
}

static uint64_t align(uint64_t size) {
  return (size + WIRE_BLOCK_ALIGNMENT - 1) & ~(uint64_t)(WIRE_BLOCK_ALIGNMENT - 1);
}

static uint64_t head_bytes(const Batch *batch) {
  return sizeof(WireDetails) + align(batch->count * sizeof(uint32_t));
}

static uint64_t request_bytes(TritonRequest *request) {
  Properties found = properties_of(request);
  uint64_t size = sizeof(WireDetail) + length_of(found.id) + length_of(found.text);
  for (uint32_t i = 0; i < found.parameters; i++) {
    Parameter parameter = parameter_at(request, i);
    if (parameter.type != 0) size += sizeof(WireParameter) + parameter.name_length + parameter.value_length;
  }
  return align(size);
}

uint64_t request_details_bytes(const Batch *batch) {
  uint64_t size = head_bytes(batch);
  for (uint32_t i = 0; i < batch->count; i++) size += request_bytes(batch->requests[i]->triton);
  return size;
}

static uint8_t *append(uint8_t *to, const void *from, size_t length) {
  if (length > 0) memcpy(to, from, length);
  return to + length;
}

static uint8_t *write_request(TritonRequest *request, uint8_t *start) {
  Properties found = properties_of(request);
  WireDetail detail = {.correlation = found.number, .id_length = length_of(found.id), .text_length = length_of(found.text)};
  if (found.flags & TRITON_SEQUENCE_START) detail.flags |= WIRE_SEQUENCE_START;
  if (found.flags & TRITON_SEQUENCE_END) detail.flags |= WIRE_SEQUENCE_END;
  detail.timeout_us = request_timeout(request);
  detail.correlation_kind = detail.text_length > 0 ? WIRE_TEXT : found.number != 0 ? WIRE_NUMBER : WIRE_NO_CORRELATION;
  uint8_t *at = append(append(start + sizeof detail, found.id, detail.id_length), found.text, detail.text_length);
  for (uint32_t i = 0; i < found.parameters; i++) {
    Parameter parameter = parameter_at(request, i);
    if (parameter.type == 0) continue;
    WireParameter head = {.type = parameter.type, .name_length = parameter.name_length, .value_length = parameter.value_length};
    at = append(append(append(at, &head, sizeof head), parameter.name, head.name_length), parameter.value, head.value_length);
    detail.parameter_count++;
  }
  detail.length = (uint32_t)align((uint64_t)(at - start));
  memcpy(start, &detail, sizeof detail);
  return start + detail.length;
}

void request_details_write(const Batch *batch, uint8_t *to) {
  uint8_t *at = to + head_bytes(batch);
  memset(to, 0, head_bytes(batch));
  for (uint32_t i = 0; i < batch->count; i++) at = write_request(batch->requests[i]->triton, at);
  *(WireDetails *)(void *)to = (WireDetails){.length = (uint64_t)(at - to), .count = batch->count};
}

void request_details_cancel(uint8_t *details, uint32_t request) {
  ((volatile uint32_t *)(void *)(details + sizeof(WireDetails)))[request] = 1;
}
