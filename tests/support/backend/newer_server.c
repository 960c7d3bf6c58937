/* Put before tritonserver's libraries it does what newer servers do when they are asked whether they are ready: it asks
 * each instance of each model. Whoever connects to the socket NEWER_SERVER gets a line for each: "ready", or why not. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef void *(*SetState)(void *instance, void *state);
typedef void *(*Ready)(void *instance);
typedef const char *(*Message)(void *error);

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static void *instances[256];
static int count;
static Ready ready;

void *TRITONBACKEND_ModelInstanceSetState(void *instance, void *state) {
  Dl_info caller;
  pthread_mutex_lock(&lock);
  if (ready == NULL && dladdr(__builtin_return_address(0), &caller))
    ready = (Ready)dlsym(dlopen(caller.dli_fname, RTLD_LAZY | RTLD_NOLOAD), "TRITONBACKEND_ModelInstanceReady");
  if (state != NULL && count < 256) instances[count++] = instance;
  for (int i = 0; state == NULL && i < count; i++)
    if (instances[i] == instance) instances[i--] = instances[--count];
  pthread_mutex_unlock(&lock);
  return ((SetState)dlsym(RTLD_NEXT, "TRITONBACKEND_ModelInstanceSetState"))(instance, state);
}

static void answer(int client) {
  Message message = (Message)dlsym(RTLD_DEFAULT, "TRITONSERVER_ErrorMessage");
  pthread_mutex_lock(&lock);
  for (int i = 0; i < count; i++) {
    void *error = ready == NULL ? NULL : ready(instances[i]);
    dprintf(client, "%s\n", ready == NULL ? "unknown" : error == NULL ? "ready" : message(error));
  }
  pthread_mutex_unlock(&lock);
  close(client);
}

static void *listen_for_ever(void *path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  int server = socket(AF_UNIX, SOCK_STREAM, 0);
  strncpy(address.sun_path, path, sizeof address.sun_path - 1);
  unlink(path);
  if (bind(server, (struct sockaddr *)&address, sizeof address) != 0 || listen(server, 8) != 0) abort();
  for (;;) {
    int client = accept(server, NULL, NULL);
    if (client >= 0) answer(client);
  }
}

__attribute__((constructor)) static void start(void) {
  pthread_t thread;
  const char *path = getenv("NEWER_SERVER");
  if (path != NULL && pthread_create(&thread, NULL, listen_for_ever, (void *)path) != 0) abort();
}
