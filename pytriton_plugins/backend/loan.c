/* Finds the client's file behind a pointer of Triton, and opens it for the worker. */
#define _GNU_SOURCE
#include "loan.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "clock.h"

/* Below this size a copy is cheaper than the query. */
enum { MIN_LOAN_BYTES = 1 << 16 };
/* A loan keeps the client's memory in use, also after the client has exited. */
enum { LOAN_TIMEOUT_MS = 5000 };
static const uint64_t TMPFS_TYPE = 0x01021994; /* TMPFS_MAGIC */
enum { MAX_PATH = 256 };

/* The argument of the kernel's PROCMAP_QUERY (Linux 6.11), which finds the mapping of an address. */
typedef struct {
  uint64_t size, wanted, address, start, end, flags, page_size, offset, file;
  uint32_t major, minor, name_size, build_id_size;
  uint64_t name, build_id;
} MappingQuery;

static const unsigned long PROCMAP_QUERY = _IOWR('f', 17, MappingQuery);
enum { MAPPING_SHARED = 8 };

static int maps = -1;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void open_maps(void) {
  maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
}

static bool same_window(const Window *one, const Window *other) {
  return one->device == other->device && one->file == other->file && one->offset == other->offset && one->length == other->length;
}

/* Finds the window that contains the bytes, their offset in it, and the path of its file. False: not a client's file, or
 * an older kernel. */
static bool find_window(const uint8_t *bytes, uint64_t length, Window *window, uint64_t *offset, char *path) {
  MappingQuery query = {.size = sizeof query, .address = (uintptr_t)bytes, .name = (uintptr_t)path, .name_size = MAX_PATH};
  pthread_once(&once, open_maps);
  if (maps < 0 || ioctl(maps, PROCMAP_QUERY, &query) != 0) return false;
  if (query.file == 0 || query.name_size == 0 || !(query.flags & MAPPING_SHARED)) return false;
  *offset = query.address - query.start;
  *window = (Window){makedev(query.major, query.minor), query.file, query.offset, query.end - query.start};
  return *offset % WIRE_ALIGNMENT == 0 && length <= window->length - *offset;
}

static int open_file(const char *path, const Window *window) {
  struct stat status;
  struct statfs system;
  int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  if (descriptor < 0) return -1;
  if (fstat(descriptor, &status) == 0 && S_ISREG(status.st_mode) && status.st_dev == window->device && status.st_ino == window->file &&
      fstatfs(descriptor, &system) == 0 && (uint64_t)system.f_type == TMPFS_TYPE)
    return descriptor;
  close(descriptor); /* the path now names another file */
  return -1;
}

/* Whether an earlier batch used the window; `now` identifies the current batch. */
static bool was_seen(Loans *loans, const Window *window, uint64_t now) {
  enum { SEEN_COUNT = sizeof loans->seen / sizeof *loans->seen };
  for (uint32_t i = 0; i < SEEN_COUNT; i++)
    if (same_window(&loans->seen[i].window, window)) return loans->seen[i].at != now;
  loans->seen[loans->next_seen++ % SEEN_COUNT] = (Seen){*window, now};
  return false;
}

static Loan *unused_loan(Loans *loans) {
  for (uint32_t i = 0; i < WIRE_MAX_LOANS; i++)
    if (loans->loans[i].window.length == 0) return &loans->loans[i];
  return NULL;
}

static Loan *find_loan(Loans *loans, const Window *window, const char *path, uint64_t now) {
  for (uint32_t i = 0; i < WIRE_MAX_LOANS; i++)
    if (same_window(&loans->loans[i].window, window)) return &loans->loans[i];
  Loan *loan = was_seen(loans, window, now) ? unused_loan(loans) : NULL;
  int descriptor = loan == NULL ? -1 : open_file(path, window);
  if (descriptor < 0) return NULL;
  *loan = (Loan){.window = *window, .descriptor = descriptor};
  loans->unsent++;
  return loan;
}

static void lend_input(Loans *loans, Part *part, uint64_t now) {
  char path[MAX_PATH];
  Window window;
  uint64_t offset;
  const uint8_t *bytes = part_bytes(part);
  if (bytes == NULL || !find_window(bytes, part->bytes, &window, &offset, path)) return;
  Loan *loan = find_loan(loans, &window, path, now);
  if (loan == NULL) return;
  loan->used = now;
  part->lent = bytes;
  part->loan = (uint32_t)(loan - loans->loans) + 1;
  part->loan_offset = offset;
}

void loans_init(Loans *loans) {
  *loans = (Loans){0};
  for (uint32_t i = 0; i < WIRE_MAX_LOANS; i++) loans->loans[i].descriptor = -1;
}

void loans_create(Loans *loans, Batch *batch) {
  const Declaration *declaration = batch->declaration;
  if (!declaration->lend || batch->count != 1) return;
  uint64_t now = clock_ns();
  for (uint32_t i = 0; i < declaration->input_count; i++) {
    Part *part = batch_part(batch, 0, i);
    part->loan = 0;
    if (part->input != NULL && declaration->inputs[i].item_size != 0 && part->bytes >= MIN_LOAN_BYTES) lend_input(loans, part, now);
  }
}

void loans_mark_sent(Loans *loans, Loan *loan) {
  close(loan->descriptor);
  loan->descriptor = -1;
  loans->unsent--;
}

static void revoke_loan(Loans *loans, Loan *loan) {
  if (loan->descriptor >= 0) loans_mark_sent(loans, loan);
  loan->window.length = 0;
}

void loans_revoke_all(Loans *loans) {
  for (uint32_t i = 0; i < WIRE_MAX_LOANS; i++) revoke_loan(loans, &loans->loans[i]);
}

uint32_t loans_expire(Loans *loans, uint64_t now) {
  for (uint32_t i = 0; i < WIRE_MAX_LOANS; i++) {
    Loan *loan = &loans->loans[i];
    if (loan->window.length == 0 || now - loan->used < LOAN_TIMEOUT_MS * NS_PER_MS) continue;
    revoke_loan(loans, loan);
    return i + 1;
  }
  return 0;
}
