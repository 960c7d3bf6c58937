/* The part of Triton's C ABI that calls of other models need. All of it is weak: an older server may not have it. */
#ifndef PYTRITON_TRITON_INFER_ABI_H
#define PYTRITON_TRITON_INFER_ABI_H

#include "triton_abi.h"

typedef struct TRITONSERVER_Server TritonServer;
typedef struct TRITONSERVER_InferenceRequest TritonInference;
typedef struct TRITONSERVER_InferenceResponse TritonResult;
typedef struct TRITONSERVER_ResponseAllocator TritonAllocator;
typedef struct TRITONSERVER_InferenceTrace TritonTrace;

/* The numbers of these flags are those of the backend API: TRITON_RELEASE_ALL, TRITON_RESPONSE_FINAL, TritonSequenceFlag. */
typedef void (*TritonReleased)(TritonInference *inference, uint32_t flags, void *user);
typedef void (*TritonResponded)(TritonResult *result, uint32_t flags, void *user);
typedef TritonError *(*TritonAllocate)(TritonAllocator *allocator, const char *output, size_t bytes, int memory_type, int64_t memory_id,
                                       void *user, void **buffer, void **buffer_user, int *actual_type, int64_t *actual_id);
typedef TritonError *(*TritonFree)(TritonAllocator *allocator, void *buffer, void *buffer_user, size_t bytes, int memory_type,
                                   int64_t memory_id);
typedef TritonError *(*TritonStart)(TritonAllocator *allocator, void *user);

#define INFERENCE(name) TRITONSERVER_InferenceRequest##name
#define RESULT(name) TRITONSERVER_InferenceResponse##name

extern int TRITONSERVER_ErrorCode(TritonError *error) WEAK;
extern TritonError *TRITONBACKEND_ModelServer(TritonModel *model, TritonServer **server) WEAK;
/* trace NULL: the request has none. */
extern TritonError *TRITONBACKEND_RequestTrace(TritonRequest *request, TritonTrace **trace) WEAK;
extern TritonError *TRITONSERVER_InferenceTraceSpawnChildTrace(TritonTrace *trace, TritonTrace **child) WEAK;

extern TritonError *TRITONSERVER_ResponseAllocatorNew(TritonAllocator **allocator, TritonAllocate allocate, TritonFree release,
                                                      TritonStart start) WEAK;
extern TritonError *TRITONSERVER_ResponseAllocatorDelete(TritonAllocator *allocator) WEAK;
/* Takes the trace in any case, and the request when it succeeds. */
extern TritonError *TRITONSERVER_ServerInferAsync(TritonServer *server, TritonInference *inference, TritonTrace *trace) WEAK;

extern TritonError *INFERENCE(New)(TritonInference **inference, TritonServer *server, const char *model, int64_t version) WEAK;
extern TritonError *INFERENCE(Delete)(TritonInference *inference) WEAK;
extern TritonError *INFERENCE(Cancel)(TritonInference *inference) WEAK;
extern TritonError *INFERENCE(SetId)(TritonInference *inference, const char *id) WEAK;
extern TritonError *INFERENCE(SetFlags)(TritonInference *inference, uint32_t flags) WEAK;
extern TritonError *INFERENCE(SetCorrelationId)(TritonInference *inference, uint64_t id) WEAK;
extern TritonError *INFERENCE(SetPriorityUInt64)(TritonInference *inference, uint64_t priority) WEAK;
extern TritonError *INFERENCE(SetTimeoutMicroseconds)(TritonInference *inference, uint64_t timeout) WEAK;
extern TritonError *INFERENCE(SetStringParameter)(TritonInference *inference, const char *name, const char *value) WEAK;
extern TritonError *INFERENCE(SetIntParameter)(TritonInference *inference, const char *name, int64_t value) WEAK;
extern TritonError *INFERENCE(SetBoolParameter)(TritonInference *inference, const char *name, bool value) WEAK;
extern TritonError *INFERENCE(SetDoubleParameter)(TritonInference *inference, const char *name, double value) WEAK;
extern TritonError *INFERENCE(AddInput)(TritonInference *inference, const char *name, int data_type, const int64_t *shape,
                                        uint64_t rank) WEAK;
extern TritonError *INFERENCE(AppendInputData)(TritonInference *inference, const char *name, const void *bytes, size_t length,
                                               int memory_type, int64_t memory_id) WEAK;
extern TritonError *INFERENCE(AddRequestedOutput)(TritonInference *inference, const char *name) WEAK;
extern TritonError *INFERENCE(SetReleaseCallback)(TritonInference *inference, TritonReleased released, void *user) WEAK;
extern TritonError *INFERENCE(SetResponseCallback)(TritonInference *inference, TritonAllocator *allocator, void *allocator_user,
                                                   TritonResponded responded, void *user) WEAK;

/* The result owns the error. */
extern TritonError *RESULT(Error)(TritonResult *result) WEAK;
extern TritonError *RESULT(Delete)(TritonResult *result) WEAK;
extern TritonError *RESULT(OutputCount)(TritonResult *result, uint32_t *count) WEAK;
extern TritonError *RESULT(Output)(TritonResult *result, uint32_t index, const char **name, int *data_type, const int64_t **shape,
                                   uint64_t *rank, const void **bytes, size_t *length, int *memory_type, int64_t *memory_id,
                                   void **buffer_user) WEAK;
extern TritonError *RESULT(ParameterCount)(TritonResult *result, uint32_t *count) WEAK;
extern TritonError *RESULT(Parameter)(TritonResult *result, uint32_t index, const char **name, int *type, const void **value) WEAK;

#endif
