/* Copies the outputs of each request from the segments into Triton's buffers, and sends its response. */
#include "respond.h"

#include <stdlib.h>
#include <string.h>

static const uint8_t *saved_data(const ResponseBlock *block, uint32_t output) {
  return block->saved == NULL ? NULL : block->saved[output];
}

/* A client may place an output in the memory of its input. Writing that output would overwrite a lent input that a later
 * output returns, so the later output is saved first. */
static bool save_lent_outputs(ResponseBlock *block, uint32_t output, const uint8_t *buffer, uint64_t bytes, Failure *failure) {
  const Batch *batch = block->batch;
  for (uint32_t o = output + 1; block->lent && o < batch->declaration->output_count; o++) {
    if (batch->cover[o] == 0 || !request_wants(batch->requests[0], o) || saved_data(block, o) != NULL) continue;
    const WireTensor *entry = &block->entries[batch->cover[o] - 1];
    const uint8_t *data = entry->flags >> WIRE_LOAN_SHIFT == 0 ? NULL : response_block_lent_data(batch, entry);
    if (data == NULL || data >= buffer + bytes || buffer >= data + entry->length) continue;
    if (block->saved == NULL) block->saved = calloc(batch->declaration->output_count, sizeof *block->saved);
    if (block->saved == NULL || (block->saved[o] = malloc(entry->length)) == NULL) {
      failure_set(failure, TRITON_ERROR_UNAVAILABLE, "output %s: out of memory", batch->declaration->outputs[o].name);
      return false;
    }
    memcpy(block->saved[o], data, entry->length);
  }
  return true;
}

static void free_saved(ResponseBlock *block) {
  for (uint32_t o = 0; block->saved != NULL && o < block->batch->declaration->output_count; o++) free(block->saved[o]);
  free(block->saved);
}

/* Gets a buffer from Triton for an output of a response. NULL is valid for zero bytes. */
static bool output_buffer(ResponseBlock *block, TritonResponse *response, const DeclaredTensor *tensor, const int64_t *dims, uint32_t rank,
                          uint64_t bytes, uint8_t **buffer, Failure *failure) {
  TritonOutput *output;
  int memory_type = TRITON_MEMORY_CPU;
  int64_t memory_id = 0;
  if (!failure_none(TRITONBACKEND_ResponseOutput(response, &output, tensor->name, tensor->dtype, dims, rank), failure)) return false;
  /* Also for zero bytes: without this call the HTTP front end crashes on the output. */
  if (!failure_none(TRITONBACKEND_OutputBuffer(output, (void **)buffer, bytes, &memory_type, &memory_id), failure)) return false;
  if (memory_type != TRITON_MEMORY_GPU && (*buffer != NULL || bytes == 0))
    return save_lent_outputs(block, (uint32_t)(tensor - block->batch->declaration->outputs), *buffer, bytes, failure);
  failure_set(failure, TRITON_ERROR_UNSUPPORTED, "output %s: its buffer is not in CPU memory", tensor->name);
  return false;
}

static uint64_t offset_at(const uint64_t *offsets, uint64_t index) {
  return *(const volatile uint64_t *)&offsets[index];
}

/* Copies elements first..first+count of a BYTES entry. The worker can change the table at any time, so each offset is
 * read once and checked against the two ends that gave the size of the buffer. */
static bool copy_text(ResponseBlock *block, TritonResponse *response, const DeclaredTensor *tensor, const int64_t *dims, uint32_t rank,
                      const uint8_t *data, uint64_t length, uint64_t elements, uint64_t first, uint64_t count, Failure *failure) {
  const uint64_t *offsets = (const void *)data;
  const uint8_t *text = data + (elements + 1) * sizeof(uint64_t);
  uint64_t limit = length - (elements + 1) * sizeof(uint64_t);
  uint64_t at = offset_at(offsets, first), end = offset_at(offsets, first + count);
  uint8_t *to = NULL;
  bool whole = at <= end && end <= limit;
  if (whole && !output_buffer(block, response, tensor, dims, rank, count * sizeof(uint32_t) + (end - at), &to, failure)) return false;
  for (uint64_t i = first + 1; whole && i <= first + count; i++) {
    uint64_t next = i == first + count ? end : offset_at(offsets, i);
    whole = at <= next && next <= end && next - at <= UINT32_MAX;
    if (!whole) break;
    uint32_t size = (uint32_t)(next - at);
    memcpy(to, &size, sizeof size);
    memcpy(to + sizeof size, text + at, size);
    to += sizeof size + size;
    at = next;
  }
  if (!whole) block->problem = "an invalid table of offsets";
  return whole;
}

