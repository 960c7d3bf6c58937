/* Every binary layout of docs/reference/protocol.md. All processes run on the same machine and are little-endian. */
#ifndef PYTRITON_WIRE_H
#define PYTRITON_WIRE_H

#include <assert.h>
#include <stdint.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "docs/reference/protocol.md is little-endian"
#endif

enum { WIRE_VERSION = 1, WIRE_MAX_RANK = 8, WIRE_MAX_MESSAGE = 65536, WIRE_MAX_ERROR_TEXT = 4096 };
enum { WIRE_ALIGNMENT = 64, WIRE_BLOCK_ALIGNMENT = 8, WIRE_MAX_LOANS = 8 };          /* of tensors; of blocks */
enum { WIRE_MAX_LABELS = 16, WIRE_MAX_BUCKETS = 64, WIRE_MAX_OBSERVATIONS = 65536 }; /* of one metric in a message */
/* Data types have the numbers of Triton. */
enum WireDataType {
  WIRE_TYPE_BOOL = 1,
  WIRE_TYPE_UINT8,
  WIRE_TYPE_UINT16,
  WIRE_TYPE_UINT32,
  WIRE_TYPE_UINT64,
  WIRE_TYPE_INT8,
  WIRE_TYPE_INT16,
  WIRE_TYPE_INT32,
  WIRE_TYPE_INT64,
  WIRE_TYPE_FP16,
  WIRE_TYPE_FP32,
  WIRE_TYPE_FP64,
  WIRE_TYPE_BYTES,
  WIRE_TYPE_BF16
};

enum WireChannelKind {
  WIRE_EXECUTE = 1,
  WIRE_DONE,
  WIRE_SEGMENT,
  WIRE_LOAN,
  WIRE_FORGET,
  WIRE_TRIM,
  WIRE_PART,
  WIRE_TAKEN,
  WIRE_CANCEL,
  WIRE_CALL,
  WIRE_RESULT,
  WIRE_ROOM,
  WIRE_ABANDON
};
enum WireChannelFlag {
  WIRE_NEW_SEGMENT = 1,
  WIRE_RETIRED = 2,
  WIRE_NEW_LOAN = 4,
  WIRE_CANCELLED = 8,
  WIRE_FINAL = 16,
  WIRE_NO_ROOM = 32,
  WIRE_LINGERS = 64
};
enum WireCallFlag { WIRE_CALL_STREAM = 1, WIRE_CALL_START = 2, WIRE_CALL_END = 4, WIRE_CALL_FLAGS = 7 };
enum WireCallPlace { WIRE_IN_CALL_SEGMENT, WIRE_IN_REQUEST_SEGMENT };
/* Open calls of a channel; calls that ended for the worker, but not for the called model; waiting responses of a call. */
enum { WIRE_MAX_CALLS = 64, WIRE_MAX_LINGERING = 64, WIRE_MAX_HELD = 1024, WIRE_MAX_HELD_BYTES = 64 << 20 };
enum { WIRE_MAX_MODEL_NAME = 255 };
enum WireTensorFlag { WIRE_IN_REQUEST = 1, WIRE_IN_CALLS = 2 };
enum { WIRE_LOAN_SHIFT = 8 }; /* the bits above of the flags of a tensor: the number of a loan */
enum WireParameterType { WIRE_STRING = 1, WIRE_INT = 2, WIRE_BOOL = 3, WIRE_DOUBLE = 4 };
enum WireCorrelationKind { WIRE_NO_CORRELATION = 0, WIRE_NUMBER = 1, WIRE_TEXT = 2 };
enum WireSequenceFlag { WIRE_SEQUENCE_START = 1, WIRE_SEQUENCE_END = 2 };
enum WireOutcomeCode { WIRE_OUTCOME_OK = 0, WIRE_OUTCOME_UNKNOWN = 8 }; /* others are Triton's codes; Triton's UNKNOWN is 0 */
enum { WIRE_MAX_PARAMETERS = 64, WIRE_MAX_PARAMETER_NAME = 256, WIRE_MAX_PARAMETER_VALUE = 4096 }; /* of a response */

enum WireLinkKind {
  LINK_HELLO = 1,
  LINK_MODEL,
  LINK_CHANNEL,
  LINK_CHANNEL_GONE,
  LINK_SEGMENT,
  LINK_REFUSED,
  LINK_GATE,
  LINK_STOP,
  LINK_GIVE_UP,
  LINK_COUNT,
  LINK_RETIRE,
  LINK_METRIC,
  LINK_BUSY,
  LINK_ENSEMBLE,
  LINK_BACKEND_HELLO = 101,
  LINK_ACK,
  LINK_NEED,
  LINK_CHANNEL_LOST,
  LINK_MODEL_GONE
};
enum WireDeclarationFlag {
  DECLARED_BATCHED = 1,
  DECLARED_LOOPBACK = 2,
  DECLARED_LEND = 4,
  DECLARED_DETAILS = 8,
  DECLARED_STREAM = 16,
  DECLARED_APART = 32,
  DECLARED_AWAITS = 64,
  DECLARED_SPARE = 128,
  DECLARED_OWN_TIMEOUTS = 256,
  DECLARED_LENIENT = 512,
  DECLARED_SEQUENCE = 2048,
  DECLARED_SHARED = 4096
};
enum WireDeclaredTensorFlag { DECLARED_OPTIONAL = 1 };
enum WireMetricKind { METRIC_COUNTER = 1, METRIC_GAUGE, METRIC_HISTOGRAM };

typedef struct {
  uint32_t kind, flags, slot, segment;
  uint64_t batch, offset, length;
} WireChannelMessage;

