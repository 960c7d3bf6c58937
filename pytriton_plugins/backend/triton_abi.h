/* The part of Triton's C ABI that this backend uses.
 *
 * Every function returns NULL for success or an error object that the caller must free. All objects
 * are opaque. entry_points.c compares the enumeration values below with the names that the running server gives them. */
#ifndef PYTRITON_TRITON_ABI_H
#define PYTRITON_TRITON_ABI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct TRITONSERVER_Error TritonError;
typedef struct TRITONBACKEND_Backend TritonBackend;
typedef struct TRITONBACKEND_Model TritonModel;
typedef struct TRITONBACKEND_ModelInstance TritonInstance;
typedef struct TRITONBACKEND_Request TritonRequest;
typedef struct TRITONBACKEND_Input TritonInput;
typedef struct TRITONBACKEND_Response TritonResponse;
typedef struct TRITONBACKEND_Output TritonOutput;
typedef struct TRITONBACKEND_ResponseFactory TritonResponseFactory;
typedef struct TRITONSERVER_MetricFamily TritonMetricFamily;
typedef struct TRITONSERVER_Metric TritonMetric;
typedef struct TRITONSERVER_MetricArgs TritonMetricArguments;
typedef struct TRITONSERVER_Parameter TritonParameter;

/* The ABI passes enumerations as int. */
enum TritonErrorCode {
  TRITON_ERROR_UNKNOWN = 0,
  TRITON_ERROR_INTERNAL = 1,
  TRITON_ERROR_INVALID_ARG = 3,
  TRITON_ERROR_NOT_FOUND = 2,
  TRITON_ERROR_UNAVAILABLE = 4,
  TRITON_ERROR_UNSUPPORTED = 5,
  TRITON_ERROR_CANCELLED = 7
};
enum TritonMemoryType { TRITON_MEMORY_CPU = 0, TRITON_MEMORY_CPU_PINNED = 1, TRITON_MEMORY_GPU = 2 };
enum TritonLogLevel { TRITON_LOG_INFO = 0, TRITON_LOG_WARN = 1, TRITON_LOG_ERROR = 2 };
enum TritonParameterType { TRITON_PARAMETER_STRING = 0, TRITON_PARAMETER_INT = 1, TRITON_PARAMETER_BOOL = 2 };
enum TritonMetricKind { TRITON_METRIC_COUNTER, TRITON_METRIC_GAUGE, TRITON_METRIC_HISTOGRAM };
enum TritonReleaseFlag { TRITON_RELEASE_ALL = 1 };
enum TritonResponseFlag { TRITON_RESPONSE_FINAL = 1 };
enum TritonSequenceFlag { TRITON_SEQUENCE_START = 1, TRITON_SEQUENCE_END = 2 };

#define ENTRY __attribute__((visibility("default")))

/* Functions that the server calls. */
ENTRY TritonError *TRITONBACKEND_Initialize(TritonBackend *backend);
ENTRY TritonError *TRITONBACKEND_Finalize(TritonBackend *backend);
ENTRY TritonError *TRITONBACKEND_ModelInitialize(TritonModel *model);
ENTRY TritonError *TRITONBACKEND_ModelFinalize(TritonModel *model);
ENTRY TritonError *TRITONBACKEND_ModelInstanceInitialize(TritonInstance *instance);
ENTRY TritonError *TRITONBACKEND_ModelInstanceFinalize(TritonInstance *instance);
ENTRY TritonError *TRITONBACKEND_ModelInstanceExecute(TritonInstance *instance, TritonRequest **requests, uint32_t count);
ENTRY TritonError *TRITONBACKEND_ModelInstanceReady(TritonInstance *instance); /* since 2.65; NULL: ready */

/* Functions of the server: errors, names, log. */
extern TritonError *TRITONSERVER_ErrorNew(int code, const char *message);
extern void TRITONSERVER_ErrorDelete(TritonError *error);
extern const char *TRITONSERVER_ErrorMessage(TritonError *error);
extern const char *TRITONSERVER_ErrorCodeString(TritonError *error);
extern const char *TRITONSERVER_DataTypeString(int data_type);
extern const char *TRITONSERVER_MemoryTypeString(int memory_type);
extern TritonError *TRITONSERVER_LogMessage(int level, const char *file, int line, const char *message);

