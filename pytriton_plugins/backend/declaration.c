/* Reads and checks a declaration, and finds its tensors by name. */
#include "declaration.h"

#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "cursor.h"

static char *read_name(Cursor *cursor, uint32_t length) {
  if (length == 0 || length > cursor->left) return NULL;
  char *name = malloc((size_t)length + 1);
  if (name == NULL) return NULL;
  cursor_read(cursor, name, length);
  name[length] = '\0';
  return name;
}

static bool read_tensor(Cursor *cursor, DeclaredTensor *tensor, bool batched) {
  WireDeclaredTensor wire;
  if (!cursor_read(cursor, &wire, sizeof wire)) return false;
  if (wire.rank == 0 || wire.rank + batched > WIRE_MAX_RANK) return false;
  if (wire_item_size(wire.dtype) == 0 && wire.dtype != WIRE_TYPE_BYTES) return false;
  tensor->dtype = wire.dtype;
  tensor->rank = wire.rank;
  tensor->optional = (wire.flags & DECLARED_OPTIONAL) != 0;
  tensor->item_size = wire_item_size(wire.dtype);
  if (!cursor_read(cursor, tensor->dims, wire.rank * sizeof(int64_t))) return false;
  tensor->name = read_name(cursor, wire.name_length);
  return tensor->name != NULL;
}

static bool read_preferred(Cursor *cursor, Declaration *declaration) {
  uint32_t count = declaration->preferred_count, previous = 0;
  if (count > cursor->left / sizeof(uint32_t)) return false;
  declaration->preferred = calloc(count + 1u, sizeof(uint32_t));
  if (declaration->preferred == NULL) return false;
  cursor_read(cursor, declaration->preferred, count * sizeof(uint32_t));
  for (uint32_t i = 0; i < count; i++) {
    if (declaration->preferred[i] <= previous || declaration->preferred[i] > declaration->max_rows) return false;
    previous = declaration->preferred[i];
  }
  return true;
}

static int compare_names(const void *one, const void *other) {
  const DeclaredTensor *const *a = one, *const *b = other;
  return strcmp((*a)->name, (*b)->name);
}

static const DeclaredTensor **sort_by_name(const DeclaredTensor *tensors, uint32_t count) {
  const DeclaredTensor **by_name = calloc(count + 1u, sizeof *by_name);
  for (uint32_t i = 0; by_name != NULL && i < count; i++) by_name[i] = &tensors[i];
  if (by_name != NULL) qsort(by_name, count, sizeof *by_name, compare_names);
  return by_name;
}

static bool read_sequence(Cursor *cursor, Declaration *declaration) {
  WireDeclaredSequence wire;
  if (!declaration->sequence) return true;
  if (!cursor_read(cursor, &wire, sizeof wire)) return false;
  declaration->max_live = wire.max_live;
  declaration->max_idle_ms = wire.max_idle_ms;
  return wire.max_live > 0 && wire.max_idle_ms > 0;
}

static bool read_all(Cursor *cursor, Declaration *declaration, uint32_t name_length) {
  if (!read_sequence(cursor, declaration)) return false;
  if (!read_preferred(cursor, declaration)) return false;
  declaration->name = read_name(cursor, name_length);
  declaration->inputs = calloc(declaration->input_count + 1u, sizeof(DeclaredTensor));
  declaration->outputs = calloc(declaration->output_count + 1u, sizeof(DeclaredTensor));
  if (declaration->name == NULL || declaration->inputs == NULL || declaration->outputs == NULL) return false;
  for (uint32_t i = 0; i < declaration->input_count; i++)
    if (!read_tensor(cursor, &declaration->inputs[i], declaration->batched)) return false;
  for (uint32_t i = 0; i < declaration->output_count; i++)
    if (!read_tensor(cursor, &declaration->outputs[i], declaration->batched)) return false;
  if (cursor->left > 0) return false;
  declaration->inputs_by_name = sort_by_name(declaration->inputs, declaration->input_count);
  declaration->outputs_by_name = sort_by_name(declaration->outputs, declaration->output_count);
  return declaration->inputs_by_name != NULL && declaration->outputs_by_name != NULL;
}

