/* One response of a called model: its outputs, their place in the worker's memory, and the payload of RESULT. */
#ifndef PYTRITON_CALL_REPLY_H
#define PYTRITON_CALL_REPLY_H

#include "failure.h"
#include "triton_infer_abi.h"

typedef struct {
  const char *name;
  const int64_t *dims;
  const uint8_t *bytes; /* in the area, or memory of the allocator */
  uint8_t *saved;       /* a copy of bytes from an area that the worker can use again */
  uint64_t length, offset;
  uint64_t rank;
  int dtype;
} ReplyOutput;

typedef struct Reply {
  struct Reply *next;
  TritonResult *result;
  uint64_t needed; /* bytes of an area for all outputs */
  uint32_t count;
  bool is_lost; /* out of memory for a copy */
  ReplyOutput outputs[];
} Reply;

/* The memory for one response, in a call segment. */
typedef struct {
  uint8_t *segment;
  uint64_t offset, length;
} ReplyArea;

/* Takes the result. NULL, with failure filled: the result is not taken. */
Reply *reply_new(TritonResult *result, Failure *failure);

void reply_free(Reply *reply);

/* Places the outputs in the area: those that are not there already are copied. False: the area is too small; the outputs
 * that are there are saved, because the worker can use the area again. */
bool reply_place(Reply *reply, ReplyArea area);

/* The payload of RESULT. reply NULL: no response; text NULL: no error. Returns its length; 0: longer than room. */
size_t reply_write(const Reply *reply, const Failure *failure, uint64_t needed, uint8_t *to, size_t room);

#endif
