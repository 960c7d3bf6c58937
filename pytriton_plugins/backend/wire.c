/* Sizes of data types and shapes. */
#include "wire.h"

uint32_t wire_item_size(uint32_t dtype) {
  static const uint8_t SIZES[] = {
      [WIRE_TYPE_BOOL] = 1, [WIRE_TYPE_UINT8] = 1, [WIRE_TYPE_UINT16] = 2, [WIRE_TYPE_UINT32] = 4, [WIRE_TYPE_UINT64] = 8,
      [WIRE_TYPE_INT8] = 1, [WIRE_TYPE_INT16] = 2, [WIRE_TYPE_INT32] = 4,  [WIRE_TYPE_INT64] = 8,  [WIRE_TYPE_FP16] = 2,
      [WIRE_TYPE_FP32] = 4, [WIRE_TYPE_FP64] = 8,  [WIRE_TYPE_BYTES] = 0,  [WIRE_TYPE_BF16] = 2,
  };
  return dtype < sizeof SIZES ? SIZES[dtype] : 0;
}

int wire_element_count(const int64_t *dims, uint32_t rank, uint64_t *count) {
  uint64_t product = 1;
  for (uint32_t i = 0; i < rank; i++) {
    if (dims[i] < 0 || __builtin_mul_overflow(product, (uint64_t)dims[i], &product)) return 0;
  }
  *count = product;
  return 1;
}
