/* Filling, logging and freeing errors. */
#include "failure.h"

#include <stdarg.h>
#include <stdio.h>

void failure_set(Failure *failure, int code, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  failure->code = code;
  vsnprintf(failure->text, sizeof failure->text, format, arguments);
  va_end(arguments);
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
