/* Reads the outputs and parameters of Triton's result, places outputs, and writes them into a RESULT. */
#include "call_reply.h"

#include <stdlib.h>
#include <string.h>

static bool read_output(TritonResult *result, uint32_t index, ReplyOutput *output, Failure *failure) {
  const void *bytes = NULL;
  size_t length = 0;
  int memory_type;
  int64_t memory_id;
  void *user;
  TritonError *error = RESULT(Output)(result, index, &output->name, &output->dtype, &output->dims, &output->rank, &bytes, &length,
                                      &memory_type, &memory_id, &user);
  output->bytes = bytes;
  output->length = length;
  return failure_none(error, failure);
}

Reply *reply_new(TritonResult *result, Failure *failure) {
  uint32_t count;
  if (!failure_none(RESULT(OutputCount)(result, &count), failure)) return NULL;
  Reply *reply = calloc(1, sizeof *reply + count * sizeof(ReplyOutput));
  if (reply == NULL) {
    failure_set(failure, TRITON_ERROR_UNAVAILABLE, "out of memory for a response");
    return NULL;
  }
  reply->count = count;
  for (uint32_t i = 0; i < count; i++) {
    if (!read_output(result, i, &reply->outputs[i], failure)) {
      free(reply);
      return NULL;
    }
    reply->needed += wire_aligned(reply->outputs[i].length);
  }
  reply->result = result;
  return reply;
}

void reply_free(Reply *reply) {
  for (uint32_t i = 0; i < reply->count; i++) free(reply->outputs[i].saved);
  failure_log(RESULT(Delete)(reply->result), "deleting a result");
  free(reply);
}

static bool is_in_area(const ReplyOutput *output, ReplyArea area) {
  return area.length > 0 && output->saved == NULL && output->bytes != NULL && output->bytes >= area.segment + area.offset &&
         output->bytes < area.segment + area.offset + area.length;
}

static void save(Reply *reply, ReplyOutput *output) {
  output->saved = malloc(output->length);
  if (output->saved != NULL)
    memcpy(output->saved, output->bytes, output->length);
  else
    reply->is_lost = true;
}

static const uint8_t *data_of(const ReplyOutput *output) {
  return output->saved != NULL ? output->saved : output->bytes;
}

bool reply_place(Reply *reply, ReplyArea area) {
  uint32_t there = 0, needed = 0;
  for (uint32_t i = 0; i < reply->count; i++) {
    needed += reply->outputs[i].length > 0;
    there += reply->outputs[i].length > 0 && is_in_area(&reply->outputs[i], area);
  }
  uint64_t offset = area.offset;
  bool moves = there < needed, fits = reply->needed <= area.length;
  for (uint32_t i = 0; i < reply->count; i++) {
    ReplyOutput *output = &reply->outputs[i];
    bool is_there = output->length > 0 && is_in_area(output, area);
    if (moves && is_there) save(reply, output);
    output->offset = is_there && !moves ? (uint64_t)(output->bytes - area.segment) : offset;
    offset += wire_aligned(output->length);
  }
  if (moves && (!fits || reply->is_lost)) return false;
  for (uint32_t i = 0; moves && i < reply->count; i++) {
    const ReplyOutput *output = &reply->outputs[i];
    if (output->length > 0) memmove(area.segment + output->offset, data_of(output), output->length);
  }
  return true;
}

typedef struct {
  uint8_t *at;
  size_t left;
  bool is_full;
} Writer;

static void append(Writer *writer, const void *bytes, size_t length) {
  if (writer->is_full || length > writer->left) {
    writer->is_full = true;
    return;
  }
  if (length > 0) memcpy(writer->at, bytes, length);
  writer->at += length;
  writer->left -= length;
}

static void append_output(Writer *writer, const ReplyOutput *output) {
  size_t name = strlen(output->name);
  if (name > UINT16_MAX || output->rank > UINT8_MAX) {
    writer->is_full = true;
    return;
  }
  WireCallTensor head = {.dtype = (uint8_t)output->dtype,
                         .rank = (uint8_t)output->rank,
                         .name_length = (uint16_t)name,
                         .offset = output->offset,
                         .length = output->length};
  append(writer, &head, sizeof head);
  append(writer, output->dims, output->rank * sizeof *output->dims);
  append(writer, output->name, name);
}

/* 0: a type that the protocol does not have. The number of the type for doubles differs between versions of Triton. */
static uint32_t parameter_type(int type) {
  if (type == TRITON_PARAMETER_STRING) return WIRE_STRING;
  if (type == TRITON_PARAMETER_INT) return WIRE_INT;
  if (type == TRITON_PARAMETER_BOOL) return WIRE_BOOL;
  const char *name = TRITONSERVER_ParameterTypeString(type);
  return name != NULL && strcmp(name, "DOUBLE") == 0 ? WIRE_DOUBLE : 0;
}

static uint32_t append_parameter(Writer *writer, TritonResult *result, uint32_t index) {
  static const uint32_t SIZES[] = {[WIRE_INT] = sizeof(int64_t), [WIRE_BOOL] = sizeof(bool), [WIRE_DOUBLE] = sizeof(double)};
  const char *name;
  const void *value;
  int type;
  TritonError *error = RESULT(Parameter)(result, index, &name, &type, &value);
  if (error != NULL) {
    failure_log(error, "reading a parameter of a result");
    return 0;
  }
  uint32_t form = parameter_type(type);
  if (form == 0 || value == NULL) return 0;
  size_t size = form == WIRE_STRING ? strlen(value) : SIZES[form], name_length = strlen(name);
  WireParameter head = {.type = form, .name_length = (uint32_t)name_length, .value_length = (uint32_t)size};
  append(writer, &head, sizeof head);
  append(writer, name, name_length);
  append(writer, value, size);
  return 1;
}

size_t reply_write(const Reply *reply, const Failure *failure, uint64_t needed, uint8_t *to, size_t room) {
  WireResult head = {.needed = needed, .response = reply != NULL, .output_count = reply == NULL ? 0 : reply->count};
  Writer writer = {to, room, false};
  uint32_t parameters = 0;
  if (failure != NULL) {
    head.code = (uint32_t)failure->code;
    head.text_length = (uint32_t)strlen(failure->text);
  }
  append(&writer, &head, sizeof head);
  if (failure != NULL) append(&writer, failure->text, head.text_length);
  for (uint32_t i = 0; reply != NULL && i < reply->count; i++) append_output(&writer, &reply->outputs[i]);
  if (reply != NULL) failure_log(RESULT(ParameterCount)(reply->result, &parameters), "counting the parameters of a result");
  for (uint32_t i = 0; i < parameters; i++) head.parameter_count += append_parameter(&writer, reply->result, i);
  if (writer.is_full) return 0;
  memcpy(to, &head, sizeof head);
  return room - writer.left;
}