/* Properties of objects, and the state that the backend stores in them. */
extern TritonError *TRITONBACKEND_BackendState(TritonBackend *backend, void **state);
extern TritonError *TRITONBACKEND_BackendSetState(TritonBackend *backend, void *state);
extern TritonError *TRITONBACKEND_ModelBackend(TritonModel *model, TritonBackend **backend);
extern TritonError *TRITONBACKEND_ModelName(TritonModel *model, const char **name);
extern TritonError *TRITONBACKEND_ModelVersion(TritonModel *model, uint64_t *version);
extern TritonError *TRITONBACKEND_ModelState(TritonModel *model, void **state);
extern TritonError *TRITONBACKEND_ModelSetState(TritonModel *model, void *state);
extern TritonError *TRITONBACKEND_ModelInstanceModel(TritonInstance *instance, TritonModel **model);
extern TritonError *TRITONBACKEND_ModelInstanceState(TritonInstance *instance, void **state);
extern TritonError *TRITONBACKEND_ModelInstanceSetState(TritonInstance *instance, void *state);

/* Requests. */
extern TritonError *TRITONBACKEND_RequestInputCount(TritonRequest *request, uint32_t *count);
extern TritonError *TRITONBACKEND_RequestInputByIndex(TritonRequest *request, uint32_t index, TritonInput **input);
extern TritonError *TRITONBACKEND_RequestOutputCount(TritonRequest *request, uint32_t *count);
extern TritonError *TRITONBACKEND_RequestOutputName(TritonRequest *request, uint32_t index, const char **name);
extern TritonError *TRITONBACKEND_RequestRelease(TritonRequest *request, uint32_t flags);
extern TritonError *TRITONBACKEND_RequestIsCancelled(TritonRequest *request, bool *cancelled) __attribute__((weak));
extern TritonError *TRITONBACKEND_RequestId(TritonRequest *request, const char **id);
/* Fails when the correlation id is a string. */
extern TritonError *TRITONBACKEND_RequestCorrelationId(TritonRequest *request, uint64_t *id);
extern TritonError *TRITONBACKEND_RequestCorrelationIdString(TritonRequest *request, const char **id) __attribute__((weak));
extern TritonError *TRITONBACKEND_RequestFlags(TritonRequest *request, uint32_t *flags) __attribute__((weak));
/* In microseconds; 0: none. */
extern TritonError *TRITONBACKEND_InferenceRequestTimeoutMicroseconds(TritonRequest *request, uint64_t *timeout) __attribute__((weak));
extern TritonError *TRITONBACKEND_RequestParameterCount(TritonRequest *request, uint32_t *count) __attribute__((weak));
/* value points to a string, or to an int64_t, a bool or a double. */
extern TritonError *TRITONBACKEND_RequestParameter(TritonRequest *request, uint32_t index, const char **name, int *type, const void **value)
    __attribute__((weak));
extern const char *TRITONSERVER_ParameterTypeString(int type);
extern TritonError *TRITONBACKEND_InputProperties(TritonInput *input, const char **name, int *data_type, const int64_t **shape,
                                                  uint32_t *rank, uint64_t *bytes, uint32_t *buffers);
/* memory_type is the requested type on entry, and the type of the buffer on return. */
extern TritonError *TRITONBACKEND_InputBuffer(TritonInput *input, uint32_t index, const void **buffer, uint64_t *bytes, int *memory_type,
                                              int64_t *memory_id);

/* Responses. */
extern TritonError *TRITONBACKEND_ResponseNew(TritonResponse **response, TritonRequest *request);
extern TritonError *TRITONBACKEND_ResponseDelete(TritonResponse *response);
extern TritonError *TRITONBACKEND_ResponseOutput(TritonResponse *response, TritonOutput **output, const char *name, int data_type,
                                                 const int64_t *shape, uint32_t rank);
extern TritonError *TRITONBACKEND_OutputBuffer(TritonOutput *output, void **buffer, uint64_t bytes, int *memory_type, int64_t *memory_id);
extern TritonError *TRITONBACKEND_ResponseSend(TritonResponse *response, uint32_t flags, TritonError *error);
extern TritonError *TRITONBACKEND_ResponseSetStringParameter(TritonResponse *response, const char *name, const char *value);
extern TritonError *TRITONBACKEND_ResponseSetIntParameter(TritonResponse *response, const char *name, int64_t value);
extern TritonError *TRITONBACKEND_ResponseSetBoolParameter(TritonResponse *response, const char *name, bool value);
extern TritonError *TRITONBACKEND_ResponseSetDoubleParameter(TritonResponse *response, const char *name, double value)
    __attribute__((weak));
