/* Reports each response of a stream, with calls that older servers do not have. */
#include "response_report.h"

#include "clock.h"

/* Triton stores statistics for each response index for ever, and lists all of them at its statistics endpoint. */
enum { MAX_REPORTED = 1000 };

static bool is_supported(void) {
  return STATISTICS(New) != NULL && TRITONBACKEND_ModelInstanceReportResponseStatistics != NULL;
}

typedef struct {
  uint64_t start, output_start, end; /* output_start 0: no outputs */
} Span;

static bool fill(TritonResponseStatistics *statistics, TritonInstance *instance, TritonResponseFactory *factory, TritonError *error,
                 Span span, Failure *failure) {
  return failure_none(STATISTICS(SetModelInstance)(statistics, instance), failure) &&
         failure_none(STATISTICS(SetResponseFactory)(statistics, factory), failure) &&
         failure_none(STATISTICS(SetResponseStart)(statistics, span.start), failure) &&
         failure_none(STATISTICS(SetComputeOutputStart)(statistics, span.output_start), failure) &&
         failure_none(STATISTICS(SetResponseEnd)(statistics, span.end), failure) &&
         failure_none(STATISTICS(SetError)(statistics, error), failure) &&
         failure_none(TRITONBACKEND_ModelInstanceReportResponseStatistics(statistics), failure);
}

static void report(TritonInstance *instance, const Request *request, Span span) {
  TritonResponseStatistics *statistics;
  TritonResponseFactory *factory;
  Failure failure = {.code = 0};
  if (!failure_none(TRITONBACKEND_ResponseFactoryNew(&factory, request->triton), &failure)) return;
  TritonError *error = request->failed ? failure_to_error(&(Failure){.code = request->failed}) : NULL;
  if (failure_none(STATISTICS(New)(&statistics), &failure)) {
    if (!fill(statistics, instance, factory, error, span, &failure)) log_line(TRITON_LOG_WARN, "reporting a response: %s", failure.text);
    failure_log(STATISTICS(Delete)(statistics), "reporting a response");
  }
  if (error != NULL) TRITONSERVER_ErrorDelete(error);
  failure_log(TRITONBACKEND_ResponseFactoryDelete(factory), "reporting a response");
}

void response_report(Instance *instance, Times *times, uint64_t arrived, bool has_outputs) {
  Batch *batch = &instance->batch;
  if (!is_supported() || batch->reported >= MAX_REPORTED) return;
  uint64_t start = times->response_start, now = times->response_start = clock_ns();
  batch->reported++;
  report(instance->triton, batch->requests[0], (Span){start, has_outputs ? arrived : 0, now});
}
