/* Reading the properties of a batch's requests. */
#include "batch.h"

#include <stdlib.h>
#include <string.h>

bool batch_reserve(void **array, size_t *room, size_t count, size_t size) {
  if (count <= *room) return true;
  free(*array);
  *array = calloc(count, size);
  *room = *array == NULL ? 0 : count;
  return *array != NULL;
}

void batch_free_parts(Batch *batch) {
  size_t count = (size_t)batch->count * batch->declaration->input_count;
  for (size_t i = 0; i < count; i++) {
    free(batch->parts[i].owned);
    batch->parts[i].owned = NULL;
  }
}

void batch_free(Batch *batch) {
  free(batch->items);
  free(batch->parts);
  free(batch->block);
  free(batch->cover);
}

/* One buffer of an input, in CPU memory. */
static bool cpu_buffer(TritonInput *input, uint32_t index, const void **buffer, uint64_t *bytes, Failure *failure) {
  int memory_type = TRITON_MEMORY_CPU;
  int64_t memory_id = 0;
  if (!failure_none(TRITONBACKEND_InputBuffer(input, index, buffer, bytes, &memory_type, &memory_id), failure)) return false;
  if (memory_type != TRITON_MEMORY_GPU) return true;
  failure_set(failure, TRITON_ERROR_UNSUPPORTED, "an input lies in GPU memory; send it in CPU memory");
  return false;
}

static bool join_buffers(Part *part, Failure *failure) {
  uint64_t at = 0, bytes = 0;
  const void *buffer = NULL;
  if (part->buffers == 1) {
    if (!cpu_buffer(part->input, 0, &buffer, &bytes, failure)) return false;
    part->text = buffer;
    return bytes >= part->bytes;
  }
  part->text = part->owned = malloc(part->bytes + 1);
  if (part->owned == NULL) failure_set(failure, TRITON_ERROR_UNAVAILABLE, "no memory for an input");
  for (uint32_t i = 0; part->owned != NULL && i < part->buffers; i++) {
    if (!cpu_buffer(part->input, i, &buffer, &bytes, failure)) return false;
    if (bytes > part->bytes - at) bytes = part->bytes - at;
    if (bytes > 0) memcpy(part->owned + at, buffer, bytes);
    at += bytes;
  }
  return part->owned != NULL && at == part->bytes;
}

/* Whether the bytes are exactly the elements that the shape promises, each with its four-byte length before it. */
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
    failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s: a shape that cannot be", tensor->name);
    return false;
  }
  bool fits;
  if (tensor->item_size == 0) {
    fits = join_buffers(part, failure) && elements_fit(part);
  } else {
    fits = part->elements <= UINT64_MAX / tensor->item_size && part->bytes == part->elements * tensor->item_size;
  }
  if (!fits && failure->code == 0)
    failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s: %llu bytes do not fit its shape", tensor->name,
                (unsigned long long)part->bytes);
  return fits;
}

static bool read_input(const Declaration *declaration, Item *item, Part *parts, uint32_t index, Failure *failure) {
  TritonInput *input;
  const char *name;
  int dtype;
  Part part = {0};
  if (!failure_none(TRITONBACKEND_RequestInputByIndex(item->request, index, &input), failure)) return false;
  if (!failure_none(TRITONBACKEND_InputProperties(input, &name, &dtype, &part.shape, &part.rank, &part.bytes, &part.buffers), failure))
    return false;
  int found = declaration_find(declaration->inputs, declaration->input_count, index, name);
  if (found < 0 || declaration->inputs[found].dtype != dtype) {
    failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s is not declared with this data type", name);
    return false;
  }
  const DeclaredTensor *tensor = &declaration->inputs[found];
  if (part.rank != tensor->rank + (uint32_t)declaration->batched) {
    failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s has %u dimensions, %u are declared", name, part.rank,
                tensor->rank + (uint32_t)declaration->batched);
    return false;
  }
  part.input = input;
  parts[found] = part;
  return check_content(tensor, &parts[found], failure);
}

