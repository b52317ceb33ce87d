/* Put before the C library of a program: ends it where it asks for random numbers in a way that waits for entropy, as a
 * machine has none right after its start, and says at the end how often it asked otherwise. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef GRND_INSECURE
#define GRND_INSECURE 4
#endif

static int asked;

static void refuse(const char *how) {
    fprintf(stderr, "waits for entropy: %s\n", how);
    abort();
}

ssize_t getrandom(void *buffer, size_t length, unsigned int flags) {
    if (!(flags & (GRND_NONBLOCK | GRND_INSECURE))) refuse("getrandom without GRND_NONBLOCK");
    __atomic_add_fetch(&asked, 1, __ATOMIC_RELAXED);
    return syscall(SYS_getrandom, buffer, length, flags);
}

int getentropy(void *buffer, size_t length) {
    (void)buffer, (void)length;
    refuse("getentropy");
    return -1;
}

int open64(const char *path, int flags, ...) {
    va_list arguments;
    va_start(arguments, flags);
    int mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(arguments, int) : 0;
    va_end(arguments);
    if (strcmp(path, "/dev/random") == 0) refuse("/dev/random");
    int (*next)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open64");
    return next(path, flags, mode);
}

__attribute__((destructor)) static void say(void) {
    fprintf(stderr, "asked %d times for what is there\n", asked);
}
