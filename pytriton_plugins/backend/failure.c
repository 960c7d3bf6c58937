/* Fills, logs, converts and frees errors. */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* gRPC sends an error in a trailer of at most 8192 bytes, other fields included, and loses the whole response when it is
 * longer. It encodes each % and each byte that is not printable ASCII as three bytes. */
enum { MAX_SENT_BYTES = 7000 };
static const char ELLIPSIS[] = "\xe2\x80\xa6"; /* … */
enum { ELLIPSIS_BYTES = sizeof ELLIPSIS - 1, ELLIPSIS_SENT_BYTES = 3 * ELLIPSIS_BYTES };

static bool starts_character(char byte) {
  return (byte & 0xc0) != 0x80;
}

/* Truncates a text that gRPC cannot carry. Ends it with …, also when its `length` bytes did not fit the array. */
static void truncate_text(char text[WIRE_MAX_ERROR_TEXT + 1], size_t length) {
  size_t end = 0, cut = 0, sent = 0;
  for (; text[end] != 0 && sent <= MAX_SENT_BYTES; end++) {
    if (starts_character(text[end]) && sent + ELLIPSIS_SENT_BYTES <= MAX_SENT_BYTES && end + ELLIPSIS_BYTES <= WIRE_MAX_ERROR_TEXT)
      cut = end;
    sent += text[end] < ' ' || text[end] > '~' || text[end] == '%' ? 3 : 1;
  }
  if (sent > MAX_SENT_BYTES || end < length) memcpy(text + cut, ELLIPSIS, sizeof ELLIPSIS);
}

void failure_set(Failure *failure, int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  failure->code = code;
  int length = vsnprintf(failure->text, sizeof failure->text, format, arguments);
  va_end(arguments);
  truncate_text(failure->text, length < 0 ? 0 : (size_t)length);
}

void failure_protocol_error(Failure *failure, const char *model, const char *problem) {
  failure_set(failure, TRITON_ERROR_INTERNAL, "model %s: its worker broke the protocol: %s", model, problem);
  log_line(TRITON_LOG_ERROR, "%s", failure->text);
}

bool failure_none(TritonError *error, Failure *failure) {
  if (error == NULL) return true;
  failure_set(failure, TRITON_ERROR_INTERNAL, "%s", TRITONSERVER_ErrorMessage(error));
  TRITONSERVER_ErrorDelete(error);
  return false;
}

TritonError *failure_to_error(const Failure *failure) {
  return TRITONSERVER_ErrorNew(failure->code == WIRE_OUTCOME_UNKNOWN ? TRITON_ERROR_UNKNOWN : failure->code, failure->text);
}

void log_line(int level, const char *format, ...) {
  char text[1024];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  TritonError *error = TRITONSERVER_LogMessage(level, "pytriton", 0, text);
  if (error != NULL) TRITONSERVER_ErrorDelete(error);
}

void failure_log(TritonError *error, const char *action) {
  if (error == NULL) return;
  log_line(TRITON_LOG_WARN, "%s: %s", action, TRITONSERVER_ErrorMessage(error));
  TRITONSERVER_ErrorDelete(error);
}
