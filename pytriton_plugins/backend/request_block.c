/* Copies the inputs of a batch from Triton's buffers into the request segment, each input in one piece. */
#include "request_block.h"

#include <string.h>

#include "request_details.h"

typedef struct {
  uint64_t length, elements, text_bytes; /* text_bytes: of BYTES, without the lengths of the elements */
} Size;

/* The requests that one tensor entry covers: all, or one when each request has tensors of its own. */
typedef struct {
  uint32_t first, end;
} Span;

static Span span_of(const Batch *batch, uint32_t first) {
  return (Span){first, batch->declaration->apart ? first + 1 : batch->count};
}

static Size size_of_input(const Batch *batch, Span span, uint32_t input) {
  Size size = {0};
  for (uint32_t i = span.first; i < span.end; i++) {
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

static uint32_t entry_count(const Batch *batch) {
  uint32_t present = 0;
  for (Span span = span_of(batch, 0); span.first < batch->count; span = span_of(batch, span.end))
    for (uint32_t i = 0; i < batch->declaration->input_count; i++) present += batch_part(batch, span.first, i)->input != NULL;
  return present;
}

static uint64_t block_length(const Batch *batch) {
  uint64_t request = sizeof(WireRequest) + declaration_words(batch->declaration) * sizeof(uint64_t);
  return sizeof(WireRequestHeader) + batch->count * request + entry_count(batch) * sizeof(WireTensor);
}

uint64_t request_block_bytes(const Batch *batch) {
  uint64_t at = wire_aligned(block_length(batch));
  for (Span span = span_of(batch, 0); span.first < batch->count; span = span_of(batch, span.end))
    for (uint32_t i = 0; i < batch->declaration->input_count; i++)
      if (batch_part(batch, span.first, i)->input != NULL && !batch_is_lent(batch, i))
        at = wire_aligned(at + size_of_input(batch, span, i).length);
  return batch->declaration->details ? at + request_details_bytes(batch) : at;
}

static bool copy_fixed(const Batch *batch, Span span, uint32_t input, uint8_t *to, Failure *failure) {
  for (uint32_t i = span.first; i < span.end; i++) {
    const Part *part = batch_part(batch, i, input);
    if (!part_copy(part, batch->declaration->inputs[input].name, to, failure)) return false;
    to += part->bytes;
  }
  return true;
}

/* The lengths were checked when the request was read. A buffer may be a client's own shared memory, which the client can
 * change at any time, so no more bytes are copied than were measured. */
static bool copy_text(const Batch *batch, Span span, uint32_t input, uint8_t *to, uint64_t elements, Failure *failure) {
  uint64_t *offsets = (uint64_t *)(void *)to;
  uint8_t *text = to + (elements + 1) * sizeof(uint64_t);
  uint64_t at = 0;
  *offsets++ = 0;
  for (uint32_t i = span.first; i < span.end; i++) {
    const Part *part = batch_part(batch, i, input);
    const uint8_t *from = part->text;
    uint64_t left = part->bytes - part->elements * sizeof(uint32_t);
    for (uint64_t e = 0; e < part->elements; e++) {
      uint32_t length;
      memcpy(&length, from, sizeof length);
      if (length > left) {
        failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s: changed while it was read", batch->declaration->inputs[input].name);
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

static bool write_input(const Batch *batch, Span span, uint32_t input, uint8_t *segment, uint64_t at, WireTensor *entry, Failure *failure) {
  const DeclaredTensor *tensor = &batch->declaration->inputs[input];
  const Part *part = batch_part(batch, span.first, input);
  Size size = size_of_input(batch, span, input);
  *entry = (WireTensor){.index = input,
                        .dtype = tensor->dtype,
                        .rank = (uint8_t)part->rank,
                        .first = span.first,
                        .count = span.end - span.first,
                        .offset = at,
                        .length = size.length};
  memcpy(entry->dims, part->shape, part->rank * sizeof(int64_t));
  if (batch->declaration->batched) entry->dims[0] = batch_rows(batch, span.first, span.end - span.first);
  if (batch_is_lent(batch, input)) {
    entry->flags = (uint16_t)(part->loan << WIRE_LOAN_SHIFT);
    entry->offset = part->loan_offset;
    return true;
  }
  if (tensor->item_size != 0) return copy_fixed(batch, span, input, segment + at, failure);
  return copy_text(batch, span, input, segment + at, size.elements, failure);
}

/* Returns the end of what it wrote. */
static uint8_t *write_requests(const Batch *batch, uint8_t *to) {
  size_t mask = declaration_words(batch->declaration) * sizeof(uint64_t);
  for (uint32_t i = 0; i < batch->count; i++) {
    *(WireRequest *)(void *)to = (WireRequest){.rows = batch->requests[i]->rows};
    memcpy(to + sizeof(WireRequest), batch->requests[i]->requested, mask);
    to += sizeof(WireRequest) + mask;
  }
  return to;
}

bool request_block_write(Batch *batch, uint8_t *segment, uint64_t *length, Failure *failure) {
  *length = block_length(batch);
  WireRequestHeader *header = (WireRequestHeader *)(void *)segment;
  *header = (WireRequestHeader){.magic = {'P', 'T', 'R', 'Q'},
                                .version = WIRE_VERSION,
                                .length = (uint32_t)*length,
                                .request_count = batch->count,
                                .input_count = entry_count(batch),
                                .rows = batch->rows};
  WireTensor *entry = (WireTensor *)(void *)write_requests(batch, segment + sizeof(WireRequestHeader));
  uint64_t at = wire_aligned(*length);
  for (Span span = span_of(batch, 0); span.first < batch->count; span = span_of(batch, span.end)) {
    for (uint32_t i = 0; i < batch->declaration->input_count; i++) {
      if (batch_part(batch, span.first, i)->input == NULL) continue;
      if (!write_input(batch, span, i, segment, at, entry, failure)) return false;
      if (!batch_is_lent(batch, i)) at = wire_aligned(at + entry->length);
      entry++;
    }
  }
  batch->details = header->details = batch->declaration->details ? at : 0;
  if (batch->details != 0) request_details_write(batch, segment + at);
  return true;
}
