/* Files: whole reads and writes, durable replacement, folders.  Layer base; any thread. */
#pragma once
#include <sys/types.h>
#include "str.h"

static inline void su_close_fd(int *fd) { extern int close(int); if (*fd >= 0) close(*fd); }
#define SU_AUTO_FD SU_CLEANUP(su_close_fd)

/* Whole file into memory; SU_LIMIT when larger than max. */
bool su_file_read(const char *path, size_t max, struct su_buf *ret, struct su_err *err);
/* Replace a file durably: temporary file beside it, sync, rename, sync of the folder. */
bool su_file_replace(const char *path, struct su_str content, mode_t mode, struct su_err *err);
bool su_write_all(int fd, const void *data, size_t len, struct su_err *err);
bool su_dir_make(const char *path, mode_t mode, struct su_err *err);  /* with parents; present is fine */
bool su_dir_sync(const char *path, struct su_err *err);
/* Everything below and the folder itself; never follows links. Absent is fine. */
bool su_dir_remove(const char *path, struct su_err *err);
/* Folder of the running executable, NUL-terminated; caller frees. */
char *su_exe_dir(void);
