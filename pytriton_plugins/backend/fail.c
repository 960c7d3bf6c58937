/* Answering requests with an error. */
#include "batch.h"

/* The response cache keeps error responses too, and would answer the next such request with success and no outputs.
 * An output without a buffer makes the insertion fail; the client gets the error all the same. */
static void spoil_caching(TritonResponse *response, const DeclaredTensor *tensor) {
  TritonOutput *output;
  int64_t dims[WIRE_MAX_RANK + 1] = {0};
  failure_log(TRITONBACKEND_ResponseOutput(response, &output, tensor->name, tensor->dtype, dims, tensor->rank), "marking an error response");
}

void request_refuse(const Declaration *declaration, TritonRequest *triton, const Failure *failure) {
  TritonResponse *response;
  TritonError *error = TRITONBACKEND_ResponseNew(&response, triton);
  if (error != NULL) {
    failure_log(error, "no response object");
    return;
  }
  spoil_caching(response, &declaration->outputs[0]);
  error = failure_error(failure);
  failure_log(TRITONBACKEND_ResponseSend(response, TRITON_RESPONSE_FINAL, error), "sending an error response");
  TRITONSERVER_ErrorDelete(error);
}

void batch_fail_request(const Batch *batch, Request *request, const Failure *failure) {
  request->failed = failure->code;
  request_refuse(batch->declaration, request->triton, failure);
}

void batch_fail(Batch *batch, const Failure *failure) {
  for (uint32_t i = 0; i < batch->count; i++)
    if (!batch->requests[i]->failed) batch_fail_request(batch, batch->requests[i], failure);
}
