/* From the segments into Triton's response buffers: check our copy of the block, then copy each request's part of every
 * output. Nothing that the worker wrote is believed, and nothing is read twice from shared memory. */
#include <stdlib.h>
#include <string.h>

#include "batch.h"

typedef struct {
  const Batch *batch;
  const WireOutcome *outcomes;
  const WireTensor *entries;
  uint32_t entry_count;
  Area response, request;
  const char *wrong; /* what only showed when the tensors were read */
  uint8_t *aside[WIRE_MAX_OUTPUTS]; /* by output: what was lent and is given back, where an output before it takes its place */
} Answered;

static uint32_t rows_of(const Batch *batch, uint32_t first, uint32_t count) {
  const Request *last = batch->requests[first + count - 1];
  return last->first_row + last->rows - batch->requests[first]->first_row;
}

static const char *check_shape(const Batch *batch, const WireTensor *entry, const DeclaredTensor *tensor) {
  uint32_t axis = batch->declaration->batched;
  if (entry->rank != tensor->rank + axis) return "an output of another rank than declared";
  if (axis && entry->dims[0] != rows_of(batch, entry->first, entry->count)) return "an output with another number of rows";
  for (uint32_t d = 0; d < tensor->rank; d++)
    if (tensor->dims[d] >= 0 && entry->dims[d + axis] != tensor->dims[d]) return "an output of another shape than declared";
  return NULL;
}

static const uint8_t *inside(Area area, uint64_t offset, uint64_t length) {
  return offset <= area.size && length <= area.size - offset ? area.bytes + offset : NULL;
}

/* What the callable gave back of an input that was lent to it: taken from where Triton has that. */
static const uint8_t *lent_data(const Batch *batch, const WireTensor *entry) {
  const uint8_t *data = NULL;
  for (uint32_t i = 0; data == NULL && i < batch->declaration->input_count; i++) {
    const Part *part = batch_part(batch, 0, i);
    if (batch_is_lent(batch, i) && part->loan << WIRE_LOAN_SHIFT == entry->flags && entry->offset >= part->loan_offset)
      data = inside((Area){part->lent, part->bytes}, entry->offset - part->loan_offset, entry->length);
  }
  return data;
}

/* Where the data of an entry lie, or NULL if that is nowhere. */
static const uint8_t *data_of(const Answered *answered, const WireTensor *entry) {
  switch (entry->flags) {
    case 0: return inside(answered->response, entry->offset, entry->length);
    case WIRE_IN_REQUEST: return inside(answered->request, entry->offset, entry->length);
    default: return lent_data(answered->batch, entry);
  }
}

static const char *check_data(const Answered *answered, const WireTensor *entry, const DeclaredTensor *tensor) {
  uint64_t elements, bytes;
  if (entry->flags != 0 && tensor->item_size == 0) return "strings that are not in the response segment";
  if (!wire_element_count(entry->dims, entry->rank, &elements)) return "an output with a shape that cannot be";
  if (entry->offset % WIRE_ALIGNMENT != 0 || data_of(answered, entry) == NULL) return "an output outside its segment";
  if (tensor->item_size != 0) {
    if (__builtin_mul_overflow(elements, (uint64_t)tensor->item_size, &bytes) || bytes != entry->length)
      return "an output whose length does not fit its shape";
    return NULL;
  }
  if (elements > UINT32_MAX || entry->length < (elements + 1) * sizeof(uint64_t)) return "an output without its table of offsets";
  return NULL;
}

static const char *check_entry(Batch *batch, const Answered *answered, const WireTensor *entry, uint32_t position) {
  const Declaration *declaration = batch->declaration;
  if (entry->index >= declaration->output_count) return "an output that is not declared";
  const DeclaredTensor *tensor = &declaration->outputs[entry->index];
  if (entry->dtype != tensor->dtype) return "an output of another data type than declared";
  if (entry->count == 0 || entry->first >= batch->count || entry->count > batch->count - entry->first)
    return "an output for requests that are not in the batch";
  const char *wrong = check_shape(batch, entry, tensor);
  if (wrong == NULL) wrong = check_data(answered, entry, tensor);
  for (uint32_t i = entry->first; wrong == NULL && i < entry->first + entry->count; i++) {
    uint32_t *cover = &batch->cover[(size_t)i * declaration->output_count + entry->index];
    if (*cover != 0) return "an output that comes twice";
    *cover = position + 1;
  }
  return wrong;
}

