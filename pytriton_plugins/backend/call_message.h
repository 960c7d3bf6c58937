/* Reads and checks the payload of CALL, which a worker wrote. */
#ifndef PYTRITON_CALL_MESSAGE_H
#define PYTRITON_CALL_MESSAGE_H

#include "cursor.h"
#include "segment.h"
#include "wire.h"

typedef struct {
  WireCall head;
  const uint8_t *model, *id; /* without a byte 0 at their ends */
  Cursor inputs, outputs, parameters;
} CallMessage;

typedef struct {
  WireCallTensor head;
  int64_t dims[WIRE_MAX_RANK];
  const uint8_t *name;
  uint64_t elements;
} CallInput;

typedef struct {
  WireParameter head;
  const uint8_t *name, *value;
} CallParameter;

/* Checks the whole payload. NULL, or what is wrong with it. */
const char *call_message_read(CallMessage *message, const uint8_t *payload, size_t length, const Segment *call, const Segment *request);

/* The next entry of a payload that is checked already. */
void call_message_input(Cursor *inputs, CallInput *input);
const uint8_t *call_message_output(Cursor *outputs, uint32_t *length);
void call_message_parameter(Cursor *parameters, CallParameter *parameter);

/* Whether the area is inside the segment. */
bool call_message_area_fits(uint64_t offset, uint64_t length, const Segment *segment);

#endif