/* Followed by the payload, as in RESULT. */
typedef struct {
  uint32_t flags, model_length;
  int64_t version;
  uint64_t timeout_us, priority, correlation;
  uint32_t input_count, output_count, parameter_count, id_length;
  uint64_t area_offset, area_length;
  uint8_t reserved[24];
} WireCall;

/* An input of a call or an output of a result; place is 0 in a result. Followed by the dims and the name. */
typedef struct {
  uint8_t dtype, rank;
  uint16_t name_length;
  uint32_t place;
  uint64_t offset, length;
} WireCallTensor;

typedef struct {
  uint64_t offset, length;
} WireRoom;

typedef struct {
  uint32_t code, output_count, parameter_count, text_length;
  uint64_t needed;
  uint32_t response, reserved;
} WireResult;

typedef struct {
  char magic[4];
  uint16_t version, flags;
  uint32_t length, request_count, input_count, rows;
  uint64_t details;
  uint8_t reserved[32];
} WireRequestHeader;

/* Followed by a bit for each output, in words of 64. */
typedef struct {
  uint32_t rows, flags;
} WireRequest;

typedef struct {
  uint32_t index;
  uint8_t dtype, rank;
  uint16_t flags;
  uint32_t first, count;
  uint64_t offset, length;
  int64_t dims[WIRE_MAX_RANK];
} WireTensor;

typedef struct {
  uint64_t length;
  uint32_t count, reserved;
} WireDetails;

typedef struct {
  uint32_t length, correlation_kind;
  uint64_t correlation;
  uint32_t id_length, text_length, parameter_count, flags;
  uint64_t timeout_us;
} WireDetail;

typedef struct {
  uint32_t type, name_length, value_length, reserved;
} WireParameter;

typedef struct {
  char magic[4];
  uint16_t version, flags;
  uint32_t length, request_count, output_count, parameter_count;
  uint8_t reserved[8];
} WireResponseHeader;

typedef struct {
  uint32_t request, type, name_length, value_length;
  uint64_t offset;
} WireResponseParameter;

typedef struct {
  uint32_t code, length;
  uint64_t offset;
} WireOutcome;

typedef struct {
  uint32_t kind, model, channel, segment;
  uint64_t token, value;
} WireLink;

typedef struct {
  uint32_t flags, version, wait_ms, name_length, input_count, output_count;
  uint64_t largest_response;
  uint32_t max_rows, timeout_ms, trim_ms, queue_ms, queue_size, delay_us, preferred_count, reserved;
} WireDeclaration;

/* With the flag DECLARED_SEQUENCE, after the declaration. */
typedef struct {
  uint32_t max_live, max_idle_ms;
} WireDeclaredSequence;

typedef struct {
  uint8_t dtype, rank;
  uint16_t flags;
  uint32_t name_length;
} WireDeclaredTensor;

typedef struct {
  uint8_t kind, labels;
  uint16_t buckets, help_length, name_length;
  uint32_t changes, reserved;
} WireMetric;

typedef struct {
  double value;
  uint64_t count;
} WireChange;

typedef struct {
  uint16_t name_length, value_length;
} WireLabel;

/* Followed by the name, and by the steps. */
typedef struct {
  int64_t version;
  uint32_t name_length, step_count;
} WireEnsemble;

/* Followed by the name of the model. */
typedef struct {
  int64_t version;
  uint32_t name_length, reserved;
} WireEnsembleStep;

static_assert(sizeof(WireChannelMessage) == 40, "docs/reference/protocol.md");
static_assert(sizeof(WireCall) == 96, "docs/reference/protocol.md");
static_assert(sizeof(WireCallTensor) == 24, "docs/reference/protocol.md");
static_assert(sizeof(WireRoom) == 16, "docs/reference/protocol.md");
static_assert(sizeof(WireResult) == 32, "docs/reference/protocol.md");
static_assert(sizeof(WireRequestHeader) == 64, "docs/reference/protocol.md");
static_assert(sizeof(WireRequest) == 8, "docs/reference/protocol.md");
static_assert(sizeof(WireTensor) == 96, "docs/reference/protocol.md");
static_assert(sizeof(WireDetails) == 16, "docs/reference/protocol.md");
static_assert(sizeof(WireDetail) == 40, "docs/reference/protocol.md");
static_assert(sizeof(WireParameter) == 16, "docs/reference/protocol.md");
static_assert(sizeof(WireResponseHeader) == 32, "docs/reference/protocol.md");
static_assert(sizeof(WireResponseParameter) == 24, "docs/reference/protocol.md");
static_assert(sizeof(WireOutcome) == 16, "docs/reference/protocol.md");
static_assert(sizeof(WireLink) == 32, "docs/reference/protocol.md");
static_assert(sizeof(WireDeclaration) == 64, "docs/reference/protocol.md");
static_assert(sizeof(WireDeclaredSequence) == 8, "docs/reference/protocol.md");
static_assert(sizeof(WireDeclaredTensor) == 8, "docs/reference/protocol.md");
static_assert(sizeof(WireEnsemble) == 16, "docs/reference/protocol.md");
static_assert(sizeof(WireEnsembleStep) == 16, "docs/reference/protocol.md");
static_assert(sizeof(WireMetric) == 16, "docs/reference/protocol.md");
static_assert(sizeof(WireChange) == 16, "docs/reference/protocol.md");
static_assert(sizeof(WireLabel) == 4, "docs/reference/protocol.md");

/* Bytes of one element, or 0 for BYTES and unknown types. */
uint32_t wire_item_size(uint32_t dtype);

/* Number of elements of a shape; false on a negative dimension or overflow. */
int wire_element_count(const int64_t *dims, uint32_t rank, uint64_t *count);

static inline uint64_t wire_aligned(uint64_t position) {
  return (position + WIRE_ALIGNMENT - 1) & ~(uint64_t)(WIRE_ALIGNMENT - 1);
}

#endif
