/* Segments: sealed memfds, mapped while their channel uses them. */
#ifndef PYTRITON_SEGMENT_H
#define PYTRITON_SEGMENT_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* The mapped bytes of a segment, which a call can use for longer than the channel does. */
typedef struct {
  atomic_int references;
  atomic_int lingering; /* calls that have ended for the worker, but not for the called model */
  uint8_t *bytes;
  uint64_t size;
} Mapping;

typedef struct {
  uint32_t number; /* given by the daemon; 0: none */
  int descriptor;  /* open until it is sent to the worker, then -1 */
  uint8_t *bytes;
  uint64_t size;
  Mapping *mapping; /* has the same bytes and size; NULL: none */
} Segment;

/* Checks and maps a descriptor. The segment owns it from now on, also when this fails. NULL, or why it failed. */
const char *segment_open(Segment *segment, uint32_t number, int descriptor, bool writable);

/* Frees the pages of the segment, which stays mapped and reads as zeros. */
void segment_trim(const Segment *segment);

void segment_close(Segment *segment);

/* Another reference to the mapping; NULL: the segment has none. */
Mapping *segment_share(const Segment *segment);

/* Drops a reference, which may be NULL. The last one unmaps the bytes. */
void mapping_release(Mapping *mapping);

#endif
