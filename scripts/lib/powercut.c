/* Records, under LD_PRELOAD, what a process has made durable, so that a power cut can be played after a kill -9.
 *
 * For the files below $POWERCUT_ROOT it appends lines to $POWERCUT_LOG:
 *
 *   S <inode> <length>      fsync or fdatasync succeeded when the file had (at least) this length
 *   T <inode> <length>      the file was truncated
 *   D <directory>           fsync of a directory succeeded; its entries, as listed before the call, follow:
 *   e <inode> <name>
 *   .                       the end of the entries
 *   X <reason> <file>       the process did what the record cannot undo
 *
 * Names that are unlinked or renamed over are first linked into $POWERCUT_GRAVE (as their inode number), for their
 * removal may be undone. The log needs no sync: only the process dies, not the machine. Each record is one write().
 *
 * Not followed: system calls that bypass libc, io_uring, sync() and syncfs() (they count as nothing synced), and
 * sync_file_range(), which promises nothing. The files are taken to be append-only: a write below the length that
 * is already durable is reported (X), and so is a shared writable mapping. scripts/lib/powercut.py reads the log.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { TRACKED_FDS = 1 << 16, RECORD_BYTES = 1 << 16, PATH_BYTES = PATH_MAX + NAME_MAX };

/* Below this length a write to the descriptor would change what may be durable; 0 for whatever is not tracked. */
static volatile off_t floor_of[TRACKED_FDS];

#define REAL(name) \
    static __typeof__(&name) real; \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void record(const char *text, size_t length) {
    static int log_fd = -1;
    REAL(write);
    if (log_fd < 0) {
        const char *path = getenv("POWERCUT_LOG");
        log_fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644) : -1;
    }
    if (log_fd < 0 || real(log_fd, text, length) != (ssize_t)length) {
        static const char complaint[] = "powercut: the log cannot be written\n";
        if (real(STDERR_FILENO, complaint, sizeof complaint - 1) < 0) { /* nothing left to tell it to */ }
        abort();
    }
}

__attribute__((format(printf, 1, 2))) static void record_line(const char *format, ...) {
    char line[PATH_BYTES + 128];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    record(line, (size_t)length < sizeof line ? (size_t)length : sizeof line - 1);
}

static int below_root(const char *path) {
    const char *root = getenv("POWERCUT_ROOT");
    if (!root) return 0;
    size_t length = strlen(root);
    return strncmp(path, root, length) == 0 && (path[length] == '/' || path[length] == '\0');
}

/* The path of an open descriptor; 0 when it is not below the root. */
static int path_of_fd(int fd, char path[PATH_BYTES]) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX);
    if (length < 0) return 0;
    path[length] = '\0';
    return below_root(path);
}

/* Whether a path, relative to the directory `at`, is below the root. */
static int path_at_is_below_root(int at, const char *path) {
    char base[PATH_BYTES];
    if (path[0] == '/') return below_root(path);
    if (at != AT_FDCWD) return path_of_fd(at, base);
    return getcwd(base, PATH_MAX) && below_root(base);
}

/* Keeps the contents of a name that is about to go. */
static void bury(int at, const char *path) {
    struct stat status;
    char grave[PATH_BYTES];
    const char *directory = getenv("POWERCUT_GRAVE");
    int saved = errno;
    if (directory && path_at_is_below_root(at, path) && fstatat(at, path, &status, AT_SYMLINK_NOFOLLOW) == 0
        && S_ISREG(status.st_mode)) {
        snprintf(grave, sizeof grave, "%s/%lu", directory, (unsigned long)status.st_ino);
        if (linkat(at, path, AT_FDCWD, grave, 0) != 0 && errno != EEXIST) record_line("X unlink %s\n", path);
    }
    errno = saved;
}

static void opened(int fd, int flags) {
    char path[PATH_BYTES];
    struct stat status;
    int saved = errno;
    if (fd >= 0 && fd < TRACKED_FDS) floor_of[fd] = 0;
    if (fd >= 0 && (flags & O_ACCMODE) != O_RDONLY && path_of_fd(fd, path) && fstat(fd, &status) == 0
        && S_ISREG(status.st_mode)) {
        if (flags & O_TRUNC) record_line("T %lu 0\n", (unsigned long)status.st_ino);
        if (flags & O_DSYNC) record_line("X O_SYNC %s\n", path);
        if (fd < TRACKED_FDS) floor_of[fd] = status.st_size;
    }
    errno = saved;
}

