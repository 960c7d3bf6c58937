/* Reads and checks a call. The payload is a private copy; only the tables of strings, in the segments, can still change. */
#include "call_message.h"

static bool is_text(const uint8_t *text, size_t length) {
  return text != NULL && memchr(text, 0, length) == NULL;
}

static bool is_inside(uint64_t offset, uint64_t length, uint64_t size) {
  return offset <= size && length <= size - offset;
}

bool call_message_area_fits(uint64_t offset, uint64_t length, const Segment *segment) {
  return offset % WIRE_ALIGNMENT == 0 && is_inside(offset, length, segment->size);
}

void call_message_input(Cursor *inputs, CallInput *input) {
  memset(input, 0, sizeof *input);
  if (!cursor_read(inputs, &input->head, sizeof input->head) || input->head.rank > WIRE_MAX_RANK) return;
  cursor_read(inputs, input->dims, input->head.rank * sizeof *input->dims);
  input->name = cursor_skip(inputs, input->head.name_length);
  if (!wire_element_count(input->dims, input->head.rank, &input->elements)) input->elements = UINT64_MAX;
}

const uint8_t *call_message_output(Cursor *outputs, uint32_t *length) {
  *length = 0;
  cursor_read(outputs, length, sizeof *length);
  return cursor_skip(outputs, *length);
}

void call_message_parameter(Cursor *parameters, CallParameter *parameter) {
  memset(parameter, 0, sizeof *parameter);
  cursor_read(parameters, &parameter->head, sizeof parameter->head);
  parameter->name = cursor_skip(parameters, parameter->head.name_length);
  parameter->value = cursor_skip(parameters, parameter->head.value_length);
}

/* Whether the data have the length that the shape needs. A table of strings is checked when it is read. */
static bool has_length_of_shape(const CallInput *input) {
  const WireCallTensor *head = &input->head;
  uint64_t item = wire_item_size(head->dtype);
  if (input->elements == UINT64_MAX) return false;
  if (head->dtype == WIRE_TYPE_BYTES) return head->length / sizeof(uint64_t) > input->elements;
  return item > 0 && input->elements <= UINT64_MAX / item && head->length == input->elements * item;
}

static const char *check_input(const CallInput *input, const Segment *call, const Segment *request) {
  const WireCallTensor *head = &input->head;
  if (head->rank == 0 || head->rank > WIRE_MAX_RANK) return "an input of a call with an invalid rank";
  if (head->name_length == 0 || !is_text(input->name, head->name_length)) return "an input of a call without a name";
  if (!has_length_of_shape(input)) return "an input of a call whose data do not fit its type and shape";
  if (head->place > WIRE_IN_REQUEST_SEGMENT) return "an input of a call at an unknown place";
  const Segment *segment = head->place == WIRE_IN_CALL_SEGMENT ? call : request;
  if (head->offset % WIRE_ALIGNMENT != 0 || !is_inside(head->offset, head->length, segment->size))
    return "an input of a call outside its segment";
  return NULL;
}

static const char *check_parameter(const CallParameter *parameter) {
  static const uint32_t SIZES[] = {[WIRE_INT] = sizeof(int64_t), [WIRE_BOOL] = 1, [WIRE_DOUBLE] = sizeof(double)};
  const WireParameter *head = &parameter->head;
  if (head->type < WIRE_STRING || head->type > WIRE_DOUBLE) return "a parameter of a call with an unknown type";
  if (head->name_length == 0 || !is_text(parameter->name, head->name_length)) return "a parameter of a call without a name";
  if (head->type == WIRE_STRING) return is_text(parameter->value, head->value_length) ? NULL : "a parameter of a call with a zero byte";
  return head->value_length == SIZES[head->type] ? NULL : "a parameter of a call with a wrong size";
}

static const char *check_head(CallMessage *message, Cursor *cursor, const Segment *call) {
  WireCall *head = &message->head;
  if (!cursor_read(cursor, head, sizeof *head)) return "a call that is too short";
  if (head->flags & ~(uint32_t)WIRE_CALL_FLAGS) return "a call with unknown flags";
  if (head->model_length == 0 || head->model_length > WIRE_MAX_MODEL_NAME) return "a call without a model";
  message->model = cursor_skip(cursor, head->model_length);
  message->id = cursor_skip(cursor, head->id_length);
  if (cursor->cut) return "a call that is truncated";
  if (!is_text(message->model, head->model_length) || !is_text(message->id, head->id_length)) return "a call with a zero byte in a text";
  if (!call_message_area_fits(head->area_offset, head->area_length, call)) return "an area of a call outside its segment";
  return NULL;
}

const char *call_message_read(CallMessage *message, const uint8_t *payload, size_t length, const Segment *call, const Segment *request) {
  Cursor cursor = {payload, length, false};
  const char *problem = check_head(message, &cursor, call);
  CallInput input;
  CallParameter parameter;
  message->inputs = cursor;
  for (uint32_t i = 0; problem == NULL && i < message->head.input_count; i++) {
    call_message_input(&cursor, &input);
    problem = cursor.cut ? "a call that is truncated" : check_input(&input, call, request);
  }
  message->outputs = cursor;
  for (uint32_t i = 0; problem == NULL && i < message->head.output_count; i++) {
    uint32_t bytes;
    const uint8_t *name = call_message_output(&cursor, &bytes);
    if (bytes == 0 || !is_text(name, bytes)) problem = "an output of a call without a name";
  }
  message->parameters = cursor;
  for (uint32_t i = 0; problem == NULL && i < message->head.parameter_count; i++) {
    call_message_parameter(&cursor, &parameter);
    problem = cursor.cut ? "a call that is truncated" : check_parameter(&parameter);
  }
  if (problem == NULL && cursor.left > 0) problem = "a call that is too long";
  return problem;
}
