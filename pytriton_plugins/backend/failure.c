/* Filling, logging and freeing errors. */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* gRPC carries an error in a trailer that may have 8192 bytes with all that is beside it, and loses the whole answer
 * of a longer one. It sends each byte that is no printable ASCII, and each %, as three. */
enum { MOST_SENT = 7000 };
static const char MARK[] = "\xe2\x80\xa6"; /* … */
enum { MARK_BYTES = sizeof MARK - 1, MARK_SENT = 3 * MARK_BYTES };

static bool begins_character(char byte) {
  return (byte & 0xc0) != 0x80;
}

/* End the text, which would have had `length` bytes, with … where it is cut or longer than gRPC carries. */
static void fit(char text[WIRE_MAX_ERROR_TEXT + 1], size_t length) {
  size_t end = 0, cut = 0, sent = 0;
  for (; text[end] != 0 && sent <= MOST_SENT; end++) {
    if (begins_character(text[end]) && sent + MARK_SENT <= MOST_SENT && end + MARK_BYTES <= WIRE_MAX_ERROR_TEXT) cut = end;
    sent += text[end] < ' ' || text[end] > '~' || text[end] == '%' ? 3 : 1;
  }
  if (sent > MOST_SENT || end < length) memcpy(text + cut, MARK, sizeof MARK);
}

void failure_set(Failure *failure, int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  failure->code = code;
  int length = vsnprintf(failure->text, sizeof failure->text, format, arguments);
  va_end(arguments);
  fit(failure->text, length < 0 ? 0 : (size_t)length);
}

void failure_broken(Failure *failure, const char *model, const char *wrong) {
  failure_set(failure, TRITON_ERROR_INTERNAL, "model %s: its worker broke the protocol: %s", model, wrong);
  log_line(TRITON_LOG_ERROR, "%s", failure->text);
}

bool failure_none(TritonError *error, Failure *failure) {
  if (error == NULL) return true;
  failure_set(failure, TRITON_ERROR_INTERNAL, "%s", TRITONSERVER_ErrorMessage(error));
  TRITONSERVER_ErrorDelete(error);
  return false;
}

TritonError *failure_error(const Failure *failure) {
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

void failure_log(TritonError *error, const char *what) {
  if (error == NULL) return;
  log_line(TRITON_LOG_WARN, "%s: %s", what, TRITONSERVER_ErrorMessage(error));
  TRITONSERVER_ErrorDelete(error);
}
