/* Checks a response block: no field is trusted, and nothing is read twice from shared memory. */
#include "response_block.h"

#include <string.h>

static const char *check_shape(const Batch *batch, const WireTensor *entry, const DeclaredTensor *tensor) {
  uint32_t axis = batch->declaration->batched;
  bool lenient = batch->declaration->lenient;
  bool fits = lenient ? entry->rank > axis && entry->rank <= WIRE_MAX_RANK : entry->rank == tensor->rank + axis;
  if (!fits) return "an output of another rank than declared";
  if (axis && entry->dims[0] != batch_rows(batch, entry->first, entry->count)) return "an output with another number of rows";
  for (uint32_t d = 0; !lenient && d < tensor->rank; d++)
    if (tensor->dims[d] >= 0 && entry->dims[d + axis] != tensor->dims[d]) return "an output of another shape than declared";
  return NULL;
}

static const uint8_t *within(Area area, uint64_t offset, uint64_t length) {
  return area.bytes != NULL && offset <= area.size && length <= area.size - offset ? area.bytes + offset : NULL;
}

const uint8_t *response_block_lent_data(const Batch *batch, const WireTensor *entry) {
  const uint8_t *data = NULL;
  for (uint32_t i = 0; data == NULL && i < batch->declaration->input_count; i++) {
    const Part *part = batch_part(batch, 0, i);
    if (batch_is_lent(batch, i) && part->loan << WIRE_LOAN_SHIFT == entry->flags && entry->offset >= part->loan_offset)
      data = within((Area){part->lent, part->bytes}, entry->offset - part->loan_offset, entry->length);
  }
  return data;
}

const uint8_t *response_block_data(const ResponseBlock *block, const WireTensor *entry) {
  switch (entry->flags) {
    case 0: return within(block->areas.response, entry->offset, entry->length);
    case WIRE_IN_REQUEST: return within(block->areas.request, entry->offset, entry->length);
    case WIRE_IN_CALLS: return within(block->areas.calls, entry->offset, entry->length);
    default: return response_block_lent_data(block->batch, entry);
  }
}

static const char *check_data(const ResponseBlock *block, const WireTensor *entry, const DeclaredTensor *tensor) {
  uint64_t elements, bytes;
  if (entry->flags != 0 && tensor->item_size == 0) return "strings that are not in the response segment";
  if (!wire_element_count(entry->dims, entry->rank, &elements)) return "an output with an invalid shape";
  if (entry->offset % WIRE_ALIGNMENT != 0 || response_block_data(block, entry) == NULL) return "an output outside its segment";
  if (tensor->item_size != 0) {
    if (__builtin_mul_overflow(elements, (uint64_t)tensor->item_size, &bytes) || bytes != entry->length)
      return "an output whose length does not fit its shape";
    return NULL;
  }
  if (elements > UINT32_MAX || entry->length < (elements + 1) * sizeof(uint64_t)) return "an output without its table of offsets";
  return NULL;
}

static const char *check_entry(Batch *batch, const ResponseBlock *block, const WireTensor *entry, uint32_t position) {
  const Declaration *declaration = batch->declaration;
  if (entry->index >= declaration->output_count) return "an output that is not declared";
  const DeclaredTensor *tensor = &declaration->outputs[entry->index];
  if (entry->dtype != tensor->dtype) return "an output of another data type than declared";
  if (entry->count == 0 || entry->first >= batch->count || entry->count > batch->count - entry->first)
    return "an output for requests that are not in the batch";
  const char *problem = check_shape(batch, entry, tensor);
  if (problem == NULL) problem = check_data(block, entry, tensor);
  for (uint32_t i = entry->first; problem == NULL && i < entry->first + entry->count; i++) {
    uint32_t *cover = &batch->cover[(size_t)i * declaration->output_count + entry->index];
    if (*cover != 0) return "an output that comes twice";
    *cover = position + 1;
  }
  return problem;
}

static const char *check_outcome(const ResponseBlock *block, uint32_t index, uint64_t length) {
  const Batch *batch = block->batch;
  const WireOutcome *outcome = &block->outcomes[index];
  bool streams = batch->declaration->stream;
  if (outcome->code > WIRE_OUTCOME_UNKNOWN) return "an unknown outcome";
  if (outcome->length > WIRE_MAX_ERROR_TEXT || outcome->offset > length || outcome->length > length - outcome->offset)
    return "an error text outside its block";
  if (streams && !block->ends && outcome->code != WIRE_OUTCOME_OK) return "a failure that does not end its stream";
  if (streams && block->ends && block->entry_count > 0) return "outputs at the end of a stream";
  if (outcome->code != WIRE_OUTCOME_OK || (streams && block->ends) || batch->declaration->lenient) return NULL;
  const uint32_t *cover = &batch->cover[(size_t)index * batch->declaration->output_count];
  for (uint32_t o = 0; o < batch->declaration->output_count; o++)
    if (request_wants(batch->requests[index], o) && cover[o] == 0) return "a requested output is missing";
  return NULL;
}

