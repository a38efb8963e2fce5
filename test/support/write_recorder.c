/* Records what a process writes to files below RECORDED_FOLDER, in order, as a storage device sees it.

   Loaded with LD_PRELOAD by test/storage/test_power_loss.py. Each record in RECORDED_TRACE: kind
   (w = write, t = truncate, s = sync, u = unlink, r = rename), offset, size, length of the name,
   the name, then the data (of a rename: the new name). */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

struct record {
  char kind;
  int64_t offset, size;
  int32_t name_size;
} __attribute__((packed));

static int trace = -1;

static ssize_t real_write(int fd, const void *data, size_t size) {
  static ssize_t (*call)(int, const void *, size_t);
  if (!call) call = dlsym(RTLD_NEXT, "write");
  return call(fd, data, size);
}

static const char *recorded(const char *path) {
  const char *folder = getenv("RECORDED_FOLDER");
  if (!folder || strncmp(path, folder, strlen(folder)) != 0 || path[strlen(folder)] != '/') return NULL;
  const char *name = path + strlen(folder) + 1;
  size_t length = strlen(name);
  if (length > 4 && strcmp(name + length - 4, "-shm") == 0) return NULL;
  return name;
}

static void record(char kind, const char *name, int64_t offset, const void *data, int64_t size) {
  if (trace < 0) {
    int (*open_file)(const char *, int, ...) = dlsym(RTLD_NEXT, "open");
    trace = open_file(getenv("RECORDED_TRACE"), O_WRONLY | O_CREAT | O_APPEND, 0600);
  }
  struct record head = {kind, offset, size, (int32_t)strlen(name)};
  struct iovec parts[] = {{&head, sizeof head}, {(void *)name, strlen(name)},
                          {(void *)data, data ? (size_t)size : 0}};
  if (writev(trace, parts, 3) < 0) abort();
}

static void record_fd(char kind, int fd, int64_t offset, const void *data, int64_t size) {
  char link[64], path[PATH_MAX];
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return;
  path[length] = 0;
  const char *name = recorded(path);
  if (name) record(kind, name, offset, data, size);
}

#define NEXT(name) if (!call) call = dlsym(RTLD_NEXT, name)

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at) {
  static ssize_t (*call)(int, const void *, size_t, off64_t);
  NEXT("pwrite64");
  ssize_t done = call(fd, data, size, at);
  if (done > 0) record_fd('w', fd, at, data, done);
  return done;
}
ssize_t pwrite(int fd, const void *data, size_t size, off_t at) { return pwrite64(fd, data, size, at); }

ssize_t write(int fd, const void *data, size_t size) {
  off64_t at = lseek64(fd, 0, SEEK_CUR);
  ssize_t done = real_write(fd, data, size);
  if (done > 0 && at >= 0) record_fd('w', fd, at, data, done);
  return done;
}

int ftruncate64(int fd, off64_t size) {
  static int (*call)(int, off64_t);
  NEXT("ftruncate64");
  int result = call(fd, size);
  if (result == 0) record_fd('t', fd, size, NULL, 0);
  return result;
}
int ftruncate(int fd, off_t size) { return ftruncate64(fd, size); }

int fsync(int fd) {
  static int (*call)(int);
  NEXT("fsync");
  int result = call(fd);
  if (result == 0) record_fd('s', fd, 0, NULL, 0);
  return result;
}
int fdatasync(int fd) {
  static int (*call)(int);
  NEXT("fdatasync");
  int result = call(fd);
  if (result == 0) record_fd('s', fd, 0, NULL, 0);
  return result;
}

int unlink(const char *path) {
  static int (*call)(const char *);
  NEXT("unlink");
  int result = call(path);
  const char *name = recorded(path);
  if (result == 0 && name) record('u', name, 0, NULL, 0);
  return result;
}

int rename(const char *from, const char *to) {
  static int (*call)(const char *, const char *);
  NEXT("rename");
  int result = call(from, to);
  const char *name = recorded(from), *other = recorded(to);
  if (result == 0 && name && other) record('r', name, 0, other, (int64_t)strlen(other));
  return result;
}
