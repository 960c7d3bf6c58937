/* Reads a message of the daemon, never past its end. */
#ifndef PYTRITON_CURSOR_H
#define PYTRITON_CURSOR_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

typedef struct {
  const uint8_t *at;
  size_t left;
  bool cut; /* a read went past the end */
} Cursor;

/* The next length bytes, or NULL when fewer are left. */
static inline const uint8_t *cursor_skip(Cursor *cursor, size_t length) {
  const uint8_t *here = cursor->at;
  if (cursor->cut || length > cursor->left) {
    cursor->cut = true;
    return NULL;
  }
  cursor->at += length;
  cursor->left -= length;
  return here;
}

static inline bool cursor_read(Cursor *cursor, void *into, size_t length) {
  const uint8_t *from = cursor_skip(cursor, length);
  if (from != NULL) memcpy(into, from, length);
  return from != NULL;
}

#endif