static bool copy_output(ResponseBlock *block, uint32_t index, uint32_t output, TritonResponse *response, Failure *failure) {
  const Batch *batch = block->batch;
  const DeclaredTensor *tensor = &batch->declaration->outputs[output];
  const WireTensor *entry = &block->entries[batch->cover[(size_t)index * batch->declaration->output_count + output] - 1];
  int64_t dims[WIRE_MAX_RANK];
  uint64_t elements, rows = 1, first = 0;
  memcpy(dims, entry->dims, sizeof dims);
  wire_element_count(dims, entry->rank, &elements);
  if (batch->declaration->batched) {
    rows = (uint64_t)entry->dims[0];
    first = batch->requests[index]->first_row - batch->requests[entry->first]->first_row;
    dims[0] = batch->requests[index]->rows;
  }
  uint64_t count = rows == 0 ? 0 : elements / rows; /* elements in one row */
  uint64_t wanted = batch->declaration->batched ? batch->requests[index]->rows : 1;
  const uint8_t *data = saved_data(block, output);
  if (data == NULL) data = response_block_data(block, entry);
  if (tensor->item_size == 0)
    return copy_text(block, response, tensor, dims, entry->rank, data, entry->length, elements, first * count, wanted * count, failure);
  uint64_t row_bytes = count * tensor->item_size;
  uint8_t *buffer = NULL;
  if (!output_buffer(block, response, tensor, dims, entry->rank, wanted * row_bytes, &buffer, failure)) return false;
  if (wanted * row_bytes > 0) memmove(buffer, data + first * row_bytes, wanted * row_bytes); /* a client may use the same memory for both */
  return true;
}

static bool copy_outputs(ResponseBlock *block, uint32_t index, TritonResponse *response, Failure *failure) {
  const Batch *batch = block->batch;
  const uint32_t *cover = &batch->cover[(size_t)index * batch->declaration->output_count];
  for (uint32_t o = 0; o < batch->declaration->output_count; o++)
    if (cover[o] != 0 && request_wants(batch->requests[index], o) && !copy_output(block, index, o, response, failure)) return false;
  return true;
}

static bool set_parameter(TritonResponse *response, const uint8_t *at, const WireResponseParameter *parameter, Failure *failure) {
  char name[WIRE_MAX_PARAMETER_NAME + 1] = {0}, text[WIRE_MAX_PARAMETER_VALUE + 1];
  int64_t number;
  double fraction;
  const uint8_t *value = at + parameter->name_length;
  memcpy(name, at, parameter->name_length);
  switch (parameter->type) {
    case WIRE_INT:
      memcpy(&number, value, sizeof number);
      return failure_none(TRITONBACKEND_ResponseSetIntParameter(response, name, number), failure);
    case WIRE_BOOL: return failure_none(TRITONBACKEND_ResponseSetBoolParameter(response, name, *value != 0), failure);
    case WIRE_DOUBLE:
      memcpy(&fraction, value, sizeof fraction);
      if (TRITONBACKEND_ResponseSetDoubleParameter == NULL) return true; /* not in older servers */
      return failure_none(TRITONBACKEND_ResponseSetDoubleParameter(response, name, fraction), failure);
    default:
      memcpy(text, value, parameter->value_length);
      text[parameter->value_length] = '\0';
      return failure_none(TRITONBACKEND_ResponseSetStringParameter(response, name, text), failure);
  }
}

static bool set_parameters(const ResponseBlock *block, uint32_t index, TritonResponse *response, Failure *failure) {
  for (uint32_t i = 0; i < block->parameter_count; i++) {
    const WireResponseParameter *parameter = &block->parameters[i];
    if (parameter->request != index) continue;
    if (!set_parameter(response, block->batch->block + parameter->offset, parameter, failure)) return false;
  }
  return true;
}

