/* From Triton's buffers into the request segment: one copy, every input of the batch in one piece. */
#include <string.h>

#include "batch.h"

typedef struct {
  uint64_t length, elements, text_bytes; /* text_bytes: BYTES without the lengths between them */
} Size;

static Size size_of_input(const Batch *batch, uint32_t input) {
  Size size = {0};
  for (uint32_t i = 0; i < batch->count; i++) {
    const Part *part = batch_part(batch, i, input);
    size.length += part->bytes;
    size.elements += part->elements;
  }
  if (batch->declaration->inputs[input].item_size == 0) {
    size.text_bytes = size.length - size.elements * sizeof(uint32_t);
    size.length = (size.elements + 1) * sizeof(uint64_t) + size.text_bytes;
  }
  return size;
}

static uint32_t present_inputs(const Batch *batch) {
  uint32_t present = 0;
  for (uint32_t i = 0; i < batch->declaration->input_count; i++) present += batch_part(batch, 0, i)->input != NULL;
  return present;
}

static uint64_t block_length(const Batch *batch) {
  return sizeof(WireRequestHeader) + batch->count * sizeof(WireRequest) + present_inputs(batch) * sizeof(WireTensor);
}

uint64_t batch_request_bytes(const Batch *batch) {
  uint64_t at = wire_aligned(block_length(batch));
  for (uint32_t i = 0; i < batch->declaration->input_count; i++)
    if (batch_part(batch, 0, i)->input != NULL && !batch_is_lent(batch, i)) at = wire_aligned(at + size_of_input(batch, i).length);
  return at;
}

static bool copy_fixed(const Batch *batch, uint32_t input, uint8_t *to, Failure *failure) {
  for (uint32_t i = 0; i < batch->count; i++) {
    const Part *part = batch_part(batch, i, input);
    if (!part_copy(part, batch->declaration->inputs[input].name, to, failure)) return false;
    to += part->bytes;
  }
  return true;
}

/* The lengths were checked when the request was read, but a buffer may be a client's own shared memory, and the
 * client may have changed it since: no more is copied than was measured then. */
static bool copy_text(const Batch *batch, uint32_t input, uint8_t *to, uint64_t elements, Failure *failure) {
  uint64_t *offsets = (uint64_t *)(void *)to;
  uint8_t *text = to + (elements + 1) * sizeof(uint64_t);
  uint64_t at = 0;
  *offsets++ = 0;
  for (uint32_t i = 0; i < batch->count; i++) {
    const Part *part = batch_part(batch, i, input);
    const uint8_t *from = part->text;
    uint64_t left = part->bytes - part->elements * sizeof(uint32_t);
    for (uint64_t e = 0; e < part->elements; e++) {
      uint32_t length;
      memcpy(&length, from, sizeof length);
      if (length > left) {
        failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s changed while it was read", batch->declaration->inputs[input].name);
        return false;
      }
      left -= length;
      memcpy(text + at, from + sizeof length, length);
      from += sizeof length + length;
      *offsets++ = at += length;
    }
  }
  return true;
}

static bool write_input(const Batch *batch, uint32_t input, uint8_t *segment, uint64_t at, WireTensor *entry, Failure *failure) {
  const DeclaredTensor *tensor = &batch->declaration->inputs[input];
  const Part *part = batch_part(batch, 0, input);
  Size size = size_of_input(batch, input);
  *entry = (WireTensor){.index = input, .dtype = tensor->dtype, .rank = (uint8_t)part->rank, .count = batch->count, .offset = at,
                        .length = size.length};
  memcpy(entry->dims, part->shape, part->rank * sizeof(int64_t));
  if (batch->declaration->batched) entry->dims[0] = batch->rows;
  if (batch_is_lent(batch, input)) {
    entry->flags = (uint16_t)(part->loan << WIRE_LOAN_SHIFT);
    entry->offset = part->loan_offset;
    return true;
  }
  if (tensor->item_size != 0) return copy_fixed(batch, input, segment + at, failure);
  return copy_text(batch, input, segment + at, size.elements, failure);
}

bool batch_write(const Batch *batch, uint8_t *segment, uint64_t *length, Failure *failure) {
  uint32_t present = present_inputs(batch);
  *length = block_length(batch);
  *(WireRequestHeader *)(void *)segment = (WireRequestHeader){
      .magic = {'P', 'T', 'R', 'Q'}, .version = WIRE_VERSION, .length = (uint32_t)*length, .request_count = batch->count,
      .input_count = present, .rows = batch->rows};
  WireRequest *request = (WireRequest *)(void *)(segment + sizeof(WireRequestHeader));
  for (uint32_t i = 0; i < batch->count; i++)
    *request++ = (WireRequest){.rows = batch->requests[i]->rows, .requested = batch->requests[i]->requested};
  WireTensor *entry = (WireTensor *)(void *)request;
  uint64_t at = wire_aligned(*length);
  for (uint32_t i = 0; i < batch->declaration->input_count; i++) {
    if (batch_part(batch, 0, i)->input == NULL) continue;
    if (!write_input(batch, i, segment, at, entry, failure)) return false;
    if (!batch_is_lent(batch, i)) at = wire_aligned(at + entry->length);
    entry++;
  }
  return true;
}
