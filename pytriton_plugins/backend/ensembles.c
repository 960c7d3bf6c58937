/* Keeps what the daemon says about ensembles: Triton runs them, and shows the backend nothing of it. */
#include "ensembles.h"

#include <stdlib.h>
#include <string.h>

#include "cursor.h"

static bool read_name(Cursor *cursor, uint32_t length, char *name) {
  const uint8_t *text = cursor_skip(cursor, length);
  if (text == NULL || length == 0 || length > WIRE_MAX_MODEL_NAME || memchr(text, 0, length) != NULL) return false;
  memcpy(name, text, length);
  name[length] = '\0';
  return true;
}

static bool read_step(Cursor *cursor, EnsembleStep *step) {
  WireEnsembleStep head;
  if (!cursor_read(cursor, &head, sizeof head)) return false;
  step->version = head.version;
  return read_name(cursor, head.name_length, step->name);
}

static Ensemble *find_or_add(Ensemble **ensembles, const char *name, int64_t version) {
  Ensemble *ensemble = *ensembles;
  while (ensemble != NULL && (ensemble->version != version || strcmp(ensemble->name, name) != 0)) ensemble = ensemble->next;
  if (ensemble != NULL || (ensemble = calloc(1, sizeof *ensemble)) == NULL) return ensemble;
  strcpy(ensemble->name, name);
  ensemble->version = version;
  ensemble->next = *ensembles;
  return *ensembles = ensemble;
}

const char *ensembles_apply(Ensemble **ensembles, const uint8_t *payload, size_t length) {
  Cursor cursor = {payload, length, false};
  WireEnsemble head;
  char name[WIRE_MAX_MODEL_NAME + 1];
  if (!cursor_read(&cursor, &head, sizeof head) || !read_name(&cursor, head.name_length, name)) return "an ensemble without a name";
  if (head.step_count > length / sizeof(WireEnsembleStep)) return "an ensemble that is truncated";
  EnsembleStep *steps = calloc(head.step_count + 1, sizeof *steps);
  Ensemble *ensemble = steps == NULL ? NULL : find_or_add(ensembles, name, head.version);
  bool is_read = true;
  for (uint32_t i = 0; ensemble != NULL && is_read && i < head.step_count; i++) is_read = read_step(&cursor, &steps[i]);
  if (ensemble == NULL || !is_read || cursor.left > 0) {
    free(steps);
    return ensemble == NULL ? "out of memory for an ensemble" : "an ensemble with an invalid step";
  }
  free(ensemble->steps);
  ensemble->steps = steps;
  ensemble->count = head.step_count;
  return NULL;
}

const Ensemble *ensembles_find(const Ensemble *ensembles, const char *name, int64_t version) {
  const Ensemble *found = NULL;
  for (const Ensemble *each = ensembles; each != NULL; each = each->next) {
    if (each->count == 0 || strcmp(each->name, name) != 0 || (version >= 0 && each->version != version)) continue;
    if (found == NULL || each->version > found->version) found = each;
  }
  return found;
}

void ensembles_free(Ensemble *ensembles) {
  while (ensembles != NULL) {
    Ensemble *ensemble = ensembles;
    ensembles = ensemble->next;
    free(ensemble->steps);
    free(ensemble);
  }
}
