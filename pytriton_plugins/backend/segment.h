/* Segments: sealed memfds, mapped while their channel uses them. */
#ifndef PYTRITON_SEGMENT_H
#define PYTRITON_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  uint32_t number; /* given by the daemon; 0: none */
  int descriptor;  /* open until it is sent to the worker, then -1 */
  uint8_t *bytes;
  uint64_t size;
} Segment;

/* Checks and maps a descriptor. The segment owns it from now on, also when this fails. NULL, or why it failed. */
const char *segment_open(Segment *segment, uint32_t number, int descriptor, bool writable);

/* Frees the pages of the segment, which stays mapped and reads as zeros. */
void segment_trim(const Segment *segment);

void segment_close(Segment *segment);

#endif