const char *declaration_read(Declaration *declaration, const uint8_t *payload, size_t length) {
  Cursor cursor = {.at = payload, .left = length};
  WireDeclaration wire;
  *declaration = (Declaration){0};
  if (!cursor_read(&cursor, &wire, sizeof wire)) return "a declaration is too short";
  size_t max_tensors = length / sizeof(WireDeclaredTensor);
  if (wire.output_count > max_tensors) return "a declaration has too many outputs";
  if (wire.input_count > max_tensors) return "a declaration has too many inputs";
  *declaration = (Declaration){
      .version = wire.version,
      .wait_ms = wire.wait_ms,
      .max_rows = wire.max_rows,
      .batched = (wire.flags & DECLARED_BATCHED) != 0,
      .loopback = (wire.flags & DECLARED_LOOPBACK) != 0,
      .timeout_ms = wire.timeout_ms,
      .trim_ms = wire.trim_ms,
      .queue_ms = wire.queue_ms,
      .queue_size = wire.queue_size,
      .delay_ns = wire.delay_us * NS_PER_US,
      .preferred_count = wire.preferred_count,
      .own_timeouts = (wire.flags & DECLARED_OWN_TIMEOUTS) != 0,
      .lend = (wire.flags & DECLARED_LEND) != 0,
      .details = (wire.flags & DECLARED_DETAILS) != 0,
      .stream = (wire.flags & DECLARED_STREAM) != 0,
      .apart = (wire.flags & DECLARED_APART) != 0,
      .lenient = (wire.flags & DECLARED_LENIENT) != 0,
      .awaits = (wire.flags & DECLARED_AWAITS) != 0,
      .sequence = (wire.flags & DECLARED_SEQUENCE) != 0,
      .shared = (wire.flags & DECLARED_SHARED) != 0,
      .spare = (wire.flags & DECLARED_SPARE) != 0,
      .largest_response = wire.largest_response,
      .input_count = wire.input_count,
      .output_count = wire.output_count,
  };
  if (read_all(&cursor, declaration, wire.name_length)) return NULL;
  declaration_free(declaration);
  return "a declaration is truncated, too long, or has an invalid data type or batch size";
}

static void free_tensors(DeclaredTensor *tensors, uint32_t count) {
  if (tensors == NULL) return;
  for (uint32_t i = 0; i < count; i++) free(tensors[i].name);
  free(tensors);
}

void declaration_free(Declaration *declaration) {
  free(declaration->name);
  free(declaration->preferred);
  free(declaration->inputs_by_name);
  free(declaration->outputs_by_name);
  free_tensors(declaration->inputs, declaration->input_count);
  free_tensors(declaration->outputs, declaration->output_count);
  *declaration = (Declaration){0};
}

static int compare_to_name(const void *name, const void *place) {
  const DeclaredTensor *const *tensor = place;
  return strcmp(name, (*tensor)->name);
}

/* A client may name a thousand tensors in any order, so this is a binary search. */
static int find(const DeclaredTensor *tensors, const DeclaredTensor *const *by_name, uint32_t count, uint32_t guess, const char *name) {
  if (guess < count && strcmp(tensors[guess].name, name) == 0) return (int)guess;
  const DeclaredTensor **found = bsearch(name, by_name, count, sizeof *by_name, compare_to_name);
  return found == NULL ? -1 : (int)(*found - tensors);
}

int declaration_find_input(const Declaration *declaration, uint32_t guess, const char *name) {
  return find(declaration->inputs, declaration->inputs_by_name, declaration->input_count, guess, name);
}

int declaration_find_output(const Declaration *declaration, uint32_t guess, const char *name) {
  return find(declaration->outputs, declaration->outputs_by_name, declaration->output_count, guess, name);
}
