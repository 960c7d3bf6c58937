/* Checks, maps and trims segments. */
#define _GNU_SOURCE
#include "segment.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

/* Without these seals the peer can shrink the file, which raises SIGBUS in tritonserver. */
static const int REQUIRED_SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW;

/* A read of a hole in a file of huge pages raises SIGBUS when no huge page is free, whether the file is sealed or not. */
static const uint64_t HUGETLBFS_TYPE = 0x958458f6; /* HUGETLBFS_MAGIC */

static const char *check(int descriptor, struct stat *status) {
  int seals = fcntl(descriptor, F_GET_SEALS);
  if (seals < 0 || (seals & REQUIRED_SEALS) != REQUIRED_SEALS) return "the descriptor of a segment lacks its seals";
  if (fstat(descriptor, status) != 0 || !S_ISREG(status->st_mode) || status->st_size <= 0)
    return "the descriptor of a segment is not a memory file";
  struct statfs system;
  if (fstatfs(descriptor, &system) != 0 || (uint64_t)system.f_type == HUGETLBFS_TYPE) return "the descriptor of a segment has huge pages";
  return NULL;
}

static Mapping *map(int descriptor, uint64_t size, bool writable) {
  Mapping *mapping = malloc(sizeof *mapping);
  void *bytes = MAP_FAILED;
  if (mapping != NULL) bytes = mmap(NULL, size, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, descriptor, 0);
  if (bytes == MAP_FAILED) {
    free(mapping);
    return NULL;
  }
  atomic_init(&mapping->references, 1);
  atomic_init(&mapping->lingering, 0);
  mapping->bytes = bytes;
  mapping->size = size;
  return mapping;
}

const char *segment_open(Segment *segment, uint32_t number, int descriptor, bool writable) {
  struct stat status;
  const char *refusal = check(descriptor, &status);
  Mapping *mapping = NULL;
  if (refusal == NULL) {
    mapping = map(descriptor, (uint64_t)status.st_size, writable);
    if (mapping == NULL) refusal = "a segment cannot be mapped: no address space or memory left";
  }
  if (refusal != NULL) {
    close(descriptor);
    return refusal;
  }
  *segment = (Segment){number, descriptor, mapping->bytes, mapping->size, mapping};
  return NULL;
}

Mapping *segment_share(const Segment *segment) {
  if (segment->mapping != NULL) atomic_fetch_add(&segment->mapping->references, 1);
  return segment->mapping;
}

void mapping_release(Mapping *mapping) {
  if (mapping == NULL || atomic_fetch_sub(&mapping->references, 1) > 1) return;
  munmap(mapping->bytes, mapping->size);
  free(mapping);
}

void segment_trim(const Segment *segment) {
  if (segment->bytes != NULL) madvise(segment->bytes, segment->size, MADV_REMOVE);
}

void segment_close(Segment *segment) {
  mapping_release(segment->mapping);
  if (segment->descriptor >= 0) close(segment->descriptor);
  *segment = (Segment){.descriptor = -1};
}
