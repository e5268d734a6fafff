/* Counts the writes of a process to one file; makes one of them fail, kills the process in it, or slows them. Preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

enum { KILL_BEFORE, KILL_HALFWAY, KILL_AFTER, FAIL_ONCE, FAIL_FROM_THEN_ON, SLOW_FROM_THEN_ON };

static char wanted[256];
static long seen, strike;
static int manner, number;

void writes_arm(const char *part_of_name, long nth, int how, int error) {
    strncpy(wanted, part_of_name, sizeof wanted - 1);
    seen = 0, strike = nth, manner = how, number = error;
}

long writes_seen(void) { return seen; }

static int ours(int fd) {
    char link[64], name[4096];
    if (!wanted[0]) return 0;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0) return 0;
    name[length] = 0;
    return strstr(name, wanted) != NULL;
}

typedef ssize_t (*Pwrite)(int, const void *, size_t, off_t);
typedef int (*Truncate)(int, off_t);

static ssize_t struck(Pwrite real, int fd, const void *from, size_t size, off_t at) {
    if (!ours(fd)) return real(fd, from, size, at);
    long now = ++seen;
    if (manner == FAIL_FROM_THEN_ON ? now >= strike : manner == FAIL_ONCE && now == strike) {
        errno = number;
        return -1;
    }
    if (manner == SLOW_FROM_THEN_ON && now >= strike) usleep(number);
    if (now != strike || manner >= FAIL_ONCE) return real(fd, from, size, at);
    /* The kernel looks for a deadly signal between two pages. */
    off_t page = (at + (off_t)size - 1) / 4096 * 4096;
    if (manner == KILL_HALFWAY && page > at) real(fd, from, page - at, at);
    if (manner == KILL_AFTER) real(fd, from, size, at);
    kill(getpid(), SIGKILL);
    for (;;) pause();
}

ssize_t pwrite(int fd, const void *from, size_t size, off_t at) {
    static Pwrite real;
    if (!real) real = (Pwrite)dlsym(RTLD_NEXT, "pwrite");
    return struck(real, fd, from, size, at);
}

ssize_t pwrite64(int fd, const void *from, size_t size, off_t at) {
    static Pwrite real;
    if (!real) real = (Pwrite)dlsym(RTLD_NEXT, "pwrite64");
    return struck(real, fd, from, size, at);
}

static int cut(Truncate real, int fd, off_t size) {
    if (!ours(fd)) return real(fd, size);
    long now = ++seen;
    if (manner == FAIL_FROM_THEN_ON ? now >= strike : manner == FAIL_ONCE && now == strike) {
        errno = number;
        return -1;
    }
    if (now == strike && manner < FAIL_ONCE) {
        if (manner == KILL_AFTER) real(fd, size);
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
    return real(fd, size);
}

int ftruncate(int fd, off_t size) {
    static Truncate real;
    if (!real) real = (Truncate)dlsym(RTLD_NEXT, "ftruncate");
    return cut(real, fd, size);
}

int ftruncate64(int fd, off_t size) {
    static Truncate real;
    if (!real) real = (Truncate)dlsym(RTLD_NEXT, "ftruncate64");
    return cut(real, fd, size);
}