#define OPEN_MODE(flags) \
    mode_t mode = 0; \
    if ((flags) & (O_CREAT | __O_TMPFILE)) { \
        va_list arguments; \
        va_start(arguments, flags); \
        mode = va_arg(arguments, mode_t); \
        va_end(arguments); \
    }

#define DEFINE_OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        OPEN_MODE(flags) \
        int fd = real(path, flags, mode); \
        opened(fd, flags); \
        return fd; \
    }
DEFINE_OPEN(open)
DEFINE_OPEN(open64)

#define DEFINE_OPENAT(name) \
    int name(int at, const char *path, int flags, ...) { \
        REAL(name); \
        OPEN_MODE(flags) \
        int fd = real(at, path, flags, mode); \
        opened(fd, flags); \
        return fd; \
    }
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

#define DEFINE_CREAT(name) \
    int name(const char *path, mode_t mode) { \
        REAL(name); \
        int fd = real(path, mode); \
        opened(fd, O_WRONLY | O_CREAT | O_TRUNC); \
        return fd; \
    }
DEFINE_CREAT(creat)
DEFINE_CREAT(creat64)

#define DEFINE_FOPEN(name) \
    FILE *name(const char *path, const char *mode) { \
        REAL(name); \
        FILE *file = real(path, mode); \
        if (file) opened(fileno(file), mode[0] == 'w' ? O_WRONLY | O_TRUNC : mode[0] == 'a' ? O_WRONLY : O_RDONLY); \
        return file; \
    }
DEFINE_FOPEN(fopen)
DEFINE_FOPEN(fopen64)

int close(int fd) {
    REAL(close);
    if (fd >= 0 && fd < TRACKED_FDS) floor_of[fd] = 0;
    return real(fd);
}

/* The state file is two copies that are overwritten in turn. What was not synced of them is left there, as a power cut may. */
static int is_written_in_place(const char *path) {
    static const char name[] = "/stillpoint.state";
    size_t length = strlen(path);
    return length >= sizeof name - 1 && strcmp(path + length - (sizeof name - 1), name) == 0;
}

/* Reports a write that changes bytes which may already be durable; `offset` is -1 for the current position. */
static void check_write(int fd, off_t offset) {
    char path[PATH_BYTES];
    if (fd < 0 || fd >= TRACKED_FDS || floor_of[fd] == 0) return;
    int saved = errno;
    if (offset < 0 && !(fcntl(fd, F_GETFL) & O_APPEND)) offset = lseek(fd, 0, SEEK_CUR);
    if (offset >= 0 && offset < floor_of[fd]) {
        floor_of[fd] = 0;
        if (path_of_fd(fd, path) && !is_written_in_place(path)) record_line("X overwrite %s\n", path);
    }
    errno = saved;
}

