/* Segments: sealed memfds, mapped for as long as their channel uses them. */
#ifndef PYTRITON_SEGMENT_H
#define PYTRITON_SEGMENT_H

#include <stdbool.h>
#include <stdint.h>

typedef struct {
  uint32_t number; /* given by the host; 0: none */
  int descriptor;  /* kept until the worker has it, else -1 */
  uint8_t *bytes;
  uint64_t size;
} Segment;

/* Map descriptor, which the segment owns from now on, also when this fails. NULL, or why it was refused. */
const char *segment_open(Segment *segment, uint32_t number, int descriptor, bool writable);

/* Give the memory back to the system; the segment stays, and reads as zeros. */
void segment_trim(const Segment *segment);

void segment_close(Segment *segment);

#endif