static bool read_outputs(const Declaration *declaration, Item *item, Failure *failure) {
  uint32_t count;
  if (!failure_none(TRITONBACKEND_RequestOutputCount(item->request, &count), failure)) return false;
  item->requested = 0;
  for (uint32_t i = 0; i < count; i++) {
    const char *name;
    if (!failure_none(TRITONBACKEND_RequestOutputName(item->request, i, &name), failure)) return false;
    int found = declaration_find(declaration->outputs, declaration->output_count, i, name);
    if (found >= 0) item->requested |= (uint64_t)1 << found;
  }
  return true;
}

/* The rows of a request: the first dimension of all its inputs. */
static bool read_rows(const Declaration *declaration, Item *item, const Part *parts, Failure *failure) {
  int64_t rows = declaration->batched ? 0 : 1;
  for (uint32_t i = 0; declaration->batched && i < declaration->input_count; i++) {
    if (parts[i].input == NULL) continue;
    if (rows == 0) rows = parts[i].shape[0];
    if (rows != parts[i].shape[0] || rows < 1 || rows > INT32_MAX) {
      failure_set(failure, TRITON_ERROR_INVALID_ARG, "input %s: batch sizes differ", declaration->inputs[i].name);
      return false;
    }
  }
  item->rows = rows > 0 ? (uint32_t)rows : 1;
  return true;
}

/* Triton batches only requests of like shapes, unless a model asks for ragged batches. */
static bool check_alike(const Batch *batch, const Part *parts, Failure *failure) {
  for (uint32_t i = 0; i < batch->declaration->input_count; i++) {
    const Part *first = batch_part(batch, 0, i);
    bool alike = (first->input == NULL) == (parts[i].input == NULL);
    for (uint32_t d = 1; alike && parts[i].input != NULL && d < parts[i].rank; d++) alike = first->shape[d] == parts[i].shape[d];
    if (alike) continue;
    failure_set(failure, TRITON_ERROR_UNSUPPORTED, "input %s: requests of different shapes in one batch are not supported",
                batch->declaration->inputs[i].name);
    return false;
  }
  return true;
}

static bool collect_one(Batch *batch, Item *item, Part *parts, Failure *failure) {
  uint32_t inputs;
  memset(parts, 0, sizeof *parts * batch->declaration->input_count);
  if (!failure_none(TRITONBACKEND_RequestInputCount(item->request, &inputs), failure)) return false;
  for (uint32_t i = 0; i < inputs; i++)
    if (!read_input(batch->declaration, item, parts, i, failure)) return false;
  return read_outputs(batch->declaration, item, failure) && read_rows(batch->declaration, item, parts, failure) &&
         (batch->count == 0 || check_alike(batch, parts, failure));
}

bool batch_collect(Batch *batch, TritonRequest **requests, uint32_t count, Failure *failure) {
  size_t inputs = batch->declaration->input_count;
  batch->count = batch->rows = 0;
  if (!batch_reserve((void **)&batch->items, &batch->item_room, count, sizeof(Item)) ||
      !batch_reserve((void **)&batch->parts, &batch->part_room, count * inputs, sizeof(Part))) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "no memory for a batch of %u requests", count);
    for (uint32_t i = 0; i < count; i++) batch_fail_item(batch, &(Item){.request = requests[i]}, failure);
    return false;
  }
  for (uint32_t i = 0; i < count; i++) {
    Failure wrong = {.code = 0};
    Item *item = &batch->items[batch->count];
    Part *parts = batch_part(batch, batch->count, 0);
    *item = (Item){.request = requests[i], .first_row = batch->rows};
    if (collect_one(batch, item, parts, &wrong)) {
      batch->rows += item->rows;
      batch->count++;
      continue;
    }
    for (size_t p = 0; p < inputs; p++) free(parts[p].owned);
    batch_fail_item(batch, item, &wrong);
  }
  return true;
}
