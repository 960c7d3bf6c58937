/* Sizes of data types and shapes. */
#include "wire.h"

uint32_t wire_item_size(uint32_t dtype) {
  static const uint8_t sizes[] = {0, 1, 1, 2, 4, 8, 1, 2, 4, 8, 2, 4, 8, 0, 2};
  return dtype < sizeof sizes ? sizes[dtype] : 0;
}

int wire_element_count(const int64_t *dims, uint32_t rank, uint64_t *count) {
  uint64_t product = 1;
  for (uint32_t i = 0; i < rank; i++) {
    if (dims[i] < 0 || __builtin_mul_overflow(product, (uint64_t)dims[i], &product)) return 0;
  }
  *count = product;
  return 1;
}