ssize_t write(int fd, const void *data, size_t count) {
    REAL(write);
    check_write(fd, -1);
    return real(fd, data, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
    REAL(writev);
    check_write(fd, -1);
    return real(fd, parts, count);
}

#define DEFINE_PWRITE(name, pointer, size) \
    ssize_t name(int fd, pointer data, size count, off_t offset) { \
        REAL(name); \
        check_write(fd, offset); \
        return real(fd, data, count, offset); \
    }
DEFINE_PWRITE(pwrite, const void *, size_t)
DEFINE_PWRITE(pwrite64, const void *, size_t)
DEFINE_PWRITE(pwritev, const struct iovec *, int)
DEFINE_PWRITE(pwritev64, const struct iovec *, int)

#define DEFINE_MMAP(name) \
    void *name(void *address, size_t length, int protection, int flags, int fd, off_t offset) { \
        REAL(name); \
        char path[PATH_BYTES]; \
        if (fd >= 0 && (flags & MAP_SHARED) && (protection & PROT_WRITE) && path_of_fd(fd, path)) \
            record_line("X mmap %s\n", path); \
        return real(address, length, protection, flags, fd, offset); \
    }
DEFINE_MMAP(mmap)
DEFINE_MMAP(mmap64)

#define DEFINE_FTRUNCATE(name) \
    int name(int fd, off_t length) { \
        REAL(name); \
        char path[PATH_BYTES]; \
        struct stat status; \
        int result = real(fd, length); \
        if (result == 0 && path_of_fd(fd, path) && fstat(fd, &status) == 0) { \
            record_line("T %lu %lld\n", (unsigned long)status.st_ino, (long long)length); \
            if (fd < TRACKED_FDS && floor_of[fd] > length) floor_of[fd] = length; \
        } \
        return result; \
    }
DEFINE_FTRUNCATE(ftruncate)
DEFINE_FTRUNCATE(ftruncate64)

#define DEFINE_TRUNCATE(name) \
    int name(const char *path, off_t length) { \
        REAL(name); \
        struct stat status; \
        int result = real(path, length); \
        if (result == 0 && path_at_is_below_root(AT_FDCWD, path) && stat(path, &status) == 0) \
            record_line("T %lu %lld\n", (unsigned long)status.st_ino, (long long)length); \
        return result; \
    }
DEFINE_TRUNCATE(truncate)
DEFINE_TRUNCATE(truncate64)

/* Appends a directory's entries to a record; the length, or 0 when there is no room for them. */
static size_t list_entries(const char *path, char *text, size_t length) {
    DIR *directory = opendir(path);
    struct dirent *entry;
    while (directory && (entry = readdir(directory))) {
        if (entry->d_type == DT_DIR) continue;
        length += (size_t)snprintf(text + length, RECORD_BYTES - length, "e %lu %s\n", (unsigned long)entry->d_ino,
                                   entry->d_name);
        if (length + 2 >= RECORD_BYTES) break;
    }
    if (directory) closedir(directory);
    return length + 2 < RECORD_BYTES ? length : 0;
}

/* A sync makes durable what was there before the call, and says so only after it: both err on the losing side. */
static int sync_fd(int fd, int (*real)(int)) {
    char path[PATH_BYTES];
    struct stat status;
    if (!path_of_fd(fd, path) || fstat(fd, &status) != 0) return real(fd);
    if (S_ISDIR(status.st_mode)) {
        char *text = malloc(RECORD_BYTES);
        if (!text) abort();
        size_t length = list_entries(path, text, (size_t)snprintf(text, RECORD_BYTES, "D %s\n", path));
        int result = real(fd);
        int saved = errno;
        if (result == 0 && length) {
            memcpy(text + length, ".\n", 2);
            record(text, length + 2);
        } else if (result == 0) {
            record_line("X too-many-entries %s\n", path);
        }
        free(text);
        errno = saved;
        return result;
    }
    int result = real(fd);
    if (result == 0 && S_ISREG(status.st_mode)) {
        record_line("S %lu %lld\n", (unsigned long)status.st_ino, (long long)status.st_size);
        if (fd < TRACKED_FDS) floor_of[fd] = status.st_size;
    }
    return result;
}

int fsync(int fd) {
    REAL(fsync);
    return sync_fd(fd, real);
}

int fdatasync(int fd) {
    REAL(fdatasync);
    return sync_fd(fd, real);
}

int unlink(const char *path) {
    REAL(unlink);
    bury(AT_FDCWD, path);
    return real(path);
}

int unlinkat(int at, const char *path, int flags) {
    REAL(unlinkat);
    bury(at, path);
    return real(at, path, flags);
}

int remove(const char *path) {
    REAL(remove);
    bury(AT_FDCWD, path);
    return real(path);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    bury(AT_FDCWD, to);
    return real(from, to);
}

int renameat(int from_at, const char *from, int to_at, const char *to) {
    REAL(renameat);
    bury(to_at, to);
    return real(from_at, from, to_at, to);
}

int renameat2(int from_at, const char *from, int to_at, const char *to, unsigned flags) {
    REAL(renameat2);
    bury(to_at, to);
    return real(from_at, from, to_at, to, flags);
}