/* Several responses to one request. */
extern TritonError *TRITONBACKEND_ResponseFactoryNew(TritonResponseFactory **factory, TritonRequest *request);
extern TritonError *TRITONBACKEND_ResponseFactorySendFlags(TritonResponseFactory *factory, uint32_t flags);
extern TritonError *TRITONBACKEND_ResponseFactoryDelete(TritonResponseFactory *factory);

/* Statistics; times in nanoseconds of CLOCK_MONOTONIC. */
extern TritonError *TRITONBACKEND_ModelInstanceReportStatistics(TritonInstance *instance, TritonRequest *request, bool success,
                                                                uint64_t start, uint64_t compute_start, uint64_t compute_end, uint64_t end);
extern TritonError *TRITONBACKEND_ModelInstanceReportBatchStatistics(TritonInstance *instance, uint64_t rows, uint64_t start,
                                                                     uint64_t compute_start, uint64_t compute_end, uint64_t end);

/* Statistics of each response of a stream. The caller keeps the error and the factory. */
typedef struct TRITONBACKEND_ModelInstanceResponseStatistics TritonResponseStatistics;
#define STATISTICS(name) TRITONBACKEND_ModelInstanceResponseStatistics##name
extern TritonError *STATISTICS(New)(TritonResponseStatistics **statistics) __attribute__((weak));
extern TritonError *STATISTICS(Delete)(TritonResponseStatistics *statistics) __attribute__((weak));
extern TritonError *STATISTICS(SetModelInstance)(TritonResponseStatistics *statistics, TritonInstance *instance) __attribute__((weak));
extern TritonError *STATISTICS(SetResponseFactory)(TritonResponseStatistics *statistics, TritonResponseFactory *factory)
    __attribute__((weak));
extern TritonError *STATISTICS(SetResponseStart)(TritonResponseStatistics *statistics, uint64_t start) __attribute__((weak));
extern TritonError *STATISTICS(SetComputeOutputStart)(TritonResponseStatistics *statistics, uint64_t start) __attribute__((weak));
extern TritonError *STATISTICS(SetResponseEnd)(TritonResponseStatistics *statistics, uint64_t end) __attribute__((weak));
extern TritonError *STATISTICS(SetError)(TritonResponseStatistics *statistics, TritonError *error) __attribute__((weak));
extern TritonError *TRITONBACKEND_ModelInstanceReportResponseStatistics(TritonResponseStatistics *statistics) __attribute__((weak));

/* Metrics of backends; weak, because older servers have none or no histograms. A family is deleted after its metrics. */
#define WEAK __attribute__((weak))
extern TritonParameter *TRITONSERVER_ParameterNew(const char *name, int type, const void *value) WEAK;
extern void TRITONSERVER_ParameterDelete(TritonParameter *parameter) WEAK;
extern TritonError *TRITONSERVER_MetricFamilyNew(TritonMetricFamily **family, int kind, const char *name, const char *description) WEAK;
extern TritonError *TRITONSERVER_MetricFamilyDelete(TritonMetricFamily *family) WEAK;
extern TritonError *TRITONSERVER_MetricNew(TritonMetric **metric, TritonMetricFamily *family, const TritonParameter **labels,
                                           uint64_t count) WEAK;
extern TritonError *TRITONSERVER_MetricNewWithArgs(TritonMetric **metric, TritonMetricFamily *family, const TritonParameter **labels,
                                                   uint64_t count, const TritonMetricArguments *arguments) WEAK;
extern TritonError *TRITONSERVER_MetricDelete(TritonMetric *metric) WEAK;
extern TritonError *TRITONSERVER_MetricArgsNew(TritonMetricArguments **arguments) WEAK;
extern TritonError *TRITONSERVER_MetricArgsSetHistogram(TritonMetricArguments *arguments, const double *buckets, uint64_t count) WEAK;
extern TritonError *TRITONSERVER_MetricArgsDelete(TritonMetricArguments *arguments) WEAK;
extern TritonError *TRITONSERVER_MetricIncrement(TritonMetric *metric, double value) WEAK;
extern TritonError *TRITONSERVER_MetricSet(TritonMetric *metric, double value) WEAK;
extern TritonError *TRITONSERVER_MetricObserve(TritonMetric *metric, double value) WEAK;

#endif
