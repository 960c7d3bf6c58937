/* Copies every input to the output with the same index, inside tritonserver. */
#include "loopback.h"

#include "clock.h"

static bool copy_input(const Part *part, const char *input, const DeclaredTensor *output, TritonResponse *response, Failure *failure) {
  TritonOutput *created;
  uint8_t *to = NULL;
  int memory_type = TRITON_MEMORY_CPU;
  int64_t memory_id = 0;
  if (!failure_none(TRITONBACKEND_ResponseOutput(response, &created, output->name, output->dtype, part->shape, part->rank), failure))
    return false;
  if (!failure_none(TRITONBACKEND_OutputBuffer(created, (void **)&to, part->bytes, &memory_type, &memory_id), failure)) return false;
  return part_copy(part, input, to, failure);
}

static void respond_with_inputs(const Batch *batch, const Request *request) {
  const Declaration *declaration = batch->declaration;
  Failure failure = {.code = 0};
  TritonResponse *response;
  TritonError *error = TRITONBACKEND_ResponseNew(&response, request->triton);
  if (error != NULL) {
    failure_log(error, "creating a response");
    return;
  }
  bool copied = true;
  for (uint32_t o = 0; copied && o < declaration->output_count && o < declaration->input_count; o++)
    if (request_wants(request, o))
      copied = copy_input(&request->parts[o], declaration->inputs[o].name, &declaration->outputs[o], response, &failure);
  error = copied ? NULL : failure_to_error(&failure);
  failure_log(TRITONBACKEND_ResponseSend(response, TRITON_RESPONSE_FINAL, error), "sending a response");
  if (error != NULL) TRITONSERVER_ErrorDelete(error);
}

void loopback_execute(Instance *instance, TritonRequest **requests, uint32_t count) {
  Batch *batch = &instance->batch;
  Times times = {.start = clock_ns(), .ran = true};
  pool_count_requests(instance->pool, (int)count);
  for (uint32_t i = 0; i < count; i++) {
    if (!batch_ensure_capacity(batch)) {
      reject_request(instance, requests[i], &(Failure){.code = TRITON_ERROR_UNAVAILABLE, .text = "out of memory for the batch"});
      continue;
    }
    Request *request = accept_request(instance, requests[i]);
    if (request != NULL) batch_add(batch, request);
  }
  times.compute_start = clock_ns();
  for (uint32_t i = 0; i < batch->count; i++) respond_with_inputs(batch, batch->requests[i]);
  times.compute_end = clock_ns();
  mark_answered(instance, times);
  release_answered(instance);
}