static const char *check_outcome(const Batch *batch, const WireOutcome *outcome, uint32_t index, uint64_t length) {
  if (outcome->code > TRITON_ERROR_CANCELLED) return "an unknown outcome";
  if (outcome->length > WIRE_MAX_ERROR_TEXT || outcome->offset > length || outcome->length > length - outcome->offset)
    return "an error text outside its block";
  if (outcome->code != 0) return NULL;
  for (uint32_t o = 0; o < batch->declaration->output_count; o++) {
    bool wanted = batch->requests[index]->requested >> o & 1;
    if (wanted && batch->cover[(size_t)index * batch->declaration->output_count + o] == 0) return "no output where one is wanted";
  }
  return NULL;
}

/* Find the parts of the block, whose length is checked, and check each of them. */
static const char *check_block(Batch *batch, uint64_t length, Answered *answered) {
  const WireResponseHeader *header = (const void *)batch->block;
  if (memcmp(header->magic, "PTRS", 4) != 0 || header->version != WIRE_VERSION) return "no response block of this version";
  if (header->length != length || header->request_count != batch->count) return "a response block for another batch";
  uint64_t most = (uint64_t)batch->count * batch->declaration->output_count;
  uint64_t texts = sizeof *header + batch->count * sizeof(WireOutcome) + header->output_count * (uint64_t)sizeof(WireTensor);
  if (header->output_count > most || header->output_count == UINT32_MAX || texts > length) return "a response block that is cut";
  answered->outcomes = (const void *)(batch->block + sizeof *header);
  answered->entries = (const void *)(answered->outcomes + batch->count);
  answered->entry_count = header->output_count;
  uint64_t total = 0;
  const char *wrong = NULL;
  for (uint32_t i = 0; wrong == NULL && i < answered->entry_count; i++) {
    wrong = check_entry(batch, answered, &answered->entries[i], i);
    total += answered->entries[i].length;
    if (wrong == NULL && total > batch->declaration->largest_response) wrong = "more output than the model's limit allows";
  }
  for (uint32_t i = 0; wrong == NULL && i < batch->count; i++) wrong = check_outcome(batch, &answered->outcomes[i], i, length);
  return wrong;
}

/* A client may want its output where its input lies: what is given back of that later on is put aside before. */
static bool put_aside(Answered *answered, uint32_t output, const uint8_t *buffer, uint64_t bytes, Failure *failure) {
  const Batch *batch = answered->batch;
  for (uint32_t o = output + 1; batch->count == 1 && o < batch->declaration->output_count; o++) {
    if (batch->cover[o] == 0 || !(batch->requests[0]->requested >> o & 1) || answered->aside[o] != NULL) continue;
    const WireTensor *entry = &answered->entries[batch->cover[o] - 1];
    const uint8_t *data = entry->flags >> WIRE_LOAN_SHIFT == 0 ? NULL : lent_data(batch, entry);
    if (data == NULL || data >= buffer + bytes || buffer >= data + entry->length) continue;
    if ((answered->aside[o] = malloc(entry->length)) == NULL) {
      failure_set(failure, TRITON_ERROR_UNAVAILABLE, "no memory for an output");
      return false;
    }
    memcpy(answered->aside[o], data, entry->length);
  }
  return true;
}

/* A Triton buffer for an output of a response. NULL is right for zero bytes. */
static bool output_buffer(Answered *answered, TritonResponse *response, const DeclaredTensor *tensor, const int64_t *dims, uint32_t rank, uint64_t bytes,
                          uint8_t **buffer, Failure *failure) {
  TritonOutput *output;
  int memory_type = TRITON_MEMORY_CPU;
  int64_t memory_id = 0;
  if (!failure_none(TRITONBACKEND_ResponseOutput(response, &output, tensor->name, tensor->dtype, dims, rank), failure)) return false;
  /* Also for zero bytes: without this call the HTTP front end crashes on the output. */
  if (!failure_none(TRITONBACKEND_OutputBuffer(output, (void **)buffer, bytes, &memory_type, &memory_id), failure)) return false;
  if (memory_type != TRITON_MEMORY_GPU && (*buffer != NULL || bytes == 0))
    return put_aside(answered, (uint32_t)(tensor - answered->batch->declaration->outputs), *buffer, bytes, failure);
  failure_set(failure, TRITON_ERROR_UNSUPPORTED, "output %s: its buffer is not in CPU memory", tensor->name);
  return false;
}

static uint64_t offset_at(const uint64_t *offsets, uint64_t index) {
  return *(const volatile uint64_t *)&offsets[index];
}

/* Elements first..first+count of a BYTES entry. The table stays under the worker's hand, so each offset is read once
 * and checked against the ends that sized the buffer. */
