/* A backend that is not ours: its models answer with their inputs. A request with the id "broken" ends in an error. */
#include "triton_abi.h"

#include <string.h>

static TritonError *copy(TritonRequest *request, TritonResponse *response, uint32_t index) {
  TritonInput *input;
  TritonOutput *output;
  const char *name;
  const int64_t *shape;
  const void *from;
  void *to;
  int type, memory = TRITON_MEMORY_CPU;
  int64_t device = 0;
  uint64_t bytes, offset = 0, part;
  uint32_t rank, buffers;
  TritonError *error = TRITONBACKEND_RequestInputByIndex(request, index, &input);
  if (!error) error = TRITONBACKEND_InputProperties(input, NULL, &type, &shape, &rank, &bytes, &buffers);
  if (!error) error = TRITONBACKEND_RequestOutputName(request, index, &name);
  if (!error) error = TRITONBACKEND_ResponseOutput(response, &output, name, type, shape, rank);
  if (!error) error = TRITONBACKEND_OutputBuffer(output, &to, bytes, &memory, &device);
  for (uint32_t i = 0; !error && i < buffers; i++, offset += part) {
    error = TRITONBACKEND_InputBuffer(input, i, &from, &part, &memory, &device);
    if (!error) memcpy((char *)to + offset, from, part);
  }
  return error;
}

TritonError *TRITONBACKEND_ModelInstanceExecute(TritonInstance *instance, TritonRequest **requests, uint32_t count) {
  (void)instance;
  for (uint32_t i = 0; i < count; i++) {
    TritonResponse *response;
    TritonError *error = NULL;
    const char *id;
    uint32_t inputs = 0;
    TRITONSERVER_ErrorDelete(TRITONBACKEND_ResponseNew(&response, requests[i]));
    TRITONSERVER_ErrorDelete(TRITONBACKEND_RequestId(requests[i], &id));
    TRITONSERVER_ErrorDelete(TRITONBACKEND_RequestInputCount(requests[i], &inputs));
    if (strcmp(id, "broken") == 0) error = TRITONSERVER_ErrorNew(TRITON_ERROR_UNAVAILABLE, "the device is gone");
    for (uint32_t index = 0; !error && index < inputs; index++) error = copy(requests[i], response, index);
    TRITONSERVER_ErrorDelete(TRITONBACKEND_ResponseSend(response, TRITON_RESPONSE_FINAL, error));
    TRITONSERVER_ErrorDelete(error);
    TRITONSERVER_ErrorDelete(TRITONBACKEND_RequestRelease(requests[i], TRITON_RELEASE_ALL));
  }
  return NULL;
}
