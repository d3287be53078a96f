/*
 * Counts the calls that change files below one folder, and breaks the one that it is told to.
 *
 * Built as a shared library and put before libc with LD_PRELOAD; quiet until fp_arm() is called.
 * At call number `at` (from 1; 0 breaks nothing) it
 *   KILL   ends the process before the call,
 *   TORN   lets half of the bytes of a write through and ends the process,
 *   EIO    lets this one call fail,
 *   ENOSPC lets this call and all later ones that need space fail, until fp_disarm(),
 *   SHORT  lets half of the bytes of a write through and says so, as POSIX allows.
 *
 * A killed process loses nothing that the kernel holds, so fsync is only recorded and never done:
 * what its absence would cost is told from the record. One line per call goes to a descriptor:
 *   number TAB call TAB inode TAB bytes TAB path TAB other path
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { NONE, KILL, TORN, FAIL_EIO, FAIL_ENOSPC, SHORT };
enum need { FREE, SPACE }; /* whether a call can fail because the disk is full */
enum verdict { PASS, FAIL, HALF };

static char folder[PATH_MAX];
static size_t folder_length;
static atomic_int armed, count, broken;
static int at, record = -1;
static enum mode mode;

void fp_arm(const char *below, int number, int how, int descriptor) {
    snprintf(folder, sizeof folder, "%s", below);
    folder_length = strlen(folder);
    at = number;
    mode = how;
    record = descriptor;
    count = broken = 0;
    armed = 1;
}

int fp_count(void) { return count; }

int fp_disarm(void) {
    armed = 0;
    return count;
}

/* ------------------------------------------------------------------ paths */

static int inside(const char *path) {
    return !strncmp(path, folder, folder_length) &&
           (path[folder_length] == '/' || path[folder_length] == '\0');
}

static int path_of_fd(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length > 0 ? length : 0] = '\0';
    return length > 0 && inside(path);
}

static int path_at(int fd, const char *given, char *path) {
    char base[PATH_MAX] = "";
    if (given[0] != '/') {
        if (fd != AT_FDCWD)
            path_of_fd(fd, base);
        else if (!getcwd(base, sizeof base))
            base[0] = '\0';
    }
    int length = given[0] == '/' ? snprintf(path, PATH_MAX, "%s", given)
                                 : snprintf(path, PATH_MAX, "%s/%s", base, given);
    return length < PATH_MAX && inside(path);
}

/* ------------------------------------------------------------------ the decision */