/* Ends a stream without another response. */
static void end_stream(Request *request) {
  TritonResponseFactory *factory;
  TritonError *error = TRITONBACKEND_ResponseFactoryNew(&factory, request->triton);
  failure_log(error, "ending a stream");
  if (error != NULL) return;
  failure_log(TRITONBACKEND_ResponseFactorySendFlags(factory, TRITON_RESPONSE_FINAL), "ending a stream");
  failure_log(TRITONBACKEND_ResponseFactoryDelete(factory), "ending a stream");
}

static void respond_with_outputs(Batch *batch, ResponseBlock *block, uint32_t i) {
  Request *request = batch->requests[i];
  Failure failure = {.code = 0};
  TritonResponse *response;
  if (!failure_none(TRITONBACKEND_ResponseNew(&response, request->triton), &failure)) {
    log_line(TRITON_LOG_ERROR, "creating a response: %s", failure.text);
    request->failed = failure.code;
    return;
  }
  if (copy_outputs(block, i, response, &failure) && set_parameters(block, i, response, &failure)) {
    failure_log(TRITONBACKEND_ResponseSend(response, block->ends ? TRITON_RESPONSE_FINAL : 0, NULL), "sending a response");
    return;
  }
  /* The error needs a new response: this one has outputs with buffers, which the response cache would store. */
  failure_log(TRITONBACKEND_ResponseDelete(response), "deleting a response");
  if (block->problem != NULL) failure_protocol_error(&failure, batch->declaration->name, block->problem);
  batch_fail_request(batch, request, &failure);
}

static void respond_request(Batch *batch, ResponseBlock *block, uint32_t i) {
  const WireOutcome *outcome = &block->outcomes[i];
  Request *request = batch->requests[i];
  if (request->failed) return; /* a stream that failed before its callable ended */
  if (outcome->code != WIRE_OUTCOME_OK) {
    Failure failure;
    failure_set(&failure, (int)outcome->code, "%.*s", (int)outcome->length, (const char *)batch->block + outcome->offset);
    batch_fail_request(batch, request, &failure);
  } else if (batch->declaration->stream && block->ends) {
    end_stream(request);
  } else {
    respond_with_outputs(batch, block, i);
  }
}

/* Triton stores responses that a client has not read yet, and does not report their size, so a whole stream has a limit. */
static void limit_stream(Batch *batch, const ResponseBlock *block) {
  enum { RESPONSE_OVERHEAD = 1024 }; /* approximate memory of Triton for a response */
  enum { BYTES_PER_MIB = 1 << 20 };
  uint64_t limit = batch->declaration->largest_response;
  batch->streamed += RESPONSE_OVERHEAD;
  for (uint32_t i = 0; i < block->entry_count; i++) batch->streamed += block->entries[i].length;
  if (batch->requests[0]->failed || batch->streamed <= limit) return;
  Failure failure;
  failure_set(&failure, TRITON_ERROR_UNAVAILABLE,
              "model %s: the stream is longer than %.1f MiB, the limit of the model; raise --shm-max or end it earlier",
              batch->declaration->name, (double)limit / BYTES_PER_MIB);
  batch_fail_request(batch, batch->requests[0], &failure);
}

bool respond_batch(Batch *batch, Answer answer, const Areas *areas, const char **problem) {
  Area unchecked = answer.block;
  uint64_t cover_count = (uint64_t)batch->count * batch->declaration->output_count;
  *problem = "a response block of an impossible length";
  if (unchecked.size < sizeof(WireResponseHeader) || unchecked.size > response_block_max_size(batch)) return false;
  *problem = "out of memory for the response block";
  if (!batch_reserve((void **)&batch->block, &batch->block_capacity, unchecked.size, 1)) return false;
  if (!batch_reserve((void **)&batch->cover, &batch->cover_capacity, cover_count, sizeof *batch->cover)) return false;
  memcpy(batch->block, unchecked.bytes, unchecked.size);
  if (cover_count > 0) memset(batch->cover, 0, cover_count * sizeof *batch->cover); /* a model may have no outputs */
  ResponseBlock block = {.batch = batch, .areas = *areas, .ends = !answer.more};
  *problem = response_block_check(batch, unchecked.size, &block);
  if (*problem != NULL) return false;
  if (answer.more) limit_stream(batch, &block);
  for (uint32_t i = 0; i < batch->count; i++) respond_request(batch, &block, i);
  free_saved(&block);
  *problem = block.problem;
  return true;
}