static bool has_no_zero(const uint8_t *bytes, uint32_t length) {
  return memchr(bytes, 0, length) == NULL;
}

static const char *check_parameter(const Batch *batch, const WireResponseParameter *parameter, uint64_t length) {
  static const uint32_t SIZES[] = {[WIRE_INT] = sizeof(int64_t), [WIRE_BOOL] = 1, [WIRE_DOUBLE] = sizeof(double)};
  uint32_t type = parameter->type, name = parameter->name_length, value = parameter->value_length;
  if (parameter->request >= batch->count || type < WIRE_STRING || type > WIRE_DOUBLE) return "a parameter of an unknown request or type";
  if (name == 0 || name > WIRE_MAX_PARAMETER_NAME || value > WIRE_MAX_PARAMETER_VALUE) return "a parameter that is too long";
  if (type != WIRE_STRING && value != SIZES[type]) return "a parameter of a wrong size";
  if (parameter->offset > length || name + value > length - parameter->offset) return "a parameter outside its block";
  const uint8_t *text = batch->block + parameter->offset;
  return has_no_zero(text, name) && (type != WIRE_STRING || has_no_zero(text + name, value)) ? NULL : "a parameter with a zero byte";
}

uint64_t response_block_max_size(const Batch *batch) {
  uint64_t covers = (uint64_t)batch->count * batch->declaration->output_count;
  uint64_t parameter = sizeof(WireResponseParameter) + WIRE_MAX_PARAMETER_NAME + WIRE_MAX_PARAMETER_VALUE;
  uint64_t parameters = batch->declaration->details ? WIRE_MAX_PARAMETERS * parameter : 0;
  return sizeof(WireResponseHeader) + covers * sizeof(WireTensor) + batch->count * (sizeof(WireOutcome) + WIRE_MAX_ERROR_TEXT + parameters);
}

/* Checks the header, and finds the parts of the block. */
static const char *locate_parts(Batch *batch, uint64_t length, ResponseBlock *block) {
  const WireResponseHeader *header = (const void *)batch->block;
  if (memcmp(header->magic, "PTRS", 4) != 0 || header->version != WIRE_VERSION) return "not a response block of this version";
  if (header->length != length || header->request_count != batch->count) return "a response block for another batch";
  uint64_t max_entries = (uint64_t)batch->count * batch->declaration->output_count, max_parameters = 0;
  if (batch->declaration->details) max_parameters = (uint64_t)batch->count * WIRE_MAX_PARAMETERS;
  uint64_t fixed_size = sizeof *header + batch->count * sizeof(WireOutcome) + header->output_count * (uint64_t)sizeof(WireTensor) +
                        header->parameter_count * (uint64_t)sizeof(WireResponseParameter);
  if (header->output_count > max_entries || header->output_count == UINT32_MAX || fixed_size > length)
    return "a response block that is truncated";
  if (header->parameter_count > max_parameters) return "more parameters than a response may have";
  block->outcomes = (const void *)(batch->block + sizeof *header);
  block->entries = (const void *)(block->outcomes + batch->count);
  block->parameters = (const void *)(block->entries + header->output_count);
  block->entry_count = header->output_count;
  block->parameter_count = header->parameter_count;
  return NULL;
}

const char *response_block_check(Batch *batch, uint64_t length, ResponseBlock *block) {
  const char *problem = locate_parts(batch, length, block);
  uint64_t total = 0;
  for (uint32_t i = 0; problem == NULL && i < block->entry_count; i++) {
    problem = check_entry(batch, block, &block->entries[i], i);
    total += block->entries[i].length;
    block->lent |= block->entries[i].flags >> WIRE_LOAN_SHIFT != 0;
    if (problem == NULL && total > batch->declaration->largest_response) problem = "more output than the model's limit allows";
  }
  for (uint32_t i = 0; problem == NULL && i < batch->count; i++) problem = check_outcome(block, i, length);
  for (uint32_t i = 0; problem == NULL && i < block->parameter_count; i++) problem = check_parameter(batch, &block->parameters[i], length);
  return problem;
}
