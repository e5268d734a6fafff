/* Makes one system call of a process fail, or all from then on, where it concerns a file of a chosen folder. Preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <unistd.h>

enum { ONCE, LASTING, SHORT }; /* SHORT: half of a write is done, and no error is given */

static char folder[256], call[32];
static long seen, strike, struck;
static int manner, number;

void calls_arm(const char *part_of_path, const char *name, long nth, int how, int error) {
    strncpy(folder, part_of_path, sizeof folder - 1);
    strncpy(call, name, sizeof call - 1);
    seen = struck = 0, strike = nth, manner = how, number = error;
}

long calls_struck(void) { return struck; }

/* Whether a call on this path is to fail. */
static int fails(const char *name, const char *path) {
    if (!folder[0] || strcmp(name, call) || !path || !strstr(path, folder)) return 0;
    long now = __sync_add_and_fetch(&seen, 1);
    if (manner == LASTING ? now < strike : now != strike) return 0;
    struck++;
    return 1;
}

static int fails_on(const char *name, int fd) {
    char link[64], path[4096];
    if (!folder[0] || strcmp(name, call)) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return fails(name, path);
}

#define REAL(type, name) \
    static type real; \
    if (!real) real = (type)dlsym(RTLD_NEXT, name)
#define FAIL return errno = number, -1

typedef ssize_t (*Write)(int, const void *, size_t);
typedef ssize_t (*Pwrite)(int, const void *, size_t, off_t);
typedef int (*OnFile)(int);
typedef int (*Truncate)(int, off_t);
typedef int (*Rename)(const char *, const char *);
typedef int (*Open)(const char *, int, ...);
typedef int (*OpenAt)(int, const char *, int, ...);
typedef void *(*Map)(void *, size_t, int, int, int, off_t);

ssize_t write(int fd, const void *from, size_t size) {
    REAL(Write, "write");
    if (!fails_on("write", fd)) return real(fd, from, size);
    if (manner == SHORT && size > 1) return real(fd, from, size / 2);
    FAIL;
}

#define PWRITE(name) \
    ssize_t name(int fd, const void *from, size_t size, off_t at) { \
        REAL(Pwrite, #name); \
        if (!fails_on("write", fd)) return real(fd, from, size, at); \
        if (manner == SHORT && size > 1) return real(fd, from, size / 2, at); \
        FAIL; \
    }
PWRITE(pwrite)
PWRITE(pwrite64)

#define ON_FILE(name) \
    int name(int fd) { \
        REAL(OnFile, #name); \
        if (fails_on(#name, fd)) FAIL; \
        return real(fd); \
    }
ON_FILE(fsync)
ON_FILE(fdatasync)

int close(int fd) {
    REAL(OnFile, "close");
    int bad = fails_on("close", fd), result = real(fd); /* Linux closes it in either case */
    if (bad) FAIL;
    return result;
}

#define TRUNCATE(name) \
    int name(int fd, off_t size) { \
        REAL(Truncate, #name); \
        if (fails_on("ftruncate", fd)) FAIL; \
        return real(fd, size); \
    }
TRUNCATE(ftruncate)
TRUNCATE(ftruncate64)

int rename(const char *from, const char *to) {
    REAL(Rename, "rename");
    if (fails("rename", to)) FAIL;
    return real(from, to);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(Open, #name); \
        va_list more; \
        va_start(more, flags); \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0; \
        va_end(more); \
        if (fails("open", path)) FAIL; \
        return real(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

#define OPEN_AT(name) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(OpenAt, #name); \
        va_list more; \
        va_start(more, flags); \
        int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, int) : 0; \
        va_end(more); \
        if (fails("open", path)) FAIL; \
        return real(at, path, flags, mode); \
    }
OPEN_AT(openat)
OPEN_AT(openat64)

#define MAP(name) \
    void *name(void *where, size_t size, int protection, int flags, int fd, off_t at) { \
        REAL(Map, #name); \
        if (fd >= 0 && fails_on("mmap", fd)) return errno = number, MAP_FAILED; \
        return real(where, size, protection, flags, fd, at); \
    }
MAP(mmap)
MAP(mmap64)
