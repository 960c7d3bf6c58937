/* sendmsg and recvmsg with EINTR, full sockets, ECONNRESET with data still queued, and truncated messages handled. */
#define _GNU_SOURCE
#include "sockets.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

typedef union {
  char bytes[CMSG_SPACE(sizeof(int) * SOCKETS_MAX_DESCRIPTORS)];
  struct cmsghdr align;
} Ancillary;

static void attach_descriptor(struct msghdr *message, Ancillary *ancillary, int descriptor) {
  memset(ancillary, 0, sizeof *ancillary);
  message->msg_control = ancillary->bytes;
  message->msg_controllen = CMSG_SPACE(sizeof(int));
  struct cmsghdr *header = CMSG_FIRSTHDR(message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  memcpy(CMSG_DATA(header), &descriptor, sizeof(int));
}

bool sockets_send(int socket, const void *data, size_t length, int descriptor, int timeout_ms) {
  struct iovec part = {(void *)data, length};
  struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
  Ancillary ancillary;
  if (descriptor >= 0) attach_descriptor(&message, &ancillary, descriptor);
  for (;;) {
    if (sendmsg(socket, &message, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)length) return true;
    if (errno == EINTR) continue;
    if (errno != EAGAIN || timeout_ms <= 0) return false;
    struct pollfd wait = {.fd = socket, .events = POLLOUT};
    if (poll(&wait, 1, timeout_ms) < 0 && errno != EINTR) return false;
    timeout_ms = 0; /* one retry after the wait */
  }
}

static void collect_descriptors(struct msghdr *message, Descriptors *received) {
  for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
    if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
    size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; i++) {
      int descriptor;
      memcpy(&descriptor, CMSG_DATA(header) + i * sizeof(int), sizeof(int));
      if (received->count < SOCKETS_MAX_DESCRIPTORS)
        received->descriptors[received->count++] = descriptor;
      else
        close(descriptor);
    }
  }
}

long sockets_receive(int socket, void *data, size_t room, Descriptors *received, int flags) {
  received->count = 0;
  bool was_reset = false;
  for (;;) {
    struct iovec part = {data, room};
    Ancillary ancillary;
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = ancillary.bytes, .msg_controllen = sizeof ancillary.bytes};
    ssize_t length = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);
    if (length >= 0) {
      collect_descriptors(&message, received);
      if (length == 0) descriptors_close(received); /* an empty message counts as the end */
      if (length == 0 && was_reset) return SOCKETS_END_UNREAD;
      if (!(message.msg_flags & (MSG_TRUNC | MSG_CTRUNC))) return (long)length;
      descriptors_close(received);
      return SOCKETS_BROKEN;
    }
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return SOCKETS_EMPTY;
    /* The peer closed without reading a message of this side; its own last messages may still be queued. */
    if (errno != ECONNRESET || was_reset) return errno == ECONNRESET ? SOCKETS_END_UNREAD : SOCKETS_BROKEN;
    was_reset = true;
  }
}

void descriptors_close(Descriptors *received) {
  for (int i = 0; i < received->count; i++) close(received->descriptors[i]);
  received->count = 0;
}