static void die(void) {
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void write_down(int number, const char *call, int fd, long bytes, const char *path,
                       const char *other) {
    char line[2 * PATH_MAX + 128];
    struct stat status;
    unsigned long inode = 0;
    if (record < 0)
        return;
    if ((fd >= 0 ? fstat(fd, &status) : lstat(path, &status)) == 0)
        inode = status.st_ino;
    int length = snprintf(line, sizeof line, "%d\t%s\t%lu\t%ld\t%s\t%s\n", number, call, inode,
                          bytes, path, other);
    syscall(SYS_write, record, line, length);
}

/* `bytes` is negative for what is no write. */
static enum verdict hit(const char *call, enum need need, int fd, long bytes, const char *path,
                        const char *other) {
    int number = atomic_fetch_add(&count, 1) + 1;
    write_down(number, call, fd, bytes, path, other);
    if (number == at)
        broken = 1;
    if (mode == FAIL_ENOSPC && broken && need == SPACE) {
        errno = ENOSPC;
        return FAIL;
    }
    if (number != at)
        return PASS;
    if (mode == KILL)
        die();
    if (mode == FAIL_EIO) {
        errno = EIO;
        return FAIL;
    }
    return (mode == TORN || mode == SHORT) && bytes > 1 ? HALF : PASS;
}

#define REAL(name)                                                                                 \
    static __typeof__(&name) real;                                                                 \
    if (!real)                                                                                     \
        real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* ------------------------------------------------------------------ writing */

/* Leaves the caller when the call fails; halves `size` when it is cut. */
#define CUT(call, fd, size)                                                                        \
    enum verdict verdict = PASS;                                                                   \
    char path[PATH_MAX];                                                                           \
    if (armed && path_of_fd(fd, path)) {                                                           \
        verdict = hit(call, SPACE, fd, (long)(size), path, "");                                    \
        if (verdict == FAIL)                                                                       \
            return -1;                                                                             \
        if (verdict == HALF)                                                                       \
            size /= 2;                                                                             \
    }

#define FINISH(result)                                                                             \
    if (verdict == HALF && mode == TORN)                                                           \
        die();                                                                                     \
    return result

#define WRITE(name, call, declared, ...)                                                           \
    ssize_t name declared {                                                                        \
        REAL(name);                                                                                \
        CUT(call, fd, size);                                                                       \
        ssize_t done = real(__VA_ARGS__);                                                          \
        FINISH(done);                                                                              \
    }
WRITE(write, "write", (int fd, const void *bytes, size_t size), fd, bytes, size)
WRITE(pwrite, "pwrite", (int fd, const void *bytes, size_t size, off_t offset), fd, bytes, size,
      offset)
WRITE(pwrite64, "pwrite", (int fd, const void *bytes, size_t size, off64_t offset), fd, bytes, size,
      offset)
WRITE(sendfile, "sendfile", (int fd, int in, off_t *offset, size_t size), fd, in, offset, size)
WRITE(sendfile64, "sendfile", (int fd, int in, off64_t *offset, size_t size), fd, in, offset, size)
WRITE(copy_file_range, "copy_file_range",
      (int in, off64_t *from, int fd, off64_t *to, size_t size, unsigned int flags), in, from, fd,
      to, size, flags)

static size_t total(const struct iovec *pieces, int n) {
    size_t size = 0;
    for (int i = 0; i < n; i++)
        size += pieces[i].iov_len;
    return size;
}

/* Of a cut vector only the first piece, cut as well, is written. */
#define VECTOR(name, call, declared, passed)                                                       \
    ssize_t name declared {                                                                        \
        REAL(name);                                                                                \
        size_t size = total(pieces, n);                                                            \
        CUT(call, fd, size);                                                                       \
        struct iovec first;                                                                        \
        if (verdict == HALF) {                                                                     \
            first = pieces[0];                                                                     \
            first.iov_len = (first.iov_len + 1) / 2;                                               \
            pieces = &first;                                                                       \
            n = 1;                                                                                 \
        }                                                                                          \
        ssize_t done = real passed;                                                                \
        FINISH(done);                                                                              \
    }
VECTOR(writev, "writev", (int fd, const struct iovec *pieces, int n), (fd, pieces, n))
VECTOR(pwritev, "pwritev", (int fd, const struct iovec *pieces, int n, off_t offset),
       (fd, pieces, n, offset))
VECTOR(pwritev64, "pwritev", (int fd, const struct iovec *pieces, int n, off64_t offset),
       (fd, pieces, n, offset))

/* libc writes what stdio buffers by a way that cannot be taken over, so it is taken here. */
size_t fwrite(const void *bytes, size_t size, size_t n, FILE *file) {
    REAL(fwrite);
    char path[PATH_MAX];
    if (!armed || !path_of_fd(fileno(file), path))
        return real(bytes, size, n, file);
    enum verdict verdict = hit("fwrite", SPACE, fileno(file), (long)(size * n), path, "");
    if (verdict == FAIL)
        return 0;
    if (verdict == HALF && mode == TORN) {
        real(bytes, 1, size * n / 2, file);
        fflush_unlocked(file);
        die();
    }
    return real(bytes, size, n, file);
}

/* A flush that fails loses what waited: the disk was full when it came to it. */
static int flush_fails(const char *call, FILE *file) {
    char path[PATH_MAX];
    int waiting = file && __fpending(file) > 0;
    if (!armed || !waiting || !path_of_fd(fileno(file), path))
        return 0;
    enum verdict verdict = hit(call, SPACE, fileno(file), 0, path, "");
    if (verdict == FAIL)
        __fpurge(file);
    return verdict == FAIL;
}

int fflush(FILE *file) {
    REAL(fflush);
    if (flush_fails("fflush", file))
        return EOF;
    return real(file);
}

int fclose(FILE *file) {
    REAL(fclose);
    if (flush_fails("fclose", file)) {
        int error = errno;
        real(file);
        errno = error;
        return EOF;
    }
    return real(file);
}

/* ------------------------------------------------------------------ descriptors */

#define ON_FD(name, call, need, skip, declared, passed)                                            \
    int name declared {                                                                            \
        REAL(name);                                                                                \
        char path[PATH_MAX];                                                                       \
        if (armed && path_of_fd(fd, path) && hit(call, need, fd, -1, path, "") == FAIL)            \
            return -1;                                                                             \
        return skip ? 0 : real passed;                                                             \
    }
ON_FD(fsync, "fsync", SPACE, 1, (int fd), (fd))
ON_FD(fdatasync, "fsync", SPACE, 1, (int fd), (fd))
ON_FD(ftruncate, "truncate", FREE, 0, (int fd, off_t size), (fd, size))
ON_FD(ftruncate64, "truncate", FREE, 0, (int fd, off64_t size), (fd, size))
ON_FD(fallocate, "fallocate", SPACE, 0, (int fd, int how, off_t from, off_t size),
      (fd, how, from, size))
ON_FD(fallocate64, "fallocate", SPACE, 0, (int fd, int how, off64_t from, off64_t size),
      (fd, how, from, size))

/* This one returns the error. */
#define POSIX_FALLOCATE(name, offset_type)                                                         \
    int name(int fd, offset_type from, offset_type size) {                                         \
        REAL(name);                                                                                \
        char path[PATH_MAX];                                                                       \
        if (armed && path_of_fd(fd, path) && hit("fallocate", SPACE, fd, -1, path, "") == FAIL)    \
            return errno;                                                                          \
        return real(fd, from, size);                                                               \
    }
POSIX_FALLOCATE(posix_fallocate, off_t)
POSIX_FALLOCATE(posix_fallocate64, off64_t)

/* Recorded and not done, like fsync; it cannot fail. */
void sync(void) {
    REAL(sync);
    if (armed)
        hit("sync", FREE, -1, -1, folder, "");
    else
        real();
}

static int mapped(const void *address, char *path) {
    unsigned long from, to;
    char line[PATH_MAX + 128];
    int found = 0, start = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    while (maps && !found && fgets(line, sizeof line, maps))
        if (sscanf(line, "%lx-%lx %*s %*s %*s %*s %n", &from, &to, &start) >= 2 &&
            (unsigned long)address >= from && (unsigned long)address < to) {
            line[strcspn(line, "\n")] = '\0';
            snprintf(path, PATH_MAX, "%s", line + start);
            found = 1;
        }
    if (maps)
        fclose(maps);
    return found && inside(path);
}

int msync(void *address, size_t size, int flags) {
    REAL(msync);
    char path[PATH_MAX];
    if (armed && mapped(address, path) && hit("msync", SPACE, -1, (long)size, path, "") == FAIL)
        return -1;
    return real(address, size, flags);
}

/* ------------------------------------------------------------------ names */

/* Opening changes something when it makes a name or empties a file. */
static int open_fails(int fd, const char *given, int flags) {
    char path[PATH_MAX];
    struct stat status;
    if (!armed || !(flags & (O_CREAT | O_TRUNC)) || !path_at(fd, given, path))
        return 0;
    int there = stat(path, &status) == 0;
    if (!there && flags & O_CREAT)
        return hit("create", SPACE, -1, -1, path, "") == FAIL;
    if (there && flags & O_TRUNC && status.st_size > 0 && !(flags & O_EXCL))
        return hit("truncate", FREE, -1, -1, path, "") == FAIL;
    return 0;
}

#define OPEN(name, at_fd, declared, ...)                                                           \
    int name declared {                                                                            \
        REAL(name);                                                                                \
        va_list rest;                                                                              \
        va_start(rest, flags);                                                                     \
        mode_t bits = flags & (O_CREAT | __O_TMPFILE) ? va_arg(rest, mode_t) : 0;                  \
        va_end(rest);                                                                              \
        return open_fails(at_fd, given, flags) ? -1 : real(__VA_ARGS__, flags, bits);              \
    }
OPEN(open, AT_FDCWD, (const char *given, int flags, ...), given)
OPEN(open64, AT_FDCWD, (const char *given, int flags, ...), given)
OPEN(openat, fd, (int fd, const char *given, int flags, ...), fd, given)
OPEN(openat64, fd, (int fd, const char *given, int flags, ...), fd, given)

#define FOPEN(name)                                                                                \
    FILE *name(const char *given, const char *how) {                                               \
        REAL(name);                                                                                \
        int flags = how[0] == 'w' ? O_CREAT | O_TRUNC : how[0] == 'a' ? O_CREAT : 0;               \
        return open_fails(AT_FDCWD, given, flags) ? NULL : real(given, how);                       \
    }
FOPEN(fopen)
FOPEN(fopen64)

#define ON_PATH(name, call, need, at_fd, declared, passed)                                         \
    int name declared {                                                                            \
        REAL(name);                                                                                \
        char path[PATH_MAX];                                                                       \
        if (armed && path_at(at_fd, given, path) && hit(call, need, -1, -1, path, "") == FAIL)     \
            return -1;                                                                             \
        return real passed;                                                                        \
    }
ON_PATH(mkdir, "mkdir", SPACE, AT_FDCWD, (const char *given, mode_t bits), (given, bits))
ON_PATH(mkdirat, "mkdir", SPACE, fd, (int fd, const char *given, mode_t bits), (fd, given, bits))
ON_PATH(rmdir, "rmdir", FREE, AT_FDCWD, (const char *given), (given))
ON_PATH(unlink, "unlink", FREE, AT_FDCWD, (const char *given), (given))
ON_PATH(unlinkat, flags & AT_REMOVEDIR ? "rmdir" : "unlink", FREE, fd,
        (int fd, const char *given, int flags), (fd, given, flags))
ON_PATH(remove, "unlink", FREE, AT_FDCWD, (const char *given), (given))
ON_PATH(truncate, "truncate", FREE, AT_FDCWD, (const char *given, off_t size), (given, size))
ON_PATH(truncate64, "truncate", FREE, AT_FDCWD, (const char *given, off64_t size), (given, size))

#define ON_TWO(name, call, fd_1, fd_2, declared, passed)                                           \
    int name declared {                                                                            \
        REAL(name);                                                                                \
        char path[PATH_MAX], other[PATH_MAX];                                                      \
        if (armed && (path_at(fd_1, given, path) | path_at(fd_2, wanted, other)) &&                \
            hit(call, SPACE, -1, -1, path, other) == FAIL)                                         \
            return -1;                                                                             \
        return real passed;                                                                        \
    }
ON_TWO(rename, "rename", AT_FDCWD, AT_FDCWD, (const char *given, const char *wanted),
       (given, wanted))
ON_TWO(renameat, "rename", from, to, (int from, const char *given, int to, const char *wanted),
       (from, given, to, wanted))
ON_TWO(renameat2, "rename", from, to,
       (int from, const char *given, int to, const char *wanted, unsigned int flags),
       (from, given, to, wanted, flags))
ON_TWO(link, "link", AT_FDCWD, AT_FDCWD, (const char *given, const char *wanted), (given, wanted))
ON_TWO(linkat, "link", from, to,
       (int from, const char *given, int to, const char *wanted, int flags),
       (from, given, to, wanted, flags))