static bool scatter_text(Answered *answered, TritonResponse *response, const DeclaredTensor *tensor, const int64_t *dims, uint32_t rank, const uint8_t *data,
                         uint64_t length, uint64_t elements, uint64_t first, uint64_t count, Failure *failure) {
  const uint64_t *offsets = (const void *)data;
  const uint8_t *text = data + (elements + 1) * sizeof(uint64_t);
  uint64_t limit = length - (elements + 1) * sizeof(uint64_t);
  uint64_t at = offset_at(offsets, first), end = offset_at(offsets, first + count);
  uint8_t *to = NULL;
  bool whole = at <= end && end <= limit;
  if (whole && !output_buffer(answered, response, tensor, dims, rank, count * sizeof(uint32_t) + (end - at), &to, failure)) return false;
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
  if (!whole) answered->wrong = "a broken table of offsets";
  return whole;
}

static bool scatter_output(Answered *answered, uint32_t index, uint32_t output, TritonResponse *response, Failure *failure) {
  const Batch *batch = answered->batch;
  const DeclaredTensor *tensor = &batch->declaration->outputs[output];
  const WireTensor *entry = &answered->entries[batch->cover[(size_t)index * batch->declaration->output_count + output] - 1];
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
  const uint8_t *data = answered->aside[output] != NULL ? answered->aside[output] : data_of(answered, entry);
  if (tensor->item_size == 0)
    return scatter_text(answered, response, tensor, dims, entry->rank, data, entry->length, elements, first * count, wanted * count, failure);
  uint64_t row_bytes = count * tensor->item_size;
  uint8_t *buffer = NULL;
  if (!output_buffer(answered, response, tensor, dims, entry->rank, wanted * row_bytes, &buffer, failure)) return false;
  if (wanted * row_bytes > 0) memmove(buffer, data + first * row_bytes, wanted * row_bytes); /* a client may have both in one place */
  return true;
}

static bool scatter_request(Answered *answered, uint32_t index, TritonResponse *response, Failure *failure) {
  const Batch *batch = answered->batch;
  for (uint32_t o = 0; o < batch->declaration->output_count; o++)
    if ((batch->requests[index]->requested >> o & 1) && !scatter_output(answered, index, o, response, failure)) return false;
  return true;
}

static void respond_request(Batch *batch, Answered *answered, uint32_t i) {
  const WireOutcome *outcome = &answered->outcomes[i];
  Request *request = batch->requests[i];
  Failure failure = {.code = 0};
  TritonResponse *response;
  if (outcome->code != 0) {
    failure_set(&failure, (int)outcome->code, "%.*s", (int)outcome->length, (const char *)batch->block + outcome->offset);
    batch_fail_request(batch, request, &failure);
    return;
  }
  if (!failure_none(TRITONBACKEND_ResponseNew(&response, request->triton), &failure)) {
    log_line(TRITON_LOG_ERROR, "no response object: %s", failure.text);
    request->failed = true;
    return;
  }
  if (scatter_request(answered, i, response, &failure)) {
    failure_log(TRITONBACKEND_ResponseSend(response, TRITON_RESPONSE_FINAL, NULL), "sending a response");
    return;
  }
  /* A new response: this one has outputs with buffers, and the response cache would keep them. */
  failure_log(TRITONBACKEND_ResponseDelete(response), "deleting a response");
  if (answered->wrong != NULL) failure_broken(&failure, batch->declaration->name, answered->wrong);
  batch_fail_request(batch, request, &failure);
}

bool batch_respond(Batch *batch, Area block, Area response, Area request, const char **wrong) {
  const Declaration *declaration = batch->declaration;
  uint64_t covers = (uint64_t)batch->count * declaration->output_count;
  uint64_t longest = sizeof(WireResponseHeader) + covers * sizeof(WireTensor) +
                     batch->count * (uint64_t)(sizeof(WireOutcome) + WIRE_MAX_ERROR_TEXT);
  *wrong = "a response block of an impossible length";
  if (block.size < sizeof(WireResponseHeader) || block.size > longest) return false;
  *wrong = "no memory for the response block";
  if (!batch_reserve((void **)&batch->block, &batch->block_room, block.size, 1)) return false;
  if (!batch_reserve((void **)&batch->cover, &batch->cover_room, covers, sizeof *batch->cover)) return false;
  memcpy(batch->block, block.bytes, block.size);
  memset(batch->cover, 0, covers * sizeof *batch->cover);
  Answered answered = {.batch = batch, .response = response, .request = request};
  *wrong = check_block(batch, block.size, &answered);
  if (*wrong != NULL) return false;
  for (uint32_t i = 0; i < batch->count; i++) respond_request(batch, &answered, i);
  for (uint32_t o = 0; o < declaration->output_count; o++) free(answered.aside[o]);
  *wrong = answered.wrong;
  return true;
}
